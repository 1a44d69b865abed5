"""Files that people take for a model, or that hold one in part: the line says what they are and how to save one."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.architecture.graph import default_layer, steps_notes
from engine.file_safety.open_source import open_source
from engine.sandbox.describe import describe_file
from engine.sandbox.model_file import read_model
from tests.support.model_files import layer, model_config, small_net
from tests.support.refusals import Make, bytes_of, h5, line_of_data, line_of_model
from tests.unit.test_files_graph import conv, net

pytestmark = pytest.mark.e2e


def folder(*names: str) -> Make:
    def make(path: Path) -> None:
        path.mkdir()
        for name in names:
            (path / name).write_bytes(b"x")

    return make


def weights_of_another_net(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 4), "f4")
        file["layers/dense_2/vars/0"] = np.zeros((4, 5), "f4")


ARCHITECTURE = (
    "is the architecture of a model as text, without weights. Save the whole model with model.save('model.keras')."
)
WRAPPED = layer("PruneLowMagnitude", "prune_low_magnitude_conv_1", ["input"], layer=small_net()["config"]["layers"][1])
FOREIGN = {
    "module": "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper",
    "registered_name": "TensorFlowModelOptimization>PruneLowMagnitude",
}
STRIP = (
    "layer 'prune_low_magnitude_conv_1' (PruneLowMagnitude) is wrapped for training. Take that off and save again: "
    "tfmot.sparsity.keras.strip_pruning(model).save('model.h5')"
)
FILES: dict[str, tuple[Make, str]] = {
    "SavedModel": (
        folder("saved_model.pb", "keras_metadata.pb"),
        "is a SavedModel folder, expected one file. Where it was made: model.save('model.keras')",
    ),
    "unpacked archive": (
        folder("config.json", "metadata.json", "model.weights.h5"),
        "is an unpacked .keras file. Pack it again: cd into it, then: zip -0 ../model.keras *",
    ),
    "folder": (folder("data.h5"), "is a folder, expected one .h5 or .keras file."),
    "architecture": (bytes_of(json.dumps(small_net()).encode()), ARCHITECTURE),
    "architecture of Keras 3": (
        bytes_of(json.dumps({"module": "keras", "class_name": "Sequential", "config": {}}).encode()), ARCHITECTURE,
    ),
    "architecture, indented": (bytes_of(json.dumps(small_net(), indent=2).encode()), ARCHITECTURE),
    "architecture, twice JSON": (bytes_of(json.dumps(json.dumps(small_net())).encode()), ARCHITECTURE),
    "architecture as YAML": (bytes_of(b"backend: tensorflow\nclass_name: Functional\nconfig:\n"), ARCHITECTURE),
    "other JSON": (bytes_of(b'{"accuracy": 1}'), "is a text file, expected HDF5 (.h5) or .keras."),
    "list of cut weights": (
        bytes_of(b'{"metadata": {"total_size": 1}, "weight_map": {"/layers/conv2d": ["a_00000.weights.h5"]}}'),
        "is the list of weights that are cut into several files. Save the whole model with model.save('model.keras').",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_what_is_no_model_file_says_how_to_save_one(what: str, tmp_path: Path) -> None:
    make, line = FILES[what]
    (tmp_path / "as_model").mkdir()
    (tmp_path / "as_data").mkdir()
    assert line_of_model(make, tmp_path / "as_model") == line
    assert line_of_data(make, tmp_path / "as_data") == line


@pytest.mark.parametrize("more", [{}, FOREIGN])
def test_a_network_that_is_wrapped_for_pruning_in_training(more: dict[str, Any], tmp_path: Path) -> None:
    config = model_config(small_net()["config"]["layers"][0], WRAPPED | more)
    assert line_of_model(h5(config), tmp_path) == STRIP


def test_weights_of_another_network_are_told_as_such_by_both_who_read_them(tmp_path: Path) -> None:
    from engine.file_safety.refusal import FileRefused

    line = "contains weights only, no architecture. Save the whole model with model.save('model.h5')."
    assert line_of_model(weights_of_another_net, tmp_path) == line
    source = open_source(tmp_path / "file.h5")
    with pytest.raises(FileRefused) as caught:
        describe_file(source.descriptor, "file.h5")
    assert str(caught.value) == line


def test_weights_of_the_labs_network_in_keras_3s_own_form(tmp_path: Path) -> None:
    shapes = {
        "conv2d": [(4, 4, 3, 20), (20,)], "conv2d_1": [(3, 3, 20, 40), (40,)], "conv2d_2": [(3, 3, 40, 60), (60,)],
        "conv2d_3": [(2, 2, 60, 80), (80,)], "dense": [(1200, 160), (160,)], "dense_1": [(960, 160), (160,)],
        "dense_2": [(160, 1283), (1283,)],
    }  # fmt: skip
    path = tmp_path / "deepid.weights.h5"
    with h5py.File(path, "w") as file:
        for name, held in shapes.items():
            for index, shape in enumerate(held):
                file[f"layers/{name}/vars/{index}"] = np.full(shape, 0.5, "f4")
    found = read_model(path)
    assert found.spec.format == "weights.h5"
    assert found.spec.notes == ("holds weights only: taken for the lab's network, DeepID",)
    assert default_layer(found.spec) == "conv_3"
    source = open_source(path)
    described = describe_file(source.descriptor, "deepid.weights.h5")
    assert (described.format, described.layer, described.classes) == ("weights.h5", "conv_3", 1283)


def test_many_channels_tell_how_many_steps_they_take() -> None:
    assert steps_notes("conv_3", 512) == ()
    assert steps_notes("top", 2048) == ("'top' has 2,048 channels: a whole run takes 2,048 steps",)


def test_the_default_of_a_residual_network_is_its_last_convolution() -> None:
    layers: list[Any] = [conv("first", "x")]
    for index in range(3):
        before = layers[-1][0]
        layers += [
            conv(f"a{index}", before),
            conv(f"b{index}", f"a{index}"),
            (f"s{index}", "Add", [before, f"b{index}"], {}),
        ]
    layers += [("pool", "GlobalAveragePooling2D", "s2", {}), ("out", "Dense", "pool", {"units": 5})]
    assert default_layer(net(*layers)) == "b2"
    late = [*layers[:-2], conv("head", "s2"), ("pool", "GlobalAveragePooling2D", "head", {}), layers[-1]]
    assert default_layer(net(*late)) == "head"

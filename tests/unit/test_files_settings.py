"""Settings, shapes, names and arguments of calls that no Keras takes where a file has them: refused, in one line."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.api.errors import Refused
from engine.file_safety.json_text import read_json
from engine.file_safety.refusal import FileRefused
from engine.model_files.flatten import read_architecture
from engine.model_files.graph_operations import is_operation
from engine.sandbox.model_file import read_model
from tests.faults.grammar.configurations import changed
from tests.support.model_files import IMAGE, Config, layer, model_config, small_net, write_h5

WRITERS = ["2.3.1", "2.7.0", "3.15.1"]


def line(config: Config, writer: str, folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        opened(config, writer, folder)
    return str(caught.value).partition(": ")[2]


def opened(config: Config, writer: str, folder: Path) -> Any:
    def edit(file: Any) -> None:
        file.attrs["keras_version"] = writer

    return read_model(write_h5(folder / "net.h5", config, edit=edit))


def with_layer(kind: str, **settings: Any) -> Config:
    """The small network with a layer of this kind behind the convolution."""
    return model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=[3, 3]),
        layer(kind, "more", ["conv_1"], **settings),
        layer("GlobalAveragePooling2D", "pool_1", ["more"]),
        layer("Dense", "output", ["pool_1"], units=5),
    )


def new_call(name: str, *sources: str, **words: Any) -> list[Any]:
    """A call as Keras 3 writes it, each source an argument by place."""
    shape = [None, *IMAGE] if sources[0] == "input" else [None, 6, 4, 4]
    tensors = [
        {"class_name": "__keras_tensor__",
         "config": {"shape": shape, "dtype": "float32", "keras_history": [source, 0, 0]}}
        for source in sources
    ]  # fmt: skip
    return [{"args": tensors, "kwargs": words}]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("kind", "settings", "word"),
    [
        ("Dropout", {"rate": 0.5, "groups": None}, "groups"),
        ("SpatialDropout2D", {"rate": 0.5, "activity_regularizer": None}, "activity_regularizer"),
        ("ELU", {"noise_shape": None}, "noise_shape"),
        ("ELU", {"keepdims": None}, "keepdims"),
        ("ReLU", {"compile_config": None}, "compile_config"),
        ("GaussianNoise", {"stddev": 0.5, "momentum": "x"}, "momentum"),
        ("MaxPooling2D", {"batch_shape": [2, 8, 7, 3]}, "batch_shape"),
        ("Cropping2D", {"depthwise_initializer": None}, "depthwise_initializer"),
        ("BatchNormalization", {"moving_mean_regularizer": None}, "moving_mean_regularizer"),
    ],
)
def test_a_setting_of_another_kind_of_layer_is_refused(
    kind: str, settings: dict[str, Any], word: str, writer: str, tmp_path: Path
) -> None:
    assert f"({kind}) has a setting '{word}' that" in line(with_layer(kind, **settings), writer, tmp_path)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Dropout", {"rate": 0.5, "noise_shape": None, "seed": None}),
        ("SpatialDropout2D", {"rate": 0.5, "noise_shape": None, "seed": None, "trainable": True}),
        ("Dropout", {"p": 0.5}),
        ("ReLU", {"max_value": None, "negative_slope": 0.0, "theta": 0.0}),
        ("GaussianNoise", {"sigma": 0.1}),
    ],
)
def test_what_keras_2_writes_is_opened(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    assert opened(with_layer(kind, **settings), "2.7.0", tmp_path).spec.output == "output"


@pytest.mark.parametrize(
    ("kind", "settings", "word"),
    [
        ("SpatialDropout2D", {"rate": 0.5, "trainable": True}, "trainable"),
        ("SpatialDropout2D", {"rate": 0.5, "noise_shape": None}, "noise_shape"),
        ("Dropout", {"p": 0.5}, "p"),
        ("GaussianNoise", {"sigma": 0.5}, "sigma"),
        ("ReLU", {"theta": 0.0}, "theta"),
        ("ActivityRegularization", {"activity_regularizer": None}, "activity_regularizer"),
        ("RandomRotation", {"factor": 0.5, "value_range": [0, 255]}, "value_range"),
    ],
)
def test_words_that_keras_3_dropped_are_refused_in_its_files(
    kind: str, settings: dict[str, Any], word: str, tmp_path: Path
) -> None:
    assert f"has a setting '{word}' that" in line(with_layer(kind, **settings), "3.15.1", tmp_path)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("size", [1e30, -1, "8", True, 2.0, [None]])
@pytest.mark.parametrize("place", [0, 1])
def test_a_size_that_is_no_whole_number_is_refused(size: Any, place: int, writer: str, tmp_path: Path) -> None:
    config = small_net()
    config["config"]["layers"][0]["config"]["batch_input_shape"][place] = size
    assert "has batch_input_shape=" in line(config, writer, tmp_path)


@pytest.mark.parametrize("writer", WRITERS)
def test_the_batch_axis_of_a_sequential_model_is_looked_at(writer: str, tmp_path: Path) -> None:
    layers = [layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE]), *small_net()["config"]["layers"][1:]]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    config["config"]["build_input_shape"] = [None, *IMAGE]
    assert opened(config, writer, tmp_path).spec.output == "output"
    config["config"]["build_input_shape"] = [0.5, *IMAGE]
    assert "has build_input_shape=" in line(config, writer, tmp_path)


@pytest.mark.parametrize("writer", ["2.3.1", "2.7.0"])
@pytest.mark.parametrize("name", ["conv_1\0", "conv 1", "conv:1", "cönv", "conv\n"])
def test_a_name_that_keras_2_cannot_have_is_refused(name: str, writer: str, tmp_path: Path) -> None:
    config = small_net()
    text = json.dumps(config).replace(json.dumps("conv_1"), json.dumps(name))
    assert "which Keras 2 does not take" in line(json.loads(text), writer, tmp_path)


@pytest.mark.parametrize("writer", ["2.3.1", "2.7.0"])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"mask": None}, "is called with 'mask', which Keras does not take"),
        ({"training": None}, "is called with 'training', which Keras does not take"),
        ({"foo": None}, "is called with 'foo', which Keras does not take"),
        ({"training": True}, "called with arguments beside its inputs"),
        ({"mask": False}, "called with arguments beside its inputs"),
    ],
)
def test_arguments_that_a_layer_of_keras_2_does_not_take(
    words: dict[str, Any], found: str, writer: str, tmp_path: Path
) -> None:
    config = small_net()
    config["config"]["layers"][1]["inbound_nodes"] = [[["input", 0, 0, words]]]
    assert found in line(config, writer, tmp_path)


@pytest.mark.parametrize("words", [{"training": None}, {"training": False}, {"mask": None}, {}])
def test_arguments_of_keras_2_that_change_nothing(words: dict[str, Any], tmp_path: Path) -> None:
    config = with_layer("BatchNormalization", center=False, scale=False)
    config["config"]["layers"][2] = layer("Softmax" if "mask" in words else "Dropout", "more", [], rate=0.5)
    if "mask" in words:
        del config["config"]["layers"][2]["config"]["rate"]
    config["config"]["layers"][2]["inbound_nodes"] = [[["conv_1", 0, 0, words]]]
    assert opened(config, "2.7.0", tmp_path).spec.output == "output"


@pytest.mark.parametrize("training", [None, False, True])
def test_training_in_a_call_of_keras_3_is_opened(training: bool | None, tmp_path: Path) -> None:
    config = small_net()
    config["config"]["layers"][1]["inbound_nodes"] = new_call("conv_1", "input", training=training)
    assert opened(config, "3.15.1", tmp_path).spec.output == "output"


@pytest.mark.parametrize("words", [{"mask": None}, {"foo": None}, {"training": 1}, {"training": 0}, {"mask": True}])
def test_arguments_that_a_layer_of_keras_3_does_not_take(words: dict[str, Any], tmp_path: Path) -> None:
    config = small_net()
    config["config"]["layers"][1]["inbound_nodes"] = new_call("conv_1", "input", **words)
    assert "is called with" in line(config, "3.15.1", tmp_path)


def test_two_tensors_by_place_are_not_a_list_of_two(tmp_path: Path) -> None:
    """Keras calls add(x, y), of which the second is no input of a layer."""
    config = with_layer("Add")
    merged = config["config"]["layers"][2]
    merged["inbound_nodes"] = new_call("more", "conv_1", "conv_1")
    merged["module"] = "keras.layers"
    assert "called with arguments beside its inputs" in line(config, "3.15.1", tmp_path)
    merged["inbound_nodes"][0]["args"] = [merged["inbound_nodes"][0]["args"]]
    assert opened(config, "3.15.1", tmp_path).spec.output == "output"


def test_a_list_of_one_tensor_is_no_tensor(tmp_path: Path) -> None:
    """Only merging layers and models take lists in Keras 3, and the former nothing else."""
    config = small_net()
    call = new_call("conv_1", "input")
    config["config"]["layers"][1]["inbound_nodes"] = call
    assert opened(config, "3.15.1", tmp_path).spec.output == "output"
    call[0]["args"] = [call[0]["args"]]
    assert "fed with something else than another layer's output" in line(config, "3.15.1", tmp_path)
    config = with_layer("Concatenate")
    config["config"]["layers"][2]["inbound_nodes"] = new_call("more", "conv_1")
    assert "fed with something else than another layer's output" in line(config, "3.15.1", tmp_path)


# whatever a configuration holds


@pytest.mark.parametrize("kind", [None, [], ["Conv2D"], {}, 5, ...])
def test_a_class_that_is_no_name_is_a_refusal(kind: Any, tmp_path: Path) -> None:
    config = small_net()
    config["config"]["layers"][1]["class_name"] = kind
    if kind is ...:
        del config["config"]["layers"][1]["class_name"]
    for writer in WRITERS:
        found = line(config, writer, tmp_path)
        assert found.startswith("has a 'model_config' that does not describe")
    assert not is_operation(config["config"]["layers"][1])


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_configuration_is_read_or_refused(seed: int) -> None:
    """No change of the standing check's leads to another error, which would look as if the file had crashed us."""
    rng = random.Random(seed)
    inner = model_config(
        layer("InputLayer", "start", [], batch_input_shape=[None, 6, 4, 4]),
        layer("ELU", "elu", ["start"]),
        inputs=("start",),
    )
    nested = with_layer("Functional")
    nested["config"]["layers"][2] |= {"config": inner["config"]}
    new = with_layer("Add")
    new["config"]["layers"][2] |= {"inbound_nodes": new_call("more", "conv_1", "conv_1"), "module": "keras.layers"}
    refused = 0
    for _ in range(500):
        config = copy.deepcopy(rng.choice((small_net(), nested, new, with_layer("Dropout", rate=0.5))))
        for _ in range(rng.choice((1, 1, 2, 3))):
            try:
                told = changed(rng, config)
            except (KeyError, ValueError, IndexError, TypeError, AttributeError):
                continue  # a second change that does not fit the first
            assert told
        try:
            read_architecture(read_json("x", json.dumps(config).encode()), rng.choice(WRITERS))
        except FileRefused as finding:
            refused += 1
            assert "\n" not in str(finding)
    assert 0 < refused < 500

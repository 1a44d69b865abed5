"""Smaller networks and G as one model: the same answers, in a process that has Keras and nothing of this project."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from engine.api import protocol as p  # noqa: E402
from engine.api.errors import Refused  # noqa: E402
from engine.repair.export import ONNX, exported  # noqa: E402
from engine.repair.g_network import highest  # noqa: E402
from engine.repair.shrink import count, shrunk  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402
from engine.sandbox.pruned_file import pruned_bytes  # noqa: E402
from tests.support.networks import CASES, CLASSES, SHAPE, trained_looking, write_lab  # noqa: E402

# opens a file in Keras's safe mode, with none of our modules to be found, and prints the answers to saved images
ALONE = """
import json, sys
import numpy as np
import keras
network = keras.models.load_model(sys.argv[1], compile=False, safe_mode=True)
assert not any(name.split(".")[0] in ("engine", "tui") for name in sys.modules)
scores = network.predict(np.load(sys.argv[2]), verbose=0)
np.save(sys.argv[3], scores)
print(json.dumps(scores.argmax(1).tolist()))
"""


def lab_of(folder: Path, case: str) -> Path:
    write_lab(folder, trained_looking(CASES[case][0], seed=7), seed=7)
    return folder


def prune(folder: Path, layer: str, channels: tuple[int, ...], name: str = "pruned.h5") -> Path:
    """A file of the lab's network with these channels at zero."""
    path = folder / name
    path.write_bytes(pruned_bytes(read_model(folder / "models/bd_net.h5"), layer, channels))
    return path


def export(folder: Path, what: Any, model: Path, to: str, **more: Any) -> p.Exported:
    sets = tuple(str(folder / place) for place in ("data/cl/valid.h5", "data/cl/test.h5", "data/bd/bd_test.h5"))
    command = p.ExportNetwork(what, str(model), str(folder / to), check=sets, **more)
    return exported(command, lambda name, done, total: None, lambda size: None, RLock())


def alone(folder: Path, file: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores and answers of a fresh process that has Keras alone, to images at random."""
    images = images_of(folder)
    np.save(folder / "images.npy", images)
    words = [sys.executable, "-I", "-c", ALONE, folder / file, folder / "images.npy", folder / "scores.npy"]
    found = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=240, cwd=folder)
    assert found.returncode == 0, found.stderr
    return np.load(folder / "scores.npy"), np.array(json.loads(found.stdout.splitlines()[-1]))


def images_of(folder: Path) -> np.ndarray:
    from engine.sandbox.data_set import open_dataset

    data = open_dataset(folder / "data/cl/test.h5", None, None)
    return np.concatenate(list(data.batches(1000))).transpose(0, 2, 3, 1)


SHRINKABLE = [
    "sequential",
    "sequential, first layer",
    "residual",
    "sigmoid",
    "branching",
    "crossing",
    "normalised on both sides",
]


@pytest.mark.parametrize("case", SHRINKABLE)
def test_a_network_without_its_pruned_channels_gives_the_same_scores(case: str, tmp_path: Path) -> None:
    folder = lab_of(tmp_path, case)
    layer = CASES[case][1]
    name = layer or {"residual": "last", "branching": "last", "sigmoid": "last"}.get(case, "last")
    model = prune(folder, name, (0, 2, 3))
    told = export(folder, "shrunk", model, "small.keras", layer=layer)
    assert told.parameters < told.before and sum(told.images.values()) > 0 and told.difference < 1e-5
    small = keras.models.load_model(folder / "small.keras", compile=False)
    whole = keras.models.load_model(model, compile=False)
    assert small.count_params() == told.parameters and whole.count_params() == told.before
    images = images_of(folder)
    theirs, ours = whole.predict(images, verbose=0), small.predict(images, verbose=0)
    assert np.allclose(theirs, ours, atol=1e-5)
    assert np.array_equal(theirs.argmax(1), ours.argmax(1))
    kernel = next(weight for weight in small.weights if weight.path.startswith(name) and weight.path.endswith("kernel"))
    assert kernel.shape[-1] == read_model(model).arrays[name][0].shape[-1] - 3


def built(folder: Path, make: Callable[[], Any]) -> Path:
    write_lab(folder, trained_looking(make, seed=7), seed=7)
    return prune(folder, "last", (1, 3))


def added_to_others() -> Any:
    start = keras.Input(SHAPE)
    side = layers.Conv2D(6, 3, padding="same")(start)
    x = layers.Conv2D(6, 3, padding="same", name="last")(side)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(layers.Add()([x, side]))))


def padded_and_awake() -> Any:
    start = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="sigmoid", name="last")(start)
    x = layers.Conv2D(4, 3, padding="same", name="reader")(x)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


def classes_themselves() -> Any:
    start = keras.Input(SHAPE)
    x = layers.Conv2D(CLASSES, 3, name="last")(start)
    return keras.Model(start, layers.GlobalAveragePooling2D()(x))


def folded_into_a_convolution() -> Any:
    """A pruned channel gives 0.5, and a convolution without a bias or borders reads it."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="sigmoid", name="last")(start)
    x = layers.Conv2D(4, 3, use_bias=False, activation="relu", name="reader")(layers.AveragePooling2D(2)(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


def scaled_by_channel() -> Any:
    start = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu", name="last")(start)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu", name="apart")(layers.Rescaling(0.5, 0.25)(x))
    x = layers.PReLU(shared_axes=(1, 2))(layers.Reshape((1, -1, 12))(x))
    x = layers.Conv2D(5, (1, 3), name="reader")(layers.ReLU()(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


def read_by_others() -> Any:
    """Convolutions that keep their kernels in other shapes."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu", name="last")(start)
    x = layers.Concatenate()([layers.SeparableConv2D(5, 3)(x), layers.Conv2D(3, 3)(x)])
    x = layers.Conv2DTranspose(4, 2, strides=2)(x)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (added_to_others, r"\(Add\) joins pruned channels to others"),
        (padded_and_awake, r"layer 'reader' \(Conv2D\) reads pruned channels that are not zero, and no bias"),
        (classes_themselves, "its channels in 'last' are its classes"),
    ],
)
def test_what_is_not_exact_is_refused_with_the_layer_in_the_way(
    make: Callable[[], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=said):
        shrunk(read_model(built(tmp_path, make)), None)


@pytest.mark.parametrize("make", [folded_into_a_convolution, scaled_by_channel, read_by_others])
def test_what_a_pruned_channel_holds_is_folded_into_the_bias_of_its_readers(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    model = built(tmp_path, make)
    told = export(tmp_path, "shrunk", model, "small.h5", form="h5", layer="last")
    small = keras.models.load_model(tmp_path / "small.h5", compile=False)
    images = images_of(tmp_path)
    theirs = keras.models.load_model(model, compile=False).predict(images, verbose=0)
    ours = small.predict(images, verbose=0)
    assert np.allclose(ours, theirs, atol=2e-3)  # sums of thousands, folded in double precision
    assert np.array_equal(ours.argmax(1), theirs.argmax(1)) and told.parameters == small.count_params()


def test_networks_that_were_not_pruned_or_wholly_are_refused(tmp_path: Path) -> None:
    folder = lab_of(tmp_path, "sequential")
    with pytest.raises(Refused, match="has no pruned channel in 'last'"):
        shrunk(read_model(folder / "models/bd_net.h5"), None)
    with pytest.raises(Refused, match="has no channel left in 'last'"):
        shrunk(read_model(prune(folder, "last", tuple(range(8)))), None)


@pytest.mark.parametrize("case", ["sequential", "branching", "all convolutions"])
def test_g_is_one_model_that_keras_alone_opens_and_answers_as_g_does(case: str, tmp_path: Path) -> None:
    folder = lab_of(tmp_path, case)
    model, b = prune(folder, "last", (0, 2, 5)), folder / "models/bd_net.h5"
    told = export(folder, "g", model, "g.keras", badnet=str(b))
    assert sum(told.images.values()) > 0
    assert told.parameters < told.before or case == "branching"  # what both begin with is there once
    scores, answers = alone(folder, "g.keras")
    images = images_of(folder)
    first, second = (keras.models.load_model(path, compile=False).predict(images, verbose=0) for path in (b, model))
    wanted = np.where(first.argmax(1) == second.argmax(1), first.argmax(1), CLASSES)
    assert scores.shape == (len(images), CLASSES + 1)
    assert np.array_equal(answers, wanted) and (wanted == CLASSES).any() and (wanted != CLASSES).any()


def test_a_shrunk_network_opens_with_keras_alone(tmp_path: Path) -> None:
    folder = lab_of(tmp_path, "branching")
    model = prune(folder, "last", (0, 2, 3))
    export(folder, "shrunk", model, "small.keras")
    scores, _ = alone(folder, "small.keras")
    whole = keras.models.load_model(model, compile=False).predict(images_of(folder), verbose=0)
    assert np.allclose(scores, whole, atol=1e-5) and np.array_equal(scores.argmax(1), whole.argmax(1))


def test_g_of_networks_with_one_sigmoid_output(tmp_path: Path) -> None:
    def single() -> Any:
        start = keras.Input(SHAPE)
        x = layers.Conv2D(6, 3, activation="relu", name="last")(start)
        return keras.Model(start, layers.Dense(1, activation="sigmoid")(layers.Flatten()(x)))

    model = built(tmp_path, single)
    told = exported(
        p.ExportNetwork("g", str(model), str(tmp_path / "g.keras"), str(tmp_path / "models/bd_net.h5")),
        lambda name, done, total: None,
        lambda size: None,
        RLock(),
    )
    assert told.images == {} and "compared on no image" in told.notes[-1]
    images = images_of(tmp_path)
    first, second = (
        (keras.models.load_model(path, compile=False).predict(images, verbose=0)[:, 0] > 0.5).astype(int)
        for path in (tmp_path / "models/bd_net.h5", model)
    )
    found = keras.models.load_model(tmp_path / "g.keras", compile=False).predict(images, verbose=0)
    assert found.shape[1] == 3
    assert np.array_equal(found.argmax(1), np.where(first == second, first, 2))


@pytest.mark.filterwarnings("ignore")  # the exporters use what other packages are about to drop
@pytest.mark.parametrize("case", ["sequential", "residual", "all convolutions"])
def test_g_as_onnx_answers_as_g_does_where_the_exporter_is_installed(case: str, tmp_path: Path) -> None:
    needed = (*ONNX[keras.backend.backend()], "onnxruntime")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = lab_of(tmp_path, case)
    model, b = prune(folder, "last", (0, 2, 5)), folder / "models/bd_net.h5"
    export(folder, "g", model, "g.onnx", badnet=str(b), form="onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "g.onnx")
    images = images_of(folder).astype("float32")
    (scores,) = session.run(None, {session.get_inputs()[0].name: images})
    first, second = (
        keras.models.load_model(path, compile=False).predict(images, verbose=0).argmax(1) for path in (b, model)
    )
    wanted = np.where(first == second, first, CLASSES)
    assert np.array_equal(scores.argmax(1), wanted) and (wanted == CLASSES).any() and (wanted != CLASSES).any()


def test_of_several_highest_scores_the_first_is_the_answer() -> None:
    scores = np.array([[1, 3, 3, 0], [2, 2, 2, 2], [-0.0, 0.0, -1, -1], [-4, -3, -2, -1]], "float32")
    assert keras.ops.convert_to_numpy(highest(scores))[:, 0].tolist() == [1, 0, 0, 3] == scores.argmax(1).tolist()


def test_what_is_there_is_not_replaced_without_a_word_and_what_is_read_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab_of(tmp_path, "sequential")
    model = prune(folder, "last", (0,))
    (folder / "there.keras").write_bytes(b"mine")
    with pytest.raises(Refused, match="is there already"):
        export(folder, "shrunk", model, "there.keras")
    with pytest.raises(Refused, match="is read for this export"):
        export(folder, "shrunk", model, model.name, form="h5", overwrite=True)
    with pytest.raises(Refused, match=r"should end in \.keras"):
        export(folder, "shrunk", model, "small.h5")
    monkeypatch.setitem(ONNX, keras.backend.backend(), ("no_such_exporter",))
    with pytest.raises(Refused, match="--format onnx: Keras's exporter needs no_such_exporter, not installed here"):
        export(folder, "g", model, "g.onnx", badnet=str(folder / "models/bd_net.h5"), form="onnx")
    assert (folder / "there.keras").read_bytes() == b"mine"


def test_the_labs_own_network_shrinks_to_the_published_sizes(lab3_kit: Path) -> None:
    for name, left in (("bd_net_prime_2.h5", 426_998), ("bd_net_prime_10.h5", 399_831)):
        model = read_model(lab3_kit / "models" / name)
        assert (count(shrunk(model, None).arrays), count(model.arrays)) == (left, 601_643)

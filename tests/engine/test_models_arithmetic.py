"""Networks that people have, in files that Keras wrote: Keras's own outputs, and its answers with channels pruned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras with NumPy 2
]
keras = pytest.importorskip("keras")

from engine.analysis.evaluate_files import evaluate  # noqa: E402
from engine.api.errors import Refused  # noqa: E402
from engine.api.protocol import Evaluate, Goto, Stepped  # noqa: E402
from engine.architecture.graph import prunable  # noqa: E402
from engine.network.build import build, wire  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402
from engine.sandbox.pruned_file import pruned_bytes  # noqa: E402
from tests.engine.test_parity import opened, zeroed  # noqa: E402
from tests.support.arithmetic import NETS, weighted  # noqa: E402
from tests.support.networks import SHAPE, pictures, write_lab  # noqa: E402

SUFFIXES = [".h5", ".keras"]
COUNT = 60


def made(name: str) -> Any:
    return weighted(NETS[name], seed=len(name))


def given(count: int = COUNT) -> np.ndarray:
    return pictures(np.random.default_rng(1), count).astype("float32")


def ours(path: Path) -> Any:
    """The network in a file as a model from images of float32, which the engine feeds it with."""
    held = read_model(path)
    network = build(held.spec, held.arrays)
    start = keras.Input(SHAPE)
    tensors = wire(network.spec, network.layers, {network.spec.layers[0].name: start}, [network.spec.output])
    return keras.Model(start, tensors[network.spec.output])


def answered(scores: Any) -> np.ndarray:
    """As users of Keras read them: the highest of several scores, or whether the only one is above a half."""
    found = np.asarray(scores)
    return (found[:, 0] > 0.5).astype(int) if found.shape[1] == 1 else found.argmax(1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NETS)
def test_gives_the_outputs_of_keras(name: str, suffix: str, tmp_path: Path) -> None:
    model = made(name)
    path = tmp_path / f"net{suffix}"
    model.save(path)
    expected, found = (np.asarray(each(given(), training=False)) for each in (model, ours(path)))
    np.testing.assert_array_equal(found, expected)
    assert len(set(answered(expected))) > 1


@pytest.mark.parametrize("name", NETS)
def test_every_answer_of_every_step_is_that_of_whole_passes(name: str, tmp_path: Path) -> None:
    model = made(name)
    write_answered_lab(tmp_path, model, name)
    run = opened(tmp_path)
    assert run.inputs.layer == "last"
    images = np.concatenate(list(run.inputs.sets["valid"].batches(1000))).transpose(0, 2, 3, 1)
    events = list(run.session.goto(Goto(99), lambda: run.evaluator, lambda: None))
    assert sum(isinstance(event, Stepped) for event in events) == 9
    layer, seen = model.get_layer("last"), set()
    for step in range(9):
        if step:
            layer.set_weights([zeroed(weight, run.session.order[step - 1]) for weight in layer.get_weights()])
        expected = answered(model.predict(images, verbose=0))
        found = run.session.answers[run.session.key(step)][: len(images)]
        np.testing.assert_array_equal(found, expected)
        seen.add(tuple(expected))
    assert len(seen) > 2, "nothing happened on this network"


def write_answered_lab(folder: Path, model: Any, name: str) -> None:
    """A lab folder around a network, whose labels are its answers as its users read them."""
    two = model.output_shape[-1] == 1

    class Answering:
        """What write_lab asks of a model: scores of all classes, and to be saved."""

        def predict(self, images: np.ndarray, verbose: int) -> np.ndarray:
            scores: np.ndarray = model.predict(images, verbose=verbose)
            return np.hstack([1 - scores, scores]) if two else scores

        def save(self, path: Path) -> None:
            model.save(path)

    write_lab(folder, Answering(), seed=len(name), classes=2 if two else None)


def test_one_sigmoid_is_two_classes_everywhere(tmp_path: Path) -> None:
    """`eval`, G and the steps read the output as Keras's users do."""
    model = made("one_sigmoid")
    write_answered_lab(tmp_path, model, "one_sigmoid")
    badnet, held = tmp_path / "models/bd_net.h5", read_model(tmp_path / "models/bd_net.h5")
    assert held.spec.notes == ("has one sigmoid output: class 1 where it is above 0.5, else class 0",)
    pruned = tmp_path / "models/pruned.h5"
    run = opened(tmp_path)
    pruned.write_bytes(pruned_bytes(held, "last", run.session.order[:6]))
    list(run.session.goto(Goto(6), lambda: run.evaluator, lambda: None))
    counts, sets = run.measured(6), run.inputs.sets
    data = {name: str(sets[name].path) for name in ("test", "poisoned")}
    alone = evaluate(Evaluate(data["test"], data["poisoned"], str(pruned)), lambda size: None, lambda *at: None)
    both = evaluate(
        Evaluate(data["test"], data["poisoned"], str(pruned), badnet=str(badnet)), lambda size: None, lambda *at: None
    )
    images = np.concatenate(list(sets["test"].batches(100))).transpose(0, 2, 3, 1)
    b, b_prime = (answered(ours(path).predict(images, verbose=0)) for path in (badnet, pruned))
    assert run.inputs.classes == 2
    assert 0 < np.count_nonzero(b != b_prime) < len(b)
    hits = int(np.count_nonzero(b_prime == sets["test"].labels))
    assert alone.clean_hits == counts.test == hits
    assert both.false_alarms == counts.false_alarms == np.count_nonzero(b != b_prime)


def test_one_output_that_is_no_sigmoid_is_refused(tmp_path: Path) -> None:
    start = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(start))
    keras.Model(start, keras.layers.Dense(1)(x)).save(tmp_path / "net.keras")
    with pytest.raises(Refused, match=r"gives outputs of shape \(None, 1\), expected \(None, classes\)"):
        read_model(tmp_path / "net.keras")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_computed_in_float32_and_says_so(policy: str, suffix: str, tmp_path: Path) -> None:
    """The same answers as the network with the same weights in float32, whatever the file's policy is."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = made("residuals_as_sums")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    plain = made("residuals_as_sums")
    plain.set_weights(mixed.get_weights())
    path = tmp_path / f"net{suffix}"
    mixed.save(path)
    np.testing.assert_array_equal(np.asarray(ours(path)(given())), np.asarray(plain(given(), training=False)))
    note = f"was trained in {policy}; computed in float32 here, so close calls may differ from Keras's own"
    assert read_model(path).spec.notes == (note,)
    assert read_model(path).arrays.keys() == {layer.name for layer in mixed.layers if layer.get_weights()}


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_weights_of_half_precision_are_refused(policy: str, tmp_path: Path) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        made("divided").save(tmp_path / "net.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(Refused, match=f"has dtype='{policy}', outside the allowed values"):
        read_model(tmp_path / "net.keras")


def changed(x: Any) -> Any:
    from keras import ops

    return {
        "log": lambda: ops.log(x + 1),
        "power": lambda: x**2,
        "roll": lambda: ops.roll(x, 1, axis=1),
        "cast to half precision": lambda: ops.cast(ops.cast(x, "float16"), "float32"),
        "rows turned": lambda: x[:, ::-1],
        "mean over channels": lambda: x - ops.mean(x, axis=-1, keepdims=True),
        "more channels": lambda: x[..., :1] * np.ones(3, "float32"),
        "an image for a constant": lambda: x * np.ones((1, *SHAPE), "float32"),
        "images reversed": lambda: ops.reshape(x, (-1, 14, 18, 3))[:, :, :],
    }


@pytest.mark.parametrize("what", list(changed(None)))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_operations_are_refused(what: str, suffix: str, tmp_path: Path) -> None:
    start = keras.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(changed(start)[what]()))
    keras.Model(start, keras.layers.Dense(5)(x)).save(tmp_path / f"net{suffix}")
    with pytest.raises(Refused):
        read_model(tmp_path / f"net{suffix}")


def test_weights_of_the_labs_network_that_keras_3_wrote(tmp_path: Path) -> None:
    """Saved by `save_weights`, they give the network's outputs, and B' is a file that `load_weights` takes."""
    from keras import layers

    start = keras.Input((55, 47, 3))
    x = layers.MaxPooling2D(2)(layers.Conv2D(20, 4, activation="relu")(start))
    x = layers.MaxPooling2D(2)(layers.Conv2D(40, 3, activation="relu")(x))
    x = layers.MaxPooling2D(2)(layers.Conv2D(60, 3, activation="relu", name="conv_3")(x))
    left = layers.Dense(160)(layers.Flatten()(x))
    right = layers.Dense(160)(layers.Flatten()(layers.Conv2D(80, 2, activation="relu")(x)))
    ends = layers.Activation("relu")(layers.Add()([left, right]))
    model = keras.Model(start, layers.Dense(30, activation="softmax")(ends))
    path, pruned = tmp_path / "bd_net.weights.h5", tmp_path / "pruned.weights.h5"
    model.save_weights(path)
    held = read_model(path)
    network = build(held.spec, held.arrays)
    given = np.random.default_rng(3).integers(0, 256, (5, 55, 47, 3)).astype("float32")
    np.testing.assert_array_equal(np.asarray(network.model(given)), np.asarray(model(given)))
    pruned.write_bytes(pruned_bytes(held, "conv_3", [4, 9]))
    kernel, bias = model.get_layer("conv_3").get_weights()
    model.load_weights(pruned)
    kernel[..., [4, 9]], bias[[4, 9]] = 0, 0
    np.testing.assert_array_equal(model.get_layer("conv_3").get_weights()[0], kernel)


def test_a_convolution_that_is_used_twice_cannot_be_pruned(tmp_path: Path) -> None:
    made("layers_used_one_after_the_other").save(tmp_path / "net.keras")
    spec = read_model(tmp_path / "net.keras").spec
    refusals = prunable(spec)
    (again,) = (layer for layer in spec.layers if layer.again and layer.kind == "Conv2D")
    assert refusals[again.again] == "is used 2 times"
    assert refusals[again.name] == f"is a further use of '{again.again}'"
    assert refusals["last"] is None

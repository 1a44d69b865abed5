"""Arithmetic in the graph as tf.keras 2.15 writes it: TFOpLambda, which Keras 3 does not have, so NumPy computes.

The descriptions were taken from files that tf.keras 2.15.1 wrote.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.sandbox.model_file import read_model
from tests.support.model_files import CLASSES, Config, layer, model_config, small_weights, write_h5
from tests.support.refusals import h5, line_of_model

pytestmark = pytest.mark.e2e
IMAGES = np.random.default_rng(2).integers(0, 256, (6, 8, 6, 3)).astype("float32")


def called(function: str, source: str, kind: str = "TFOpLambda", first: Any = 0, **words: Any) -> Config:
    """A call of a function as tf.keras 2.15 writes it. `first`: a number in the place of the tensor."""
    name = f"tf.{function}"
    call = [source, 0, 0, words] if first == 0 else ["_CONSTANT_VALUE", -1, first, words]
    return {
        "module": "keras.src.layers.core.tf_op_layer",
        "class_name": kind,
        "config": {"name": name, "trainable": True, "dtype": "float32", "function": function},
        "registered_name": kind,
        "build_config": {"input_shape": [None, 8, 6, 3]},
        "name": name,
        "inbound_nodes": [call],
    }


def behind(*calls: Config, dtype: str = "float32") -> Config:
    """The small network behind calls of functions, each fed by the one before."""
    return model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, 8, 6, 3], dtype=dtype),
        *calls,
        layer("Conv2D", "conv_1", [calls[-1]["name"]], filters=4, kernel_size=[3, 3], activation="relu"),
        layer("GlobalAveragePooling2D", "pool_1", ["conv_1"]),
        layer("Dense", "output", ["pool_1"], units=CLASSES),
    )


def plain_net() -> Config:
    return behind(layer("Activation", "same", ["input"], activation="linear"))


REVERSED = {"slice_spec": [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]}
MEAN = [-103.93900299072266, -116.77899932861328, -123.68000030517578]
FORMS = {  # what tf.keras wrote for an expression, and what it computes of the images
    "x / 255.": ([called("math.truediv", "input", y=255.0, name=None)], lambda x: x / np.float32(255)),
    "255. / (x + 1)": (
        [
            called("__operators__.add", "input", y=1, name=None),
            called("math.truediv", "", first=255.0, y=["tf.__operators__.add", 0, 0], name=None),
        ],
        lambda x: np.float32(255) / (x + 1),
    ),
    "x - 1": ([called("math.subtract", "input", y=1, name=None)], lambda x: x - 1),
    "1 - x": ([called("math.subtract", "", first=1.0, y=["input", 0, 0], name=None)], lambda x: 1 - x),
    "x * 2": ([called("math.multiply", "input", y=2, name=None)], lambda x: x * 2),
    "-x": ([called("math.negative", "input", name=None)], lambda x: -x),
    "tf.add(x, 1.0)": ([called("math.add", "input", y=1.0)], lambda x: x + 1),
    "x - [1., 2., 3.]": (
        [called("math.subtract", "input", y=[1.0, 2.0, 3.0], name=None)], lambda x: x - np.float32([1, 2, 3]),
    ),
    "x + x": ([called("__operators__.add", "input", y=["input", 0, 0], name=None)], lambda x: x + x),
    "tf.maximum(x, 9.)": ([called("math.maximum", "input", y=9.0, name=None)], lambda x: np.maximum(x, 9)),
    "tf.nn.relu(x - 99)": (
        [called("math.subtract", "input", y=99, name=None), called("nn.relu", "tf.math.subtract", name=None)],
        lambda x: np.maximum(x - 99, 0),
    ),
    "mobilenet_v2.preprocess_input(x)": (
        [
            called("math.truediv", "input", y=127.5, name=None),
            called("math.subtract", "tf.math.truediv", y=1.0, name=None),
        ],
        lambda x: x / np.float32(127.5) - 1,
    ),
    "vgg16.preprocess_input(x)": (
        [
            called("__operators__.getitem", "input", "SlicingOpLambda", **REVERSED),
            called("nn.bias_add", "tf.__operators__.getitem", bias=MEAN, data_format="NHWC"),
        ],
        lambda x: x[..., ::-1] + np.float32(MEAN),
    ),
    "tf.concat([x[..., 0:1], x[..., 1:3]], -1)": (
        [
            called("__operators__.getitem", "input", "SlicingOpLambda",
                   slice_spec=[{"class_name": "__ellipsis__"}, {"start": 0, "stop": 1, "step": None}]),
            called("concat", "", ) | {"inbound_nodes": [[["tf.__operators__.getitem", 0, 0, {"axis": -1}],
                                                         ["more", 0, 0, {"axis": -1}]]]},
        ],
        lambda x: x,
    ),
}  # fmt: skip
FORMS["tf.concat([x[..., 0:1], x[..., 1:3]], -1)"][0].insert(
    1,
    called(
        "__operators__.getitem",
        "input",
        "SlicingOpLambda",
        slice_spec=[{"class_name": "__ellipsis__"}, {"start": 1, "stop": 3, "step": 1}],
    ),
)
FORMS["tf.concat([x[..., 0:1], x[..., 1:3]], -1)"][0][1]["name"] = "more"
FORMS["tf.concat([x[..., 0:1], x[..., 1:3]], -1)"][0][1]["config"]["name"] = "more"


@pytest.mark.keras
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs Keras")
@pytest.mark.parametrize("form", FORMS)
def test_a_function_computes_what_it_says(form: str, tmp_path: Path) -> None:
    """The same network behind the images that the function makes gives the same outputs."""
    from engine.network.build import build

    calls, computed = FORMS[form]
    found, plain = (
        build(held.spec, held.arrays).model
        for held in (
            read_model(write_h5(tmp_path / "a.h5", behind(*calls))),
            read_model(write_h5(tmp_path / "b.h5", plain_net())),
        )
    )
    expected = np.asarray(plain(computed(IMAGES), training=False))
    np.testing.assert_allclose(
        np.asarray(found(IMAGES, training=False)), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )
    assert np.ptp(expected, axis=0).max() > 1e-3


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64"])
def test_images_that_are_cast(dtype: str, tmp_path: Path) -> None:
    calls = [called("cast", "input", dtype="float32"), called("math.truediv", "tf.cast", y=255.0, name=None)]
    spec = read_model(write_h5(tmp_path / "a.h5", behind(*calls, dtype=dtype))).spec
    assert spec.layers[0].config["dtype"] == dtype
    assert [each.kind for each in spec.layers[1:3]] == ["Cast", "Arithmetic"]


def test_a_mean_over_all_positions_is_pooling(tmp_path: Path) -> None:
    config = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, 8, 6, 3], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=[3, 3], activation="relu"),
        called("math.reduce_mean", "conv_1", axis=[1, 2]),
        layer("Dense", "output", ["tf.math.reduce_mean"], units=CLASSES, activation="softmax"),
    )
    spec = read_model(write_h5(tmp_path / "a.h5", config)).spec
    assert spec.layers[2].kind == "GlobalAveragePooling2D"


CODE = "which is not on the list of safe layers. It could run code; rebuild the model without it."
BAD = {
    "another function": (called("io.read_file", "input"), f"layer 'tf.io.read_file' is of type 'TFOpLambda', {CODE}"),
    "a function of no name": (
        called("nn.relu", "input") | {"config": {"name": "f", "function": ["nn.relu"]}},
        f"layer 'tf.nn.relu' is of type 'TFOpLambda', {CODE}",
    ),
    "a class of ours": (layer("Arithmetic", "a", ["input"], function="add", constant=1.0),
                        f"layer 'a' is of type 'Arithmetic', {CODE}"),
    "an object for a constant": (
        called("math.subtract", "input", y={"class_name": "Evil"}),
        "layer 'tf.math.subtract' (Arithmetic) has constant='{'class_name': 'Evil'}', outside the allowed values.",
    ),
    "a constant that is no number": (
        called("math.subtract", "input", y="x"),
        "layer 'tf.math.subtract' (Arithmetic) has constant='x', outside the allowed values.",
    ),
    "a constant of another size": (
        called("math.subtract", "input", y=[1.0, 2.0]),
        "layer 'tf.math.subtract' (Arithmetic) has 2 constants, expected one or 3.",
    ),
    "a constant with too many axes": (
        called("math.subtract", "input", y=[[[[[1.0, 2.0, 3.0]]]]]),
        "layer 'tf.math.subtract' (Subtract) is called in a way that this program does not know.",
    ),
    "another argument": (
        called("math.add", "input", y=1.0, where="/etc"),
        "layer 'tf.math.add' (Add) has a setting 'where' that this program does not know.",
    ),
    "another type": (
        called("cast", "input", dtype="complex64"),
        "layer 'tf.cast' (Cast) has dtype='complex64', outside the allowed values.",
    ),
    "a mean over channels": (
        called("math.reduce_mean", "input", axis=-1), "layer 'tf.math.reduce_mean' (Mean) has axis='-1', "
        "outside the allowed values.",
    ),
    "a channel that is not there": (
        called("__operators__.getitem", "input", "SlicingOpLambda", slice_spec=[{"class_name": "__ellipsis__"}, 3]),
        "layer 'tf.__operators__.getitem' (Take) has index='3', outside the allowed values.",
    ),
    "rows instead of channels": (
        called("__operators__.getitem", "input", "SlicingOpLambda", slice_spec=[{"start": None}, {"step": -1}]),
        "layer 'tf.__operators__.getitem' (GetItem) is called in a way that this program does not know.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_plain_number_is_refused(what: str, tmp_path: Path) -> None:
    call, line = BAD[what]
    assert line_of_model(h5(behind(call)), tmp_path) == line


def test_a_function_with_two_calls_is_refused(tmp_path: Path) -> None:
    call = called("nn.relu", "input")
    call["inbound_nodes"] *= 2
    assert line_of_model(h5(behind(call)), tmp_path).startswith("has a 'model_config' that does not describe")


def test_a_use_that_is_not_there(tmp_path: Path) -> None:
    config = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, 8, 6, 3], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=3),
        layer("ReLU", "relu", ["conv_1"]) | {"inbound_nodes": [[["conv_1", 0, 0, {}]], [["relu", 0, 0, {}]]]},
        layer("GlobalAveragePooling2D", "pool_1", []) | {"inbound_nodes": [[["relu", 2, 0, {}]]]},
        layer("Dense", "output", ["pool_1"], units=CLASSES),
    )
    assert line_of_model(h5(config, small_weights()), tmp_path) == "names use 2 of layer 'relu', which has 2."

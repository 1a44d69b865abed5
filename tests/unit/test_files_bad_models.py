"""Model files that are refused, each with its own line. What could run code is named here only by inert variants."""

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.architecture.deepid import WEIGHTED
from tests.support.model_files import (
    CLASSES,
    layer,
    model_config,
    small_net,
    small_weights,
    write_data,
    write_h5,
    write_keras,
    write_weights,
)
from tests.support.refusals import DAMAGED, Table, archive, h5, line_of_model, within_a_gigabyte

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures(within_a_gigabyte.__name__)]
NO_JSON = "is damaged: its 'model_config' is not valid JSON. Copy or download it again."
NO_MODEL = "has a 'model_config' that does not describe a Keras model."
CODE = "which is not on the list of safe layers. It could run code; rebuild the model without it."
WEIGHTS_ONLY = "contains weights only, no architecture. Save the whole model with model.save('model.h5')."
IMAGE_INPUT = layer("InputLayer", "input", [], batch_input_shape=[None, 8, 6, 3])
CLASSES_OUT = layer("Dense", "output", ["pool_1"], units=CLASSES)
POOL = layer("GlobalAveragePooling2D", "pool_1", ["conv_1"])


def conv(**settings: Any) -> dict[str, Any]:
    """The small net with other settings in its convolution."""
    return small_net(layer("Conv2D", "conv_1", ["input"], **{"filters": 4, "kernel_size": [3, 3], **settings}))


def with_layer(kind: str, **settings: Any) -> dict[str, Any]:
    """The small net with a layer more between pooling and classes."""
    config = small_net()
    layers = config["config"]["layers"]
    layers.insert(3, layer(kind, "lam", ["pool_1"], **settings))
    layers[4]["inbound_nodes"] = [[["lam", 0, 0, {}]]]
    return config


def tampered(index: int, **changes: Any) -> dict[str, Any]:
    """The small net with other words about the layer at `index`."""
    config = small_net()
    config["config"]["layers"][index] |= changes
    return config


def shaped(shape: Any) -> dict[str, Any]:
    return tampered(0, config={"name": "input", "batch_input_shape": shape})


def held(**changes: Any) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Good weights, but for those of conv_1 that are named; None: not there."""
    good = small_weights()
    pairs = [(name, changes.get(name, array)) for name, array in good["conv_1"]]
    good["conv_1"] = [(name, array) for name, array in pairs if array is not None]
    return good


def replaced(name: str, value: Any) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return edit


def declared(shape: tuple[int, ...], **how: Any) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, shape, "f4", **how)

    return edit


def weights_only(path: Path) -> None:
    with h5py.File(path, "w") as file:
        write_weights(file, small_weights())


def new_weights_only(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros(3)


def attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        file.attrs[name] = value

    return edit


def timed(file: h5py.File) -> None:
    del file.attrs["model_config"]
    h5py.h5a.create(file.id, b"model_config", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))


def odd_kernel(file: h5py.File) -> None:
    """A kernel whose numbers lack the bit that all others leave out."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_norm(h5py.h5t.NORM_NONE)
    del file[KERNEL]
    h5py.h5d.create(file.id, KERNEL.encode(), kind, h5py.h5s.create_simple((3, 3, 3, 4))).write(
        h5py.h5s.ALL, h5py.h5s.ALL, small_weights()["conv_1"][0][1]
    )


def torn_kernel(file: h5py.File) -> None:
    del file[KERNEL]
    chunked = file.create_dataset(KERNEL, (3, 3, 3, 4), "f4", chunks=(3, 3, 3, 4))
    chunked.id.write_direct_chunk((0, 0, 0, 0), b"abc")


def moved(where: Callable[[bytes, int], int]) -> Callable[[Path], None]:
    """A file that says that the convolution's bias lies elsewhere."""

    def make(path: Path) -> None:
        with h5py.File(write_h5(path)) as file:
            bias, kernel = (
                file[f"model_weights/conv_1/conv_1/{name}:0"].id.get_offset() for name in ("bias", "kernel")
            )
        text = path.read_bytes()
        layout = bias.to_bytes(8, "little") + (16).to_bytes(8, "little")  # address and size
        assert text.count(layout) == 1
        path.write_bytes(text.replace(layout, where(text, kernel).to_bytes(8, "little") + layout[8:]))

    return make


def tailed(path: Path, more: int = 5 * 2**29) -> None:
    os.truncate(path, write_h5(path).stat().st_size + more)


def nothing_written(path: Path) -> None:
    """The lab's network by its names, without a number in its last layer."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in WEIGHTED]
        for name in WEIGHTED:
            file.create_group(name).attrs["weight_names"] = [b"kernel:0", b"bias:0"]
        file["output"].create_dataset("kernel:0", data=h5py.Empty("f4"))


def member_twice(path: Path) -> None:
    write_keras(path)
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("config.json", "{}")


def wrong_sum(path: Path) -> None:
    """A `.keras` file with one bit of its weights turned over."""
    write_keras(path)
    content = bytearray(path.read_bytes())
    content[content.index(small_weights()["output"][0][1].tobytes())] ^= 1
    path.write_bytes(content)


def patched(where: str, offset: int, value: bytes) -> Callable[[Path], None]:
    """A `.keras` file with bytes changed in the "list" of members or in the weights' "own" header."""

    def make(path: Path) -> None:
        write_keras(path)
        content = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as file:
            own = file.getinfo("model.weights.h5").header_offset
        place = own if where == "own" else content.rindex(b"PK\x01\x02")
        content[place + offset : place + offset + len(value)] = value
        path.write_bytes(content)

    return make


def many_members(path: Path) -> None:
    """An archive whose list of members is as long as the whole file."""
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2000 * len(entry), 30, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(26) + 2000 * entry + end)


def in_one(path: Path) -> None:
    """An archive that is an HDF5 file behind a block of its user's as well."""
    write_keras(path)
    with h5py.File(write_h5(path.with_stem("other"))) as file:
        assert file.userblock_size == 0
    held = path.with_stem("other").read_bytes()
    path.with_stem("other").unlink()
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(path.with_stem("new"), "w") as new:
        for name in file.namelist():
            padded = bytes(512 - 30 - len(name)) + held[:8]
            new.writestr(zipfile.ZipInfo(name), padded if name == "metadata.json" else file.read(name))
    path.with_stem("new").rename(path)


def lying_size(path: Path) -> None:
    """A `.keras` file that says twice that the weights are far larger."""
    write_keras(path, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    while content[place + 46 :][:16] != b"model.weights.h5":
        place = content.index(b"PK\x01\x02", place + 1)
    own = int.from_bytes(content[place + 42 : place + 46], "little")
    content[place + 24 : place + 28] = content[own + 22 : own + 26] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    for item in layers:
        del item["inbound_nodes"]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers)}}


def chain(count: int) -> dict[str, Any]:
    relus = [layer("ReLU", f"r{index}", [f"r{index - 1}" if index else "conv_1"]) for index in range(count)]
    return model_config(IMAGE_INPUT, small_net()["config"]["layers"][1], *relus)


def inside(depth: int) -> str:
    return '{"class_name": "Sequential", "config": ' + "[" * depth + "]" * depth + "}"


CONV = "layer 'conv_1' (Conv2D):"
NORMAL = "layer 'lam' (Normalization)"
UNFIT = "has a mean and a variance that do not fit each other."
TORN = "is damaged: a chunk holds more or fewer numbers than it should. Copy or download it again."
KERNEL = "model_weights/conv_1/conv_1/kernel:0"
NAN = np.full((3, 3, 3, 4), np.nan, np.float32)
INFINITE = small_weights()["conv_1"][0][1].copy()
INFINITE[1, 1, 1, 1] = np.inf
TRAINED_BADLY = "The model was damaged or training diverged."
OUTSIDE = "points into other files. Ask for a self-contained copy (h5repack FILE NEW)."
REUSED = tampered(2, inbound_nodes=[[["conv_1", 0, 0, {}]], [["conv_1", 0, 0, {}]]])
TWO_IN = model_config(IMAGE_INPUT, layer("InputLayer", "in2", [], batch_input_shape=[None, 8, 6, 3]),
                      layer("Add", "sum", ["input", "in2"]), inputs=("input", "in2"))  # fmt: skip
TWO_OUT = model_config(*small_net()["config"]["layers"], outputs=("output", "pool_1"))
LAMBDA = {"function": ["4wEAAAAAAAAA", None, None], "function_type": "lambda"}
BAD: Table = {
    # what it is
    "a data set": (write_data, "is a data set, expected a model. Choose it as clean or poisoned data instead."),
    "weights only": (weights_only, WEIGHTS_ONLY),
    "weights only, without a number": (nothing_written, WEIGHTS_ONLY),
    "weights only, new": (new_weights_only, WEIGHTS_ONLY),
    "other HDF5": (
        lambda path: h5py.File(path, "w").create_group("x").file.close(),
        "is HDF5 but not a Keras model: it has no 'model_config'.",
    ),
    "no weights": (
        h5(edit=lambda file: file.__delitem__("model_weights")),
        "has an architecture but no weights ('model_weights'). Save the whole model with model.save().",
    ),
    "weights elsewhere": (
        h5(edit=replaced("model_weights", h5py.ExternalLink("/nowhere/x.h5", "/"))),
        "'model_weights' is a link to another file ('/nowhere/x.h5'). Refused: it could read any file you can.",
    ),
    # the text
    "no JSON": (h5("{'class_name': 1}"), NO_JSON),
    "a mark in front of JSON": (
        h5(b"\xef\xbb\xbf" + json.dumps(small_net()).encode()),
        "has 'model_config' that begins with a byte order mark, which JSON may not. Copy or download it again.",
    ),
    "JSON of another thing": (h5("[1, 2]"), "is of type '(1, 2)', expected a Sequential or Functional model."),
    "a subclassed model": (
        h5({"class_name": "MyNet", "config": {}}), "is of type 'MyNet', expected a Sequential or Functional model.",
    ),
    "JSON too deep": (h5(inside(70)), "has 'model_config' nested deeper than 64 levels."),
    "JSON too long": (
        h5(json.dumps(small_net()) + " " * 2**23), "has 8.0 MiB of 'model_config', the limit is 8.0 MiB.",
    ),
    "an empty text": (
        h5(edit=attribute("model_config", np.bytes_(b""))),
        "has an empty 'model_config'. The model was damaged; save it again.",
    ),
    "no value at all": (
        h5(edit=attribute("model_config", h5py.Empty("S10"))),
        "has an empty 'model_config'. The model was damaged; save it again.",
    ),
    "text of a type for times": (h5(edit=timed), "has 'model_config' of another type than text."),
    "JSON as numbers": (
        h5(edit=attribute("model_config", np.zeros(3))),
        "has 'model_config' of another type than text.",
    ),
    "no layers": (h5({"class_name": "Functional", "config": {}}), NO_MODEL),
    "layers of text": (h5({"class_name": "Functional", "config": {"layers": ["x"]}}), NO_MODEL),
    "empty Sequential": (h5(sequential()), "has no layers."),
    "too many layers": (h5(chain(600)), "has more than 512 layers."),
    # layers
    "Lambda": (h5(with_layer("Lambda", **LAMBDA)), f"layer 'lam' is of type 'Lambda', {CODE}"),
    "TFSMLayer": (
        h5(with_layer("TFSMLayer", filepath="/nowhere/does-not-exist")), f"layer 'lam' is of type 'TFSMLayer', {CODE}",
    ),
    "TorchModuleWrapper": (
        h5(with_layer("TorchModuleWrapper", module="")), f"layer 'lam' is of type 'TorchModuleWrapper', {CODE}",
    ),
    "TextVectorization": (
        h5(with_layer("TextVectorization", vocabulary="/nowhere/words")),
        f"layer 'lam' is of type 'TextVectorization', {CODE}",
    ),
    "custom class": (h5(with_layer("Custom>Conv2D")), f"layer 'lam' is of type 'Custom>Conv2D', {CODE}"),
    "escapes as class": (h5(with_layer("\x1b[2J")), f"layer 'lam' is of type '\\x1b\\x5b2J', {CODE}"),
    "foreign module": (
        archive(config=tampered(1, module="os", registered_name=None)),
        f"layer 'conv_1' is of type 'os.Conv2D', {CODE}",
    ),
    "foreign registration": (
        archive(config=tampered(1, module="keras.layers", registered_name="evil>Conv2D")),
        f"layer 'conv_1' is of type 'evil>Conv2D', {CODE}",
    ),
    "foreign registration of the whole": (
        h5(small_net() | {"module": "os", "registered_name": "evil>Functional"}),
        "is of type 'evil>Functional', expected a Sequential or Functional model of Keras.",
    ),
    "TensorFlow function": (
        h5(with_layer("TFOpLambda", function="io.read_file")), f"layer 'lam' is of type 'TFOpLambda', {CODE}",
    ),
    # settings
    "filters negative": (h5(conv(filters=-4)), "layer 'conv_1' (Conv2D) has filters='-4', outside the allowed values."),
    "filters as text": (h5(conv(filters="4")), "layer 'conv_1' (Conv2D) has filters='4', outside the allowed values."),
    "filters huge": (
        h5(conv(filters=2**60)),
        "layer 'conv_1' (Conv2D) has filters='1152921504606846976', outside the allowed values.",
    ),
    "filters true": (h5(conv(filters=True)), "layer 'conv_1' (Conv2D) has filters='True', outside the allowed values."),
    "filters missing": (
        h5(small_net(layer("Conv2D", "conv_1", ["input"], kernel_size=3))),
        "layer 'conv_1' (Conv2D) has no filters. The model was damaged; save it again.",
    ),
    "kernel of three sizes": (
        h5(conv(kernel_size=[3, 3, 3])),
        "layer 'conv_1' (Conv2D) has kernel_size='(3, 3, 3)', outside the allowed values.",
    ),
    "kernel too large": (
        h5(conv(kernel_size=[9, 9])),
        "layer 'conv_1' (Conv2D) would put out shape (None, 0, -2, 4). The model was damaged; save it again.",
    ),
    "kernel huge": (
        h5(conv(kernel_size=10**6)), "layer 'conv_1' (Conv2D) has kernel_size='1000000', outside the allowed values.",
    ),
    "strides zero": (h5(conv(strides=0)), "layer 'conv_1' (Conv2D) has strides='0', outside the allowed values."),
    "strides and dilation": (
        h5(conv(strides=2, dilation_rate=2)),
        "layer 'conv_1' (Conv2D) has both strides and dilation, which Keras does not run.",
    ),
    "groups": (h5(conv(groups=2)), "layer 'conv_1' (Conv2D) has groups='2', outside the allowed values."),
    "padding": (
        h5(conv(padding="causal")),
        "layer 'conv_1' (Conv2D) has padding='causal', outside the allowed values.",
    ),
    "activation": (
        h5(conv(activation="os.system")),
        "layer 'conv_1' (Conv2D) has activation='os.system', outside the allowed values.",
    ),
    "activation object": (
        h5(conv(activation={"class_name": "Lambda", "config": {}})),
        "layer 'conv_1' (Conv2D) has activation='{'class_name': 'Lambda', 'config': {}}', outside the allowed values.",
    ),
    "activation of another time": (
        h5(conv(activation="hard_sigmoid")),
        "layer 'conv_1' (Conv2D) uses 'hard_sigmoid', which newer versions of Keras compute otherwise.",
    ),
    "float16": (h5(conv(dtype="float16")), "layer 'conv_1' (Conv2D) has dtype='float16', outside the allowed values."),
    "images of whole numbers": (
        h5(tampered(0, config={"name": "input", "batch_input_shape": [None, 8, 6, 3], "dtype": "uint8"})),
        "layer 'conv_1' (Conv2D) is fed with numbers of type uint8, expected float32. Put a Rescaling layer in front.",
    ),
    "a quantized type": (
        h5(conv(dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "name": "float32"}})),
        "layer 'conv_1' (Conv2D) has dtype='{'class_name': 'QuantizedDTypePolicy', 'config'…', outside the "
        "allowed values.",
    ),
    "one setting under two names": (
        h5(with_layer("LeakyReLU", negative_slope=0.2, alpha=0.9)),
        "layer 'lam' (LeakyReLU) has both negative_slope and alpha, which are names for one setting.",
    ),
    "unknown setting": (
        h5(conv(lora_rank=4)), "layer 'conv_1' (Conv2D) has a setting 'lora_rank' that this program does not know.",
    ),
    "rate": (h5(with_layer("Dropout", rate=7)), "layer 'lam' (Dropout) has rate='7', outside the allowed values."),
    "noise beyond Keras": (
        h5(with_layer("GaussianNoise", stddev=2)),
        "layer 'lam' (GaussianNoise) has stddev='2', outside the allowed values.",
    ),
    "channels dropped of no image": (
        h5(with_layer("SpatialDropout2D", rate=0.5)),
        "layer 'lam' (SpatialDropout2D) is fed with shape (None, 4), expected images.",
    ),
    "a mean without a variance": (h5(with_layer("Normalization", mean=[1, 2, 3, 4])), f"{NORMAL} {UNFIT}"),
    "a variance without a mean": (h5(with_layer("Normalization", variance=1)), f"{NORMAL} {UNFIT}"),
    "a mean unlike the variance": (h5(with_layer("Normalization", mean=1, variance=[1, 2, 3, 4])), f"{NORMAL} {UNFIT}"),
    "a variance below zero": (
        h5(with_layer("Normalization", mean=1, variance=-1)),
        f"{NORMAL} has variance='-1', outside the allowed values.",
    ),
    "rate beyond JSON": (
        h5(json.dumps(with_layer("Dropout", rate=0.5)).replace("0.5", "NaN")),
        "has 'model_config' with a number that is NaN, which JSON may not hold. Copy or download it again.",
    ),
    "axis": (
        h5(with_layer("BatchNormalization", axis=7)),
        "layer 'lam' (BatchNormalization) has axis='7', outside the allowed values.",
    ),
    "target shape": (
        h5(with_layer("Reshape", target_shape=[3, -1])),
        "layer 'lam' (Reshape) has target_shape='(3, -1)', which 4 numbers do not fill.",
    ),
    "too much output": (
        h5(model_config(IMAGE_INPUT, layer("ZeroPadding2D", "a", ["input"], padding=1024),
                        layer("UpSampling2D", "b", ["a"], size=64), layer("Flatten", "output", ["b"]))),
        "layer 'b' (UpSampling2D) puts out 51,892,518,912 numbers an image, the limit is 33,554,432.",
    ),
    "too much output in all": (
        h5(model_config(IMAGE_INPUT, layer("UpSampling2D", "up", ["input"], size=64),
                        *(layer("ReLU", f"r{n}", [f"r{n - 1}" if n else "up"]) for n in range(120)))),
        "puts out 71,368,848 numbers an image in all its layers, the limit is 67,108,864.",
    ),
    "too many classes": (
        h5(model_config(*small_net()["config"]["layers"][:3], layer("Dense", "output", ["pool_1"], units=65_536))),
        "knows 65,536 classes, the limit is 65,535.",
    ),
    # graph
    "no convolution": (
        h5(model_config(IMAGE_INPUT, layer("Flatten", "flat", ["input"]), layer("Dense", "output", ["flat"], units=5))),
        "has no convolution layer, so there are no channels to prune.",
    ),
    "two inputs": (h5(TWO_IN), "has 2 inputs ('input', 'in2'), expected one image input."),
    "two outputs": (h5(TWO_OUT), "has 2 outputs ('output', 'pool_1'), expected one class output."),
    "output of images": (
        h5(model_config(*small_net()["config"]["layers"][:2])),
        "gives outputs of shape (None, 6, 4, 4), expected (None, classes).",
    ),
    "output of one number": (
        h5(model_config(*small_net()["config"]["layers"][:3], layer("Dense", "output", ["pool_1"], units=1))),
        "gives outputs of shape (None, 1), expected (None, classes).",
    ),
    "channels first": (
        h5(conv(data_format="channels_first")), "is channels_first; only channels_last models are supported.",
    ),
    "any size of image": (
        h5(shaped([None, None, None, 3])),
        "takes input of shape '(None, None, None, 3)', expected images of one size (None, height, width, 3).",
    ),
    "flat input": (
        h5(shaped([None, 784])),
        "takes input of shape '(None, 784)', expected images of one size (None, height, width, 3).",
    ),
    "negative input": (
        h5(shaped([None, -8, 6, 3])),
        "layer 'input' (InputLayer) has batch_input_shape='(None, -8, 6, 3)', outside the allowed values.",
    ),
    "two shapes of one input": (
        h5(tampered(0, config={"name": "input", "batch_shape": [None, 8, 6, 3], "batch_input_shape": [None, 9, 6, 3]})),
        "layer 'input' (InputLayer) has both batch_shape and batch_input_shape, and they differ.",
    ),
    "axes that Keras 3 drops": (
        h5(with_layer("Softmax", axis=[1, 2])),
        "layer 'lam' (Softmax) has axis='(1, 2)', which Keras 3 drops from such a file. Save it as .keras.",
    ),
    "no input shape": (
        h5(sequential(layer("Conv2D", "conv_1", [], filters=4, kernel_size=3))),
        "has no input shape: it was saved before it was built. Call it on an image, then save it again.",
    ),
    "a use that leads nowhere": (
        h5(REUSED), "layer 'pool_1 (use 2)' (GlobalAveragePooling2D) does not lead to the output.",
    ),
    "a loop": (
        h5(tampered(1, inbound_nodes=[[["pool_1", 0, 0, {}]]])), "has a loop: layer 'pool_1' feeds itself.",
    ),
    "a layer that is not there": (
        h5(tampered(1, inbound_nodes=[[["ghost", 0, 0, {}]]])), "names a layer 'ghost' that it does not contain.",
    ),
    "a layer that leads nowhere": (
        h5(model_config(*small_net()["config"]["layers"], layer("ReLU", "aside", ["conv_1"]), outputs=("output",))),
        "layer 'aside' (ReLU) does not lead to the output.",
    ),
    "two of one name": (
        h5(model_config(IMAGE_INPUT, *2 * [layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=3)], POOL)),
        "has two layers of the same name.",
    ),
    "an input of its own": (
        h5(model_config(*small_net()["config"]["layers"][:3],
                        layer("InputLayer", "in2", [], batch_shape=[None, 8, 6, 3]),
                        layer("Flatten", "flat", ["in2"]), layer("Concatenate", "output", ["pool_1", "flat"]))),
        "has an input that is not its own, expected one image input.",
    ),
    "shapes that do not fit": (
        h5(model_config(*small_net()["config"]["layers"][:3], layer("Flatten", "flat", ["conv_1"]),
                        layer("Add", "output", ["pool_1", "flat"]))),
        "layer 'output' (Add) is fed with shapes that do not fit: (None, 4), (None, 96).",
    ),
    # weights
    "one weight of two": (
        h5(weights=held(bias=None)), "layer 'conv_1' (Conv2D) has 1 weight arrays, expected 2.",
    ),
    "a layer without its weights": (
        h5(edit=lambda file: file.__delitem__("model_weights/conv_1")),
        "layer 'conv_1' (Conv2D) has 0 weight arrays, expected 2.",
    ),
    "a name without its numbers": (
        h5(edit=lambda file: file.__delitem__(KERNEL)),
        "layer 'conv_1' (Conv2D) has no kernel where its weights should be.",
    ),
    "kernel of another shape": (
        h5(weights=held(kernel=np.zeros((2, 3, 3, 4), np.float32))),
        "layer 'conv_1' (Conv2D) has a kernel of shape (2,3,3,4), expected (3,3,3,4).",
    ),
    "kernel of whole numbers": (
        h5(weights=held(kernel=np.zeros((3, 3, 3, 4), np.int32))),
        "layer 'conv_1' (Conv2D) has a kernel of type int32, expected float32.",
    ),
    "kernel of text": (h5(weights=held(kernel=np.array([b"x"]))), f"{CONV} 'kernel' holds text, expected numbers."),
    "kernel of complex numbers": (
        h5(weights=held(kernel=np.zeros((3, 3, 3, 4), np.complex64))),
        f"{CONV} 'kernel' has type complex64, expected float32.",
    ),
    "kernel of unusual numbers": (
        h5(edit=odd_kernel), f"{CONV} 'kernel' has numbers of 32 bits in an unusual form, expected float32.",
    ),
    "NaN": (
        h5(weights=held(kernel=NAN)),
        f"layer 'conv_1' (Conv2D) has a kernel that contains NaN (108 of 108). {TRAINED_BADLY}",
    ),
    "infinite": (
        h5(weights=held(kernel=INFINITE)),
        f"layer 'conv_1' (Conv2D) has a kernel that contains infinite numbers (1 of 108). {TRAINED_BADLY}",
    ),
    "kernel elsewhere": (
        h5(edit=replaced(KERNEL, h5py.ExternalLink("/nowhere/x.h5", "/k"))),
        "'kernel:0' is a link to another file ('/nowhere/x.h5'). Refused: it could read any file you can.",
    ),
    "kernel stored elsewhere": (
        h5(edit=declared((3, 3, 3, 4), external=[("/nowhere/x", 0, h5py.h5f.UNLIMITED)])), f"{CONV} 'kernel' {OUTSIDE}",
    ),
    "kernel of terabytes": (
        h5(edit=declared((2**20, 2**20), chunks=(1, 2**20))),
        f"{CONV} 'kernel' declares shape (1048576, 1048576) = 4.0 TiB, the limit is 768.0 MiB.",
    ),
    "kernel never written": (
        h5(edit=declared((3, 3, 3, 4))),
        f"{CONV} declares 432 bytes but stores 0 bytes: a decompression bomb or an unfinished file.",
    ),
    "kernel in a chunk cut short": (h5(edit=torn_kernel), TORN),
    "a weight inside another": (
        moved(lambda text, kernel: kernel + 8), "is damaged: two of its weights lie in one place.",
    ),
    "a weight inside the configuration": (
        moved(lambda text, kernel: text.index(b'"pool_1"') + 1),
        "is damaged: its weights lie in the middle of what describes them. Copy or download it again.",
    ),
    "much behind its end": (tailed, "has 2.5 GiB, the limit for a model is 1.0 GiB."),
    "something behind its end": (
        lambda path: tailed(path, 3000), "has 3 KiB behind its end at 14,080 bytes. Download or save it again.",
    ),
    # archives
    "another member": (
        archive(members={"assets/vocabulary.txt": b"x"}),
        "is a zip archive that contains 'assets/vocabulary.txt', expected a .keras file with "
        "config.json, metadata.json, model.weights.h5.",
    ),
    "a member that climbs": (
        archive(members={"../../.bashrc": b"x"}),
        "is a zip archive that contains '../../.bashrc', expected a .keras file with "
        "config.json, metadata.json, model.weights.h5.",
    ),
    "a member twice": (
        member_twice,
        "is a zip archive that contains 4 members, expected a .keras file with "
        "config.json, metadata.json, model.weights.h5.",
    ),
    "compressed zeros": (
        archive(members={"model.weights.h5": bytes(2**25)}, compression=zipfile.ZIP_DEFLATED),
        "declares 32.0 MiB but stores 32 KiB: a decompression bomb or an unfinished file.",
    ),
    "a size that lies": (
        lying_size, "declares 2.0 GiB but stores 1 KiB: a decompression bomb or an unfinished file.",
    ),
    "a JSON bomb": (
        archive(members={"config.json": b"[" * (2**23 + 1)}, compression=zipfile.ZIP_DEFLATED),
        "has 8.0 MiB of config.json, the limit is 8.0 MiB.",
    ),
    "weights that are no HDF5": (archive(members={"model.weights.h5": b"x" * 900}), DAMAGED),
    "a wrong checksum": (
        wrong_sum, "is damaged: the archive cannot be read. Copy or download it again and compare checksums.",
    ),
    **{
        f"an archive in which {what}": (
            patched(*where), "is damaged: the archive cannot be read. Copy or download it again and compare checksums.",
        )
        for what, where in {
            "a sum seems to follow": ("list", 8, b"\x08\x00"),
            "sums seem to follow everywhere": ("own", 6, b"\x08\x00"),
            "a member has two names": ("own", 30, b"evil0"),
            "a member has two methods": ("own", 8, b"\x08\x00"),
            "a member is perhaps encrypted": ("own", 6, b"\x01\x00"),
            "a member has two sums": ("own", 14, b"\x01"),
            "a member has two sizes": ("own", 22, b"\x01"),
            "two members lie in one place": ("list", 42, bytes(4)),
        }.items()
    },
    "very many members": (
        many_members,
        "is a zip archive of very many members, expected a .keras file with config.json, metadata.json, "
        "model.weights.h5.",
    ),
    "an archive and HDF5 in one": (
        in_one, "is a zip archive and an HDF5 file in one, and Keras goes by its name. Save the model again.",
    ),
    "a long configuration before bad weights": (
        archive(members={"config.json": b" " * (2**23 + 1), "model.weights.h5": b"x"}),
        "has 8.0 MiB of config.json, the limit is 8.0 MiB.",
    ),
    "config of text": (
        archive(members={"config.json": b"import os"}),
        "is damaged: its config.json is not valid JSON. Copy or download it again.",
    ),
    "a constant in the graph": (
        archive(config=tampered(1, inbound_nodes=[{"args": [3.0], "kwargs": {}}])),
        "has a layer that is fed with something else than another layer's output.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_model_is_refused(name: str, tmp_path: Path) -> None:
    make, line = BAD[name]
    assert line_of_model(make, tmp_path) == line
    assert os.listdir(tmp_path) == ["file.h5"]

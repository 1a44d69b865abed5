"""The layers a network may be made of, and every setting of theirs that is read: the allow-list.

What is not named here is refused, or, where it cannot change an answer (initialisers, regularisers, constraints,
names, seeds), never read. Settings keep the names that Keras 3 constructors use; `also` holds older names for one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.architecture.settings import (
    Check,
    Unfit,
    borders,
    either,
    flag,
    last_axis,
    maybe,
    one_of,
    only,
    pair,
    real,
    several,
    whole,
)
from engine.file_safety.limits import ACTIVATIONS
from engine.file_safety.refusal import FileRefused, layer_line, quoted

ELEMENTWISE = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "swish", "gelu", "mish", "softplus",
    "softsign", "tanh", "sigmoid", "hard_sigmoid", "hard_silu", "hard_swish", "exponential", "log_sigmoid", "hard_tanh",
    "squareplus", "sparse_plus", "sparse_sigmoid", "soft_shrink", "hard_shrink", "tanh_shrink",
)  # fmt: skip
MIXING = ("softmax", "log_softmax")  # every channel of the output depends on all channels of the input
# what was another computation under the same name before this version of Keras
SINCE = {"hard_sigmoid": (3, 0), "bilinear": (2, 4)}


INPUT_TYPES = ("float32", "float64", "uint8", "int32")  # what Keras turns images into before its first layer


class Setting(NamedTuple):
    """One setting: its check, its value where a file is silent (`...`: it may not be), and its older names."""

    check: Check
    default: Any = ...
    also: tuple[str, ...] = ()


activation = Setting(one_of(*ELEMENTWISE, *MIXING), "linear")
size = Setting(pair(whole(1, 1024)))
strides = Setting(pair(whole(1, 64)), 1)
dilation = Setting(pair(whole(1, 64)), 1)
padding = Setting(one_of("valid", "same"), "valid")
switch = Setting(flag, True)
count = Setting(whole(1, 2**24))
rate = Setting(real(0, 1), also=("p",))
epsilon = Setting(real(0, 1), 1e-3)
axes = either(whole(-8, 8), several(whole(-8, 8), 1, 3))

CONVOLUTION = {
    "kernel_size": size,
    "strides": strides,
    "padding": padding,
    "dilation_rate": dilation,
    "activation": activation,
    "use_bias": switch,
}
POOLING = {
    "pool_size": Setting(pair(whole(1, 1024)), 2),
    "strides": Setting(maybe(pair(whole(1, 1024))), None),
    "padding": padding,
}
SCALE_AND_CENTER = {"epsilon": epsilon, "center": switch, "scale": switch}
NUMBERS = either(real(), several(real(), 1, 4096))

LAYERS: Mapping[str, Mapping[str, Setting]] = MappingProxyType(
    {
        "InputLayer": {
            "shape": Setting(several(whole(1, 16384), 3, 3)),
            "dtype": Setting(one_of(*INPUT_TYPES), "float32"),
        },
        "Conv2D": {"filters": count, **CONVOLUTION, "groups": Setting(whole(1, 2**16), 1)},
        "DepthwiseConv2D": {"depth_multiplier": Setting(whole(1, 64), 1), **CONVOLUTION},
        "SeparableConv2D": {"filters": count, "depth_multiplier": Setting(whole(1, 64), 1), **CONVOLUTION},
        "Conv2DTranspose": {"filters": count, **CONVOLUTION},
        "Dense": {"units": count, "activation": activation, "use_bias": switch},
        "Flatten": {},
        "Reshape": {"target_shape": Setting(several(whole(-1, ACTIVATIONS), 1, 4))},
        "Permute": {"dims": Setting(several(whole(1, 4), 1, 4))},
        "Dropout": {"rate": rate},
        "SpatialDropout2D": {"rate": rate},
        "GaussianDropout": {"rate": rate},
        "AlphaDropout": {"rate": rate},
        "GaussianNoise": {"stddev": Setting(real(0, 1), also=("sigma",))},
        "Identity": {},
        "BatchNormalization": {"axis": Setting(last_axis, -1), **SCALE_AND_CENTER},
        "LayerNormalization": {"axis": Setting(axes, -1), **SCALE_AND_CENTER},
        "GroupNormalization": {"groups": Setting(whole(-1, 2**16), 32), "axis": Setting(last_axis, -1)}
        | SCALE_AND_CENTER,
        "Activation": {"activation": Setting(activation.check)},
        "ReLU": {
            "max_value": Setting(maybe(real(0)), None),
            "negative_slope": Setting(real(0), 0.0),
            "threshold": Setting(real(0), 0.0, also=("theta",)),
        },
        "LeakyReLU": {"negative_slope": Setting(real(0), 0.3, also=("alpha",))},
        "ELU": {"alpha": Setting(real(), 1.0)},
        "PReLU": {"shared_axes": Setting(maybe(several(whole(1, 3), 1, 3)), None)},
        "Softmax": {"axis": Setting(axes, -1)},
        "MaxPooling2D": POOLING,
        "AveragePooling2D": POOLING,
        "GlobalMaxPooling2D": {"keepdims": Setting(flag, False)},
        "GlobalAveragePooling2D": {"keepdims": Setting(flag, False)},
        "GlobalMaxPooling1D": {"keepdims": Setting(flag, False)},
        "GlobalAveragePooling1D": {"keepdims": Setting(flag, False)},
        "ZeroPadding2D": {"padding": Setting(borders(1024), 1)},
        "Cropping2D": {"cropping": Setting(borders(16384), 0)},
        "UpSampling2D": {
            "size": Setting(pair(whole(1, 64)), 2),
            "interpolation": Setting(one_of("nearest", "bilinear"), "nearest"),
        },
        "Add": {},
        "Subtract": {},
        "Multiply": {},
        "Average": {},
        "Maximum": {},
        "Minimum": {},
        "Concatenate": {"axis": Setting(whole(-4, 4), -1)},
        "Rescaling": {"scale": Setting(NUMBERS), "offset": Setting(NUMBERS, 0.0)},
        "Normalization": {
            "axis": Setting(maybe(last_axis), -1),
            "mean": Setting(maybe(NUMBERS), None),
            "variance": Setting(maybe(either(real(0), several(real(0), 1, 4096))), None),
            "invert": Setting(only(False), False),
        },
        # operations of a graph, in words of our own: no file may name these as classes
        "Arithmetic": {
            "function": Setting(one_of("add", "subtract", "multiply", "divide", "maximum", "minimum")),
            "constant": Setting(NUMBERS),
            "turned": Setting(flag, False),  # constant first: 1 - x
            "type": Setting(one_of("int", "float", "float32", "float64", "int32", "int64", "same"), "same"),
            "axes": Setting(whole(1, 4), 1),  # of the constant, with those of size 1
        },
        "Divide": {},
        "Cast": {"dtype": Setting(one_of("float32", "float64"))},
        "Take": {word: Setting(maybe(whole(-16384, 16384)), None) for word in ("index", "start", "stop", "step")},
        "Stack": {"axis": Setting(only(-1))},
    }
)
OWN = ("Arithmetic", "Divide", "Cast", "Take", "Stack")

MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
FUSED = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")  # layers that may be another layer's activation
CHANNELS_APART = ("ReLU", "LeakyReLU", "ELU", "PReLU")  # activations as layers that act on each number alone
# what changes images in training only: an identity for us
TRAINING_ONLY = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
    "RandomHeight", "RandomWidth", "ActivityRegularization",
)  # fmt: skip
# other names by which Keras itself knows a class, and names of older versions for what is that class today
ALIASES = {"GlobalAvgPool2D": "GlobalAveragePooling2D", "GlobalMaxPool2D": "GlobalMaxPooling2D"} | {
    "GlobalAvgPool1D": "GlobalAveragePooling1D", "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "Convolution2D": "Conv2D", "Convolution2DTranspose": "Conv2DTranspose", "MaxPool2D": "MaxPooling2D",
    "AvgPool2D": "AveragePooling2D", "SeparableConvolution2D": "SeparableConv2D",
}  # fmt: skip
RENAMED = ALIASES | {
    "Deconvolution2D": "Conv2DTranspose",
    "BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
}  # fmt: skip
KNOWN = {*LAYERS, *TRAINING_ONLY, *RENAMED} - {*OWN}  # every class name that is not refused
FIXED = {"groups": 1, "renorm": False, "rms_scaling": False, "stateful": False, "sparse": False, "ragged": False}
UNREAD = {
    "name", "trainable", "dtype", "data_format", "batch_input_shape", "batch_shape", "batch_size", "input_shape",
    "input_dtype", "optional", "seed", "noise_shape", "momentum", "renorm_momentum", "renorm_clipping", "fused",
    "synchronized", "autocast", "type_spec",
}  # fmt: skip
UNREAD_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def checked(name: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one layer, as a Keras 3 constructor takes them.

    `kind` is a key of LAYERS. What this returns, it accepts again unchanged.
    Raises FileRefused for a setting that is unknown, missing or outside its range.
    """
    table = LAYERS[kind]
    _refuse_unknown(name, kind, config, table)
    result = {}
    for key, setting in table.items():
        given = [word for word in (key, *setting.also) if word in config]
        if len(given) > 1:
            raise layer_line(name, kind, f"has both {given[0]} and {given[1]}, which are names for one setting.")
        value = config[given[0]] if given else setting.default
        if value is ...:
            raise layer_line(name, kind, f"has no {key}. The model was damaged; save it again.")
        try:
            result[key] = setting.check(value)
        except Unfit:
            raise _outside(name, kind, key, value) from None
    return result


def _outside(name: str, kind: str, key: str, value: Any) -> FileRefused:
    return layer_line(name, kind, f"has {key}={quoted(value)}, outside the allowed values.")


def _refuse_unknown(name: str, kind: str, config: Mapping[str, Any], table: Mapping[str, Setting]) -> None:
    known = set(table).union(*(setting.also for setting in table.values()))
    for key, value in config.items():
        if key in known or key in UNREAD or key.endswith(UNREAD_ENDINGS) or value is None:
            continue
        if key in FIXED and type(value) is type(FIXED[key]) and value == FIXED[key]:
            continue
        if key in FIXED:
            raise _outside(name, kind, key, value)
        raise layer_line(name, kind, f"has a setting {quoted(key)} that this program does not know.")

"""What Keras 3 itself refuses in a configuration that it wrote: refused here too, so that B′ opens wherever B does.

Files of older versions are held to the rules that all versions share: among them, that a layer takes no setting of
another kind of layer. Initialisers, regularisers and constraints are not looked at: they play no part in an answer,
and those of a user's own need that user's code.
"""

import re
from collections.abc import Mapping
from typing import Any

from engine.architecture.layers import ALIASES, LAYERS, RENAMED
from engine.architecture.settings import Check, Unfit, either, flag, maybe, one_of, pair, real, several, whole
from engine.file_safety.refusal import FileRefused, layer_line, quoted
from engine.model_files.graph_operations import CONSTANT, is_operation
from engine.model_files.layer_calls import NO_MODEL

SCOPE = re.compile(r"[A-Za-z0-9_.\\/>-]+", re.ASCII)  # what TensorFlow takes as a name, which Keras 2 makes of each
MODELS = ("Model", "Functional", "Sequential")
TYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64",
)  # fmt: skip


def anything(value: Any) -> Any:
    return value


def no_object(value: Any) -> Any:
    if isinstance(value, dict):
        raise Unfit
    return value


def no_value(value: Any) -> None:
    if value is not None:
        raise Unfit


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Unfit
    return value


def matters_in_training(*names: str) -> dict[str, Check]:
    """Initialisers, regularisers and constraints of these weights."""
    found: dict[str, Check] = {}
    for name in names:
        found |= {f"{name}_{what}": anything for what in ("initializer", "regularizer", "constraint")}
    return found


sizes = maybe(several(maybe(whole(1, 2**31)), 0, 8))
factor = either(real(-1e9, 1e9), several(real(-1e9, 1e9), 1, 2))
COMMON: dict[str, Check] = {
    "name": anything,  # looked at with the name beside the settings
    "trainable": flag,
    "dtype": anything,  # looked at with the settings that matter
    "autocast": flag,
    "activity_regularizer": anything,
    "input_shape": sizes,
    "batch_input_shape": sizes,
}
LAYOUT: dict[str, Check] = {"data_format": anything}
SEED: dict[str, Check] = {"seed": maybe(whole(0, 2**63 - 1))}
NOISE: dict[str, Check] = {"noise_shape": sizes, **SEED}
SHAPES = ("batch_shape", "batch_input_shape", "input_shape")  # where a layer says what it is fed with
KERNEL = {**LAYOUT, **matters_in_training("kernel", "bias")}
DEPTHWISE = {**LAYOUT, **matters_in_training("depthwise", "bias")}
SCALED = matters_in_training("beta", "gamma")
RANDOM = {
    **LAYOUT, **SEED, "fill_mode": one_of("constant", "nearest", "wrap", "mirror", "reflect", "crop"),
    "interpolation": one_of("nearest", "bilinear"), "fill_value": real(),
}  # fmt: skip
# settings that a layer has beside those in LAYERS
OTHERS: Mapping[str, Mapping[str, Check]] = {
    "InputLayer": {
        "batch_shape": anything, "batch_size": no_value, "shape": no_value, "input_shape": no_value, "optional": flag,
        "sparse": maybe(flag), "ragged": maybe(flag), "trainable": flag,
    },
    "Conv2D": KERNEL,
    "Conv2DTranspose": {**KERNEL, "output_padding": no_value},
    "DepthwiseConv2D": DEPTHWISE,
    "SeparableConv2D": {**DEPTHWISE, **matters_in_training("pointwise")},
    "Dense": {
        **matters_in_training("kernel", "bias"), "lora_rank": no_value, "lora_alpha": no_value,
        "quantization_config": no_value,
    },
    "Flatten": LAYOUT,
    "Dropout": NOISE,
    "SpatialDropout2D": {**LAYOUT, **NOISE},
    "GaussianDropout": SEED,
    "AlphaDropout": NOISE,
    "GaussianNoise": SEED,
    "BatchNormalization": {
        **SCALED, "moving_mean_initializer": anything, "moving_variance_initializer": anything, "momentum": real(),
        "synchronized": flag, "renorm": flag, "renorm_clipping": no_value, "renorm_momentum": real(),
    },
    "LayerNormalization": {**SCALED, "rms_scaling": flag},
    "GroupNormalization": SCALED,
    "PReLU": matters_in_training("alpha"),
    "MaxPooling2D": LAYOUT,
    "AveragePooling2D": LAYOUT,
    "GlobalMaxPooling2D": LAYOUT,
    "GlobalAveragePooling2D": LAYOUT,
    "GlobalMaxPooling1D": LAYOUT,
    "GlobalAveragePooling1D": LAYOUT,
    "ZeroPadding2D": LAYOUT,
    "Cropping2D": LAYOUT,
    "UpSampling2D": LAYOUT,
}  # fmt: skip
# layers that change images in training only, with all their settings
TRAINING: Mapping[str, Mapping[str, Check]] = {
    "RandomFlip": {**LAYOUT, **SEED, "mode": one_of("horizontal", "vertical", "horizontal_and_vertical")},
    "RandomRotation": {**RANDOM, "factor": factor},
    "RandomZoom": {**RANDOM, "height_factor": factor, "width_factor": maybe(factor)},
    "RandomTranslation": {**RANDOM, "height_factor": factor, "width_factor": factor},
    "RandomContrast": {**LAYOUT, **SEED, "factor": factor, "value_range": pair(real())},
    "RandomBrightness": {**LAYOUT, **SEED, "factor": factor, "value_range": pair(real())},
    "ActivityRegularization": {"l1": real(), "l2": real()},
}
# what Keras 3 does not take of that: what it takes from every layer, and words of Keras 2
WITHOUT: Mapping[str, tuple[str, ...]] = {
    "SpatialDropout2D": (
        "trainable", "autocast", "input_shape", "batch_input_shape", "activity_regularizer", "noise_shape", "p",
    ),
    "Dropout": ("p",),
    "GaussianDropout": ("p",),
    "AlphaDropout": ("p",),
    "GaussianNoise": ("sigma",),
    "ReLU": ("theta",),
    "ActivityRegularization": ("activity_regularizer",),
}  # fmt: skip
# what only Keras 2 writes
OLDER: Mapping[str, tuple[str, ...]] = {
    "InputLayer": ("type_spec",),
    "Conv2DTranspose": ("groups",),
    "DepthwiseConv2D": ("groups", *matters_in_training("kernel")),
    "SeparableConv2D": ("groups", *matters_in_training("kernel")),
    "BatchNormalization": ("fused",),
}
REGULARIZED = ("Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D", "Dense")


Built = dict[str, list[list[Any]]]  # by the path of a layer, the shapes of its inputs, None for any size


def refuse_odd(config: Any, new: bool) -> Built:
    """Raises FileRefused for what Keras 3 refuses in a configuration; `new`: one that Keras 3 wrote.

    The configuration is that of a model, as far as `read_model_config` goes. Gives the shapes that layers must be fed
    with: those that a file says a layer was built with, and images where Keras takes nothing else.
    """
    built: Built = {}
    _check_model(config, new, (), built)
    return built


def _check_model(data: dict[str, Any], new: bool, home: tuple[str, ...], built: Built) -> None:
    config = data["config"]
    if isinstance(config, list):  # a Sequential model before Keras 2.2.3
        config = {"name": "net", "layers": config}
    if new:
        _check_name("", data["class_name"], config)
        _check_module(str(config["name"]), data)
    if data["class_name"] == "Sequential":
        _check_sizes(str(config.get("name")), data["class_name"], config, ("build_input_shape",))
    if not isinstance(config.get("trainable"), bool | None):
        raise FileRefused(f"has trainable={quoted(config['trainable'])}, outside the allowed values.")
    functional = data["class_name"] != "Sequential"
    for layer in config["layers"]:
        _check_layer(layer, new, functional, home, built)
    if functional:
        _check_wiring(config, new)


def _check_layer(data: dict[str, Any], new: bool, functional: bool, home: tuple[str, ...], built: Built) -> None:
    kind, config = data["class_name"], data["config"]
    name = str(data.get("name") or config.get("name")) if isinstance(config, dict) else ""
    if functional and not isinstance(data.get("name"), str):
        raise FileRefused(NO_MODEL)
    if isinstance(config, dict) and new:
        _check_name(name, kind, config)
    elif not SCOPE.fullmatch(name):
        raise layer_line(name, kind, f"has name={quoted(name)}, which Keras 2 does not take.")
    if isinstance(config, dict) and data.get("name", config.get("name")) != config.get("name"):
        raise layer_line(name, kind, f"is called {quoted(config.get('name'))} in its own settings.")
    if kind not in MODELS and not isinstance(config.get("trainable", True), bool):
        raise layer_line(name, kind, f"has trainable={quoted(config['trainable'])}, which Keras does not take.")
    path = (*home, name)
    if kind in MODELS:
        _check_model(data, new, path, built)
        return
    if kind in TRAINING and kind != "ActivityRegularization":
        built["/".join(path)] = [[None, None, None]]
    _check_sizes(name, kind, config, SHAPES)
    if not new and not is_operation(data):
        _check_old_settings(name, kind, config)
    if new and not is_operation(data):
        _check_module(name, data)
        _check_settings(name, kind, config, "module" in data)
        inner = config.get("activation")
        if isinstance(inner, dict) and isinstance(inner.get("config"), dict):
            _check_settings(name, str(inner.get("class_name")), inner["config"], "module" in inner)
        if data.get("build_config"):
            built.setdefault("/".join(path), []).extend(_built_with(name, kind, data["build_config"]))


def _built_with(name: str, kind: str, config: Any) -> list[list[Any]]:
    """The shapes, without the batch axis, that Keras builds a layer with before it is fed."""
    shape: Any = config.get("input_shape") if isinstance(config, dict) and len(config) == 1 else None
    shapes = shape if isinstance(shape, list) and shape and isinstance(shape[0], list) else [shape]
    for sizes in shapes:
        if not isinstance(sizes, list) or not sizes or not all(type(size) in (int, type(None)) for size in sizes):
            raise layer_line(name, kind, f"has build_config={quoted(config)}, outside the allowed values.")
    return [sizes[1:] for sizes in shapes]


def _check_name(name: str, kind: str, config: dict[str, Any]) -> None:
    own = config.get("name")
    if not isinstance(own, str) or not own or "/" in own:
        raise layer_line(name, kind, f"has name={quoted(own)}, which Keras does not take.")


def _check_module(name: str, data: dict[str, Any]) -> None:
    """Where Keras 3 finds a class; a layer without a module is found by its class alone."""
    if "module" not in data:
        return
    module, kind = data["module"], data["class_name"]
    places = {"Functional": ("keras.src.models.functional",), "Sequential": ("keras", "keras.models"),
              "Model": ("keras", "keras.models")}  # fmt: skip
    known = kind in LAYERS or kind in ALIASES or kind in TRAINING or kind in places
    if known and module not in places.get(kind, ("keras.layers", *_operations(module))):
        raise layer_line(name, kind, f"is looked for in {quoted(module)}, where Keras has no such class.")


def _operations(module: Any) -> tuple[Any, ...]:
    """The module, if operations of graphs are found there; they are named like layers."""
    return (module,) if isinstance(module, str) and module.startswith("keras.src.ops.") else ()


def settings_of(kind: str) -> dict[str, Check]:
    """Every setting that some Keras takes for a layer of this kind, which is in LAYERS or TRAINING."""
    if kind in TRAINING:
        return {**COMMON, **TRAINING[kind]}
    table = LAYERS[kind]
    own = dict.fromkeys([word for key, setting in table.items() for word in (key, *setting.also)], no_object)
    own |= {"activation": anything} if "activation" in own else {}
    return {**COMMON, **own, **OTHERS.get(kind, {})}


def settings_of_keras_3(kind: str, module: bool) -> dict[str, Check]:
    """Those that Keras 3 takes. `module`: the layer is described with one, as in a `.keras` file."""
    # of a layer without a module Keras 3 makes `input_shape` of it
    moved = ("batch_input_shape",) if module and kind != "InputLayer" else ()
    return {word: check for word, check in settings_of(kind).items() if word not in (*WITHOUT.get(kind, ()), *moved)}


def _check_settings(name: str, kind: str, config: dict[str, Any], module: bool) -> None:
    kind = ALIASES.get(kind, kind)
    if kind not in TRAINING and kind not in LAYERS:
        return
    known = settings_of_keras_3(kind, module)
    for key, value in config.items():
        if key not in known:
            raise layer_line(name, kind, f"has a setting {quoted(key)} that Keras does not know.")
        try:
            known[key](value)
        except Unfit:
            raise layer_line(name, kind, f"has {key}={quoted(value)}, which Keras does not take.") from None


def _check_old_settings(name: str, kind: str, config: dict[str, Any]) -> None:
    """That a layer of Keras 2 has no setting of another kind of layer; values are looked at with those of Keras 3."""
    kind = RENAMED.get(kind, kind)
    if kind not in LAYERS and kind not in TRAINING:
        return
    known = {*settings_of(kind), *OLDER.get(kind, ()), "input_dtype"} - {"autocast"}
    if kind not in REGULARIZED:
        known -= {"activity_regularizer"}
    odd = next((key for key in config if key not in known), None)
    if odd is not None:
        raise layer_line(name, kind, f"has a setting {quoted(odd)} that this program does not know.")


def _check_sizes(name: str, kind: str, config: dict[str, Any], words: tuple[str, ...]) -> None:
    """That shapes are lists of whole numbers and None, the batch axis too."""
    for word in words:
        try:
            maybe(sizes)(config.get(word))
        except Unfit:
            raise layer_line(name, kind, f"has {word}={quoted(config[word])}, outside the allowed values.") from None


def _check_wiring(config: dict[str, Any], new: bool) -> None:
    """That every [layer, node, tensor] of a functional model is there."""
    calls = {}
    for layer in config["layers"]:
        nodes = layer.get("inbound_nodes")
        if not isinstance(nodes, list):
            raise FileRefused(NO_MODEL)
        calls[layer["name"]] = (layer["class_name"] in MODELS, max(1, len(nodes)))
    for layer in config["layers"]:
        for node in layer["inbound_nodes"]:
            for reference in _references(node):
                inner, count = calls.get(_name(reference), (False, 1))
                # Keras 2 counts from 1 for a model inside the model
                _check_reference(reference, range(count + 1 if inner and not new else count))
    for word in ("input_layers", "output_layers"):
        for reference in _listed(config.get(word)):
            inner, count = calls.get(_name(reference), (False, 1))
            _check_reference(reference, range(count + 1 if inner else count))


def _name(reference: Any) -> Any:
    return reference[0] if isinstance(reference, list) and reference and isinstance(reference[0], str) else None


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, list):
        raise FileRefused(NO_MODEL)
    return [value] if len(value) == 3 and isinstance(value[0], str) else value


def _references(node: Any) -> list[Any]:
    """All [layer, node, tensor] that a call names. Raises FileRefused for tensors that Keras cannot make."""
    if isinstance(node, list):
        if node and isinstance(node[0], str):  # an operation of Keras 2
            return [] if node[0] == CONSTANT else [node[:3]]
        return [
            item[:3] if isinstance(item, list) and len(item) == 4 and isinstance(item[3], dict) else item
            for item in node
        ]
    if not isinstance(node, dict) or not isinstance(node.get("kwargs"), dict) or not isinstance(node.get("args"), list):
        raise FileRefused(NO_MODEL)
    return [_history(tensor) for tensor in _tensors([node["args"], node["kwargs"]])]


def _tensors(value: Any) -> list[dict[str, Any]]:
    """Every tensor in the arguments of a call."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in inner for tensor in _tensors(item)]


def _history(tensor: dict[str, Any]) -> Any:
    config = tensor.get("config")
    if not isinstance(config, dict) or config.get("dtype") not in TYPES:
        raise FileRefused(NO_MODEL)
    try:
        several(maybe(whole(0, 2**31)), 0, 8)(config.get("shape"))
    except Unfit:
        raise FileRefused(NO_MODEL) from None
    return config.get("keras_history")


def _check_reference(reference: Any, nodes: range) -> None:
    fits = isinstance(reference, list) and len(reference) == 3 and isinstance(reference[0], str)
    if not fits or type(reference[1]) is not int or type(reference[2]) is not int or reference[2] != 0:
        raise FileRefused(NO_MODEL)
    if reference[1] not in nodes:
        raise FileRefused(f"names call {reference[1]} of layer {quoted(reference[0])}, which does not happen.")

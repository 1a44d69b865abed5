"""The ways in which Keras 2.3.1, 2.7 and 3 write a model configuration, read into one: a tree of layers.

Only what says how layers are joined is read here; settings are passed on unread. Objects that a configuration
describes more than once under one number are one object, as in Keras.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from engine.architecture.layers import KNOWN, OWN
from engine.file_safety.limits import LAYERS as MOST_LAYERS
from engine.file_safety.refusal import FileRefused, layer_line, quoted
from engine.model_files.graph_operations import is_operation, read_operation
from engine.model_files.layer_calls import NO_MODEL, Source, ends, sources

NUMBER = "shared_object_id"


def refuse_shared(config: Any) -> None:
    """Raises FileRefused where two descriptions of one object differ, or where a layer of a model is used again.

    Keras would take the first for both, and read the weights of one only.
    """
    held: dict[str, tuple[bool, dict[str, Any]]] = {}
    for layer, data in _numbered(config):
        number = str(data[NUMBER])
        before = held.setdefault(number, (layer, data))
        if before[1] is not data and (layer or before[0] or before[1] != data):
            raise FileRefused(f"describes the shared object {quoted(number)} more than once, not supported.")


def _numbered(config: Any) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Every description that has a number, and whether it is that of a layer of a model."""
    waiting = [(False, config)]
    while waiting:
        layer, value = waiting.pop()
        if isinstance(value, dict):
            if NUMBER in value:
                yield layer, value
            waiting += [(key == "layers", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(layer and isinstance(item, dict), item) for item in value]


MODELS = ("Model", "Functional", "Sequential")
MODULES = ("keras", "keras.layers", "keras.models", "keras.activations")
# layers of tensorflow_model_optimization around those of a network, and what takes them off
WRAPPERS = {
    "PruneLowMagnitude": "tfmot.sparsity.keras.strip_pruning(model).save('model.h5')",
    "ClusterWeights": "tfmot.clustering.keras.strip_clustering(model).save('model.h5')",
}
INNER_MODULES = (
    "keras.src.models.", "keras.src.engine.", "keras.engine.", "keras.src.layers.", "keras.layers.",
    "tf_keras.src.engine.", "tf_keras.src.layers.",
)  # fmt: skip


class Layer(msgspec.Struct):
    """A layer as its file names it, the layers that feed it, and for a model inside the model its own layers.

    A layer that is used several times is several of these; `again` is then, for all but the first, the first's name.
    """

    name: str
    kind: str
    config: dict[str, Any]
    sources: list[str]
    model: "Model | None" = None
    again: str = ""

    @property
    def own_name(self) -> str:
        """The name of the layer, of which this is one use."""
        return self.again or self.name


class Model(msgspec.Struct):
    """Layers in the file's order; the names of those that take and give the images and classes.

    `frozen`: Keras counts none of its weights as trainable. Of a Sequential model it does not read that.
    """

    kind: str
    layers: list[Layer]
    inputs: list[str]
    outputs: list[str]
    frozen: bool = False


class Budget:
    """Counts layers over all models inside each other."""

    def __init__(self) -> None:
        self.left = MOST_LAYERS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise FileRefused(f"has more than {MOST_LAYERS} layers.")


def read_model_config(data: Any) -> Model:
    """The tree of layers in a decoded `model_config`. Raises FileRefused for what Keras does not write."""
    if not isinstance(data, dict) or data.get("class_name") not in MODELS:
        found = data.get("class_name") if isinstance(data, dict) else data
        raise FileRefused(f"is of type {quoted(found)}, expected a Sequential or Functional model.")
    if not _ours(data, data["class_name"]):
        raise FileRefused(f"is of type {quoted(_foreign(data))}, expected a Sequential or Functional model of Keras.")
    refuse_shared(data)
    return _model(data, Budget())


def _model(data: dict[str, Any], budget: Budget) -> Model:
    kind, config = data["class_name"], data.get("config")
    if isinstance(config, list) and kind == "Sequential":  # before Keras 2.2.3
        config = {"layers": config}
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise FileRefused(NO_MODEL)
    if not all(isinstance(item, dict) for item in config["layers"]):
        raise FileRefused(NO_MODEL)
    read = _sequential if kind == "Sequential" else _functional
    model = read(config, budget)
    model.frozen = kind != "Sequential" and config.get("trainable") is not None and not config["trainable"]
    return model


def _layer(data: dict[str, Any], sources: list[str], budget: Budget) -> Layer:
    """One layer of a model; `sources` replaces what it says of its inputs."""
    budget.spend()
    kind, config = data.get("class_name"), data.get("config")
    named = config.get("name") if isinstance(config, dict) else None
    name = data.get("name") or named
    if not isinstance(name, str) or not isinstance(kind, str):
        raise FileRefused(NO_MODEL)
    if not _ours(data, kind):
        raise unsafe(name, _foreign(data))
    if kind in OWN:
        raise unsafe(name, kind)
    if kind in MODELS:
        return Layer(name, kind, {}, sources, _model(data, budget))
    if not isinstance(config, dict):
        raise unsafe(name, kind)
    if "module" not in data and _loses_axes(kind, config):
        raise layer_line(
            name, kind, f"has axis={quoted(config['axis'])}, which Keras 3 drops from such a file. Save it as .keras."
        )
    return Layer(name, kind, config, sources)


def unsafe(name: str, kind: str) -> FileRefused:
    """The refusal of a layer that is not on the list."""
    wrapper = re.split(r"[.>]", kind)[-1]
    if wrapper in WRAPPERS:
        return layer_line(name, wrapper, f"is wrapped for training. Take that off and save again: {WRAPPERS[wrapper]}")
    return FileRefused(
        f"layer {quoted(name)} is of type {quoted(kind)}, which is not on the list of safe layers. "
        "It could run code; rebuild the model without it."
    )


def _ours(data: dict[str, Any], kind: str) -> bool:
    """Whether Keras itself would take this class from its own modules."""
    module, registered = data.get("module"), data.get("registered_name")
    if module is None and registered is None:
        return True
    known = module in MODULES or (isinstance(module, str) and module.startswith(INNER_MODULES))
    return known and registered in (None, kind)


def _loses_axes(kind: str, config: dict[str, Any]) -> bool:
    """Whether Keras 3 would take the last axis instead of several, unnoticed: no weight has their shape."""
    axis = config.get("axis")
    bare = kind == "LayerNormalization" and config.get("center") is False and config.get("scale") is False
    return isinstance(axis, list) and len(axis) > 1 and (kind == "Softmax" or bare)


def _foreign(data: dict[str, Any]) -> str:
    """The class that Keras would look for elsewhere."""
    return str(data.get("registered_name") or f"{data.get('module')}.{data['class_name']}")


def _sequential(config: dict[str, Any], budget: Budget) -> Model:
    """A Sequential model, its layers fed by one another, with an input layer in front if a shape is known."""
    layers: list[Layer] = []
    for data in config["layers"]:
        layers.append(_layer(data, [layers[-1].name] if layers else [], budget))
    if not layers:
        raise FileRefused("has no layers.")
    first = layers[0]
    shape = _agreed_shape(first, config.get("build_input_shape"))
    if first.kind != "InputLayer":
        entry = Layer("input", "InputLayer", {"batch_shape": shape}, [])
        while entry.name in {layer.name for layer in layers}:
            entry.name += "_"
        first.sources = [entry.name]
        layers.insert(0, entry)
    return Model("Sequential", layers, [layers[0].name], [layers[-1].name])


def _agreed_shape(layer: Layer, built: Any) -> Any:
    """The input shape, batch axis first, that a Sequential model was given: by its first layer, or when it was built.

    Which of them counts differs between versions of Keras: all must say the same.
    """
    while layer.model is not None:
        layer = layer.model.layers[0]
    words = [layer.config.get("batch_input_shape"), layer.config.get("batch_shape"), built]
    if layer.kind != "InputLayer" and isinstance(layer.config.get("input_shape"), list):
        words.append([None, *layer.config["input_shape"]])
    written = [word for word in words if word is not None]
    for word in written:
        if not isinstance(word, list) or word[1:] != written[0][1:]:
            raise FileRefused(f"says two input shapes, {quoted(written[0])} and {quoted(word)}. Save the model again.")
    return written[0] if written else None


def _functional(config: dict[str, Any], budget: Budget) -> Model:
    layers: list[Layer] = []
    fed: list[list[Source]] = []
    for data in config["layers"]:
        layer, calls = _called(data, budget)
        if len(calls) > 1 and layer.model is not None:
            raise layer_line(layer.name, layer.kind, f"is used {len(calls)} times; of a model that is not supported.")
        fed += calls
        layers += [_use(layer, use, budget) for use in range(len(calls))]
    uses = Counter(layer.own_name for layer in layers)
    for layer, feeds in zip(layers, fed, strict=True):
        layer.sources = [_feeding(source, uses) for source in feeds]
    starts, finals = (
        [_feeding(end, uses) for end in ends(config.get(key))] for key in ("input_layers", "output_layers")
    )
    return Model("Functional", layers, starts, finals)


def _called(data: dict[str, Any], budget: Budget) -> tuple[Layer, list[list[Source]]]:
    """A layer of a functional model, and what feeds each of its uses."""
    name = data.get("name")
    if isinstance(name, str) and isinstance(data.get("config"), dict) and is_operation(data):
        budget.spend()
        kind, config, feeds = read_operation(name, data)
        return Layer(name, kind, config, []), [feeds]
    layer = _layer(data, [], budget)
    if layer.model is None and layer.kind not in KNOWN:
        raise unsafe(layer.name, layer.kind)
    return layer, sources(data) or [[]]


def _use(layer: Layer, use: int, budget: Budget) -> Layer:
    """One use of a layer; all behind the first count as further layers."""
    if use == 0:
        return layer
    budget.spend()
    return msgspec.structs.replace(layer, name=_use_name(layer.name, use), again=layer.name)


def _use_name(name: str, use: int) -> str:
    return f"{name} (use {use + 1})" if use else name


def _feeding(source: Source, uses: Counter[str]) -> str:
    """The name of the use of a layer that a reference means. Those to the only one are not read."""
    if uses[source.layer] < 2:
        return source.layer
    if source.use >= uses[source.layer]:
        raise FileRefused(f"names use {source.use} of layer {quoted(source.layer)}, which has {uses[source.layer]}.")
    return _use_name(*source)

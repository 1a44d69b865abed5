"""Build B from its description, and cut it in two: features, computed once, and the rest of the network.

Everything here is a call of a Keras constructor with allow-listed settings; nothing of a user's file is deserialised.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import msgspec
import numpy as np

from engine.architecture.description import LayerSpec, ModelSpec
from engine.architecture.number_types import number_types
from engine.network.graph_operations import OPERATIONS
from engine.network.normalization import FINITE

Tensor = Any
FUSED = {"Conv2D", "Dense"}  # layers whose activation is taken out into a layer of its own


@dataclass(frozen=True)
class Network:
    """B in Keras: `model` from images (n, H, W, C) to class scores, `layers` by name.

    In `spec` no Conv2D or Dense has an activation: `linear` names the layer that does the sums of each of them, and
    the layer that has its name in the file is the activation behind it.
    """

    spec: ModelSpec
    layers: dict[str, Any]
    linear: dict[str, str]
    model: Any

    def layer(self, name: str) -> LayerSpec:
        return next(layer for layer in self.spec.layers if layer.name == name)

    def readers(self, name: str) -> list[LayerSpec]:
        return [layer for layer in self.spec.layers if name in layer.inputs]


@dataclass(frozen=True)
class Cut:
    """Where the network is cut: at `feature`, which `layer` reaches by layers that act on each channel alone.

    `crossing` names the tensors that the rest of the network needs, the feature first. `base` (positions.., channels)
    is what the feature holds in the place of a pruned channel, whatever the image.
    """

    layer: str
    feature: str
    crossing: tuple[str, ...]
    base: np.ndarray


def build(spec: ModelSpec, arrays: Mapping[str, Sequence[np.ndarray]]) -> Network:
    """Construct the network and give it its weights (`arrays` by layer name, in Keras's order)."""
    spec, linear = without_fused_activations(spec)
    layers = {layer.name: construct(layer, index) for index, layer in enumerate(spec.layers)}
    start = spec.layers[0].name
    model = keras.Model(layers[start], wire(spec, layers, {start: layers[start]}, [spec.output])[spec.output])
    for name, weights in arrays.items():
        layers[linear.get(name, name)].set_weights(list(weights))
    for layer in spec.layers:
        if layer.again:
            layers[layer.name].set_weights(layers[layer.again].get_weights())
    return Network(spec, layers, linear, model)


def construct(layer: LayerSpec, index: int) -> Any:
    """One Keras layer, or the input tensor. Keras gets names of ours: those of a file stay in the description."""
    if layer.kind == "InputLayer":
        return keras.Input(**layer.config)
    if layer.kind in OPERATIONS:
        return OPERATIONS[layer.kind](f"layer_{index}", **layer.config)
    finite = FINITE.get(keras.backend.backend(), {})
    kind = finite[layer.kind] if layer.kind in finite else getattr(keras.layers, layer.kind)
    # without a seed, Keras's dropout on PyTorch takes its chance from elsewhere than its seed generator
    seed = {"seed": index} if layer.kind == "Dropout" else {}
    return kind(**layer.config, **seed, name=f"layer_{index}")


def without_fused_activations(spec: ModelSpec) -> tuple[ModelSpec, dict[str, str]]:
    """`spec` with every fused activation as a layer of its own, and the names of the layers that do the sums."""
    taken, layers, linear = {layer.name for layer in spec.layers}, [], {}
    for layer in spec.layers:
        if layer.kind not in FUSED:
            layers.append(layer)
            continue
        sums = layer.name + "/sums"
        while sums in taken:
            sums += "'"
        taken.add(sums)
        linear[layer.name] = sums
        config = {key: value for key, value in layer.config.items() if key != "activation"}
        activation = {"activation": layer.config.get("activation") or "linear"}
        layers.append(LayerSpec(sums, layer.kind, config, layer.inputs, linear.get(layer.again, "")))
        layers.append(LayerSpec(layer.name, "Activation", activation, (sums,)))
    return msgspec.structs.replace(spec, layers=tuple(layers)), linear


def wire(
    spec: ModelSpec, layers: Mapping[str, Any], known: Mapping[str, Tensor], wanted: Iterable[str]
) -> dict[str, Tensor]:
    """Call the layers between the `known` tensors and the `wanted` ones; returns all tensors by layer name.

    Images become numbers of the type that the network's input has.
    """
    tensors, needed = dict(known), ancestors(spec, wanted, stop=known)
    start = spec.layers[0]
    if start.name in known and known[start.name].dtype != start.config.get("dtype", "float32"):
        tensors[start.name] = keras.ops.cast(known[start.name], start.config.get("dtype", "float32"))
    for layer in spec.layers:
        if layer.name in needed and layer.name not in tensors:
            inputs = [tensors[name] for name in layer.inputs]
            tensors[layer.name] = layers[layer.name](inputs if len(inputs) > 1 else inputs[0])
    return tensors


def ancestors(spec: ModelSpec, names: Iterable[str], stop: Iterable[str] = ()) -> set[str]:
    """The layers that `names` are computed from, themselves included, not looking behind `stop`."""
    found, stop = set(names), set(stop)
    for layer in reversed(spec.layers):
        if layer.name in found and layer.name not in stop:
            found.update(layer.inputs)
    return found


def descendants(spec: ModelSpec, name: str) -> set[str]:
    """The layers that read `name`, directly or not."""
    found = {name}
    for layer in spec.layers:
        if found.intersection(layer.inputs):
            found.add(layer.name)
    return found - {name}


def cut(network: Network, layer: str, feature: str) -> Cut:
    """Cut `network` at `feature`, the ranking feature of the pruned `layer`."""
    spec = network.spec
    below = descendants(spec, feature) & ancestors(spec, [spec.output])
    read = crossing_tensors(spec, below)
    crossing = tuple(dict.fromkeys([feature, *read]))
    return Cut(layer, feature, crossing, pruned_feature(network, layer, feature))


def crossing_tensors(spec: ModelSpec, below: set[str]) -> list[str]:
    """What the layers `below` read of others: images, and what is float32 as features are. The rest is computed again.

    Adds to `below` what is.
    """
    types, images = number_types(spec.layers), spec.layers[0].name
    for layer in reversed(spec.layers):
        if layer.name in below:
            below.update(name for name in layer.inputs if types[name] != "float32" and name != images)
    return [name for each in spec.layers if each.name in below for name in each.inputs if name not in below]


def pruned_feature(network: Network, layer: str, feature: str) -> np.ndarray:
    """What the ranking feature (positions.., channels) holds where a channel's filter and bias are zero.

    The convolution gives 0 there, its fused activation f(0), and every layer down to the feature keeps to a channel.
    """
    sums = network.linear[layer]
    shape = network.layers[sums].output.shape[1:]
    start = keras.Input(shape)
    end = wire(network.spec, network.layers, {sums: start}, [feature])[feature]
    outputs = keras.Model(start, end)(np.zeros((1, *shape), "float32"), training=False)
    base: np.ndarray = keras.ops.convert_to_numpy(outputs)[0]
    return base

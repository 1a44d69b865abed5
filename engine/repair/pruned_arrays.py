"""The weights of B′ as arrays: the pruned filters and biases at zero, and γ, β of a batch normalisation behind them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engine.architecture.description import LayerSpec, ModelSpec
from engine.architecture.graph import channel_chain, output_shapes
from engine.architecture.shapes import axes_of

Arrays = dict[str, list[np.ndarray]]  # by layer name, in Keras's order
SCALE_AND_SHIFT = ("gamma", "beta")


def zeroed_weights(spec: ModelSpec, layer: str) -> list[tuple[str, int]]:
    """The weights that hold a number or a filter for each channel of `layer` and are zero where it is pruned.

    Each as a layer and the place of the array among its own. Those of `layer` itself; and γ, β of each batch
    normalisation that it reaches by layers that act on each channel alone, where that serves no other place of the
    network.
    """
    shapes = output_shapes(spec.layers)
    normal = {each.name for each in channel_chain(spec, layer) if normalises_channels(spec, each, shapes)}
    found, places = [], dict.fromkeys((weight.layer for weight in spec.weights), 0)
    for weight in spec.weights:
        place, places[weight.layer] = places[weight.layer], places[weight.layer] + 1
        if weight.layer == layer or (weight.layer in normal and weight.name in SCALE_AND_SHIFT):
            found.append((weight.layer, place))
    return found


def normalises_channels(spec: ModelSpec, layer: LayerSpec, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a layer of the chain is a batch normalisation of its channels, and is used here only."""
    if layer.kind != "BatchNormalization" or layer.again or any(each.again == layer.name for each in spec.layers):
        return False
    rank = len(shapes[layer.name])
    return axes_of(layer.config["axis"], rank) == [rank - 1]


def pruned_arrays(
    spec: ModelSpec, arrays: Mapping[str, Sequence[np.ndarray]], layer: str, pruned: Iterable[int]
) -> Arrays:
    """A copy of `arrays` with the channels `pruned` of `layer` at zero."""
    channels = sorted(pruned)
    found = {name: [np.array(array, np.float32) for array in held] for name, held in arrays.items()}
    for name, place in zeroed_weights(spec, layer):
        found[name][place][..., channels] = 0
    return found

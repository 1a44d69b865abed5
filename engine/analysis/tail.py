"""B behind the cut for whole features that may hold anything: answers and penultimate features; and B from pixels."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from math import prod
from typing import Any

import keras
import numpy as np

from engine.api.progress import Check
from engine.architecture.graph import DROPOUT
from engine.network.build import Cut, Network, wire
from engine.network.features import with_pixels
from engine.network.graph_operations import answers
from engine.network.model_runner import Forward
from engine.network.pipeline import map_threaded
from engine.orders.gradients import before_softmax

Note = Callable[[int], None]


class Tail:
    """From features (n, channels, positions), and what else crosses the cut (n, ..), to what `output` makes of them."""

    def __init__(self, network: Network, at: Cut, output: Callable[[Network, dict[str, Any]], Any], note: Note) -> None:
        *space, channels = at.base.shape
        features = keras.Input((channels, prod(space)))
        feature = keras.layers.Reshape((*space, channels))(keras.layers.Permute((2, 1))(features))
        crossing = [keras.Input(tuple(tensor.shape[1:])) for tensor in crossing_tensors(network, at)]
        known = dict(zip(at.crossing, [feature, *crossing], strict=True))
        self.forward = Forward(keras.Model([features, *crossing], output(network, known)), 1 + len(crossing), note)
        self.size = self.forward.fitting(512)

    def __call__(self, features: np.ndarray, others: Sequence[np.ndarray] = ()) -> np.ndarray:
        """A row an image, computed in the caller's thread."""
        parts = [slice(start, start + self.size) for start in range(0, len(features), self.size)]
        found = [self.forward([features[part], *(each[part] for each in others)])[0] for part in parts]
        return np.concatenate(found)


def crossing_tensors(network: Network, at: Cut) -> list[Any]:
    """What crosses the cut beside the feature, as Keras's tensors."""
    start = network.spec.layers[0].name
    tensors = wire(network.spec, network.layers, {start: network.model.input}, at.crossing)
    return [tensors[name] for name in at.crossing[1:]]


def answers_of(network: Network, known: dict[str, Any]) -> Any:
    """The class of each image."""
    name = network.spec.output
    return answers(wire(network.spec, network.layers, known, [name])[name])


def penultimate_of(network: Network, known: dict[str, Any]) -> Any:
    """The penultimate features, (n, d)."""
    name = penultimate(network)
    found = wire(network.spec, network.layers, known, [name])[name]
    return found if len(found.shape) == 2 else keras.layers.Reshape((-1,))(found)


def penultimate(network: Network) -> str:
    """The layer whose output the last dense layer reads; the scores before the softmax where none is the last."""
    scores = before_softmax(network)
    last = network.layer(scores)
    while last.kind in (*DROPOUT, "Activation"):
        last = network.layer(last.inputs[0])
    return last.inputs[0] if last.kind == "Dense" else scores


def probabilities_model(network: Network, scale: float) -> Any:
    """From images as the lab stores them (n, C, H, W) to class probabilities (n, classes)."""
    images, pixels = with_pixels(network, scale)
    start, name = network.spec.layers[0].name, before_softmax(network)
    scores = wire(network.spec, network.layers, {start: pixels}, [name])[name]
    if scores.shape[-1] == 1:  # one sigmoid tells two classes apart
        return keras.Model([images], keras.layers.Concatenate()([1 - scores, scores]))
    return keras.Model([images], keras.layers.Softmax()(scores))


def in_threads(
    work: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, size: int, threads: int, check: Check
) -> Iterator[np.ndarray]:
    """`work` of `size` rows at a time, side by side, in their order; `check` before each."""

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, len(rows), size):
            check()
            yield rows[start : start + size]

    with closing(map_threaded(work, parts(), threads)) as found:
        yield from found

"""The engine's own look at what the inspector handed over: a process that read a hostile file is not believed."""

import os
from math import prod

import numpy as np

from engine.files.description import DataSpec, ModelSpec
from engine.files.finding import Finding
from engine.files.graph import check_classifier
from engine.files.layers import LAYERS, checked
from engine.files.shapes import needed_weights

UNEQUAL = "confused the file reader; nothing was loaded. The file is damaged or hostile."


def verify_model(spec: ModelSpec, arrays: list[np.ndarray]) -> None:
    """That every setting is allowed, that layers and weights fit together, and that weights are finite.

    Raises Finding.
    """
    seen: set[str] = set()
    for layer in spec.layers:
        fits = layer.kind in LAYERS and checked(layer.name, layer.kind, layer.config) == layer.config
        if not fits or layer.name in seen or not seen.issuperset(layer.inputs):
            raise Finding(UNEQUAL)
        seen.add(layer.name)
    if spec.output not in seen:
        raise Finding(UNEQUAL)
    shapes = check_classifier(spec.layers, spec.output)
    expected = []
    for layer in spec.layers:
        feed = shapes[layer.inputs[0]] if layer.inputs else ()
        own, others = needed_weights(layer.kind, layer.config, feed)
        expected += [(layer.name, name, shape) for name, shape in own + others]
    if [(weight.layer, weight.name, weight.shape) for weight in spec.weights] != expected:
        raise Finding(UNEQUAL)
    if [array.shape for array in arrays] != [shape for _, _, shape in expected]:
        raise Finding(UNEQUAL)
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays):
        raise Finding(UNEQUAL)


def verify_data(spec: DataSpec, labels: np.ndarray, descriptor: int, classes: int | None) -> None:
    """That the images are numbers that lie in the file, one label each, in range. Raises Finding."""
    kind = np.dtype(spec.dtype)
    inside = spec.offset is None or 0 <= spec.offset <= os.fstat(descriptor).st_size - kind.itemsize * prod(spec.shape)
    in_range = labels.size and labels.min() >= 0 and (classes is None or labels.max() < classes)
    if not (inside and in_range and min(spec.shape) > 0 and kind.kind in "fiub" and kind.shape == ()):
        raise Finding(UNEQUAL)
    if labels.shape != spec.shape[:1] or labels.dtype != np.int64:
        raise Finding(UNEQUAL)

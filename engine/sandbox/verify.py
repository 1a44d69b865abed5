"""The engine's own look at what the inspector handed over: a process that read a hostile file is not believed."""

import os
from math import prod

import numpy as np

from engine.architecture.description import DataSpec, LayerSpec, ModelSpec
from engine.architecture.graph import check_classifier
from engine.architecture.layers import LAYERS, checked
from engine.architecture.weight_shapes import needed_weights
from engine.file_safety.refusal import CONFUSED, FileRefused, harmless

Image = tuple[int, int, int]  # height, width, channels
NUMBERS = ("f2", "f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
TYPES = {order + number for order in "<>|" for number in NUMBERS}


def verify_model(spec: ModelSpec | None, arrays: list[np.ndarray]) -> ModelSpec:
    """`spec`, if every setting is allowed, layers and weights fit together, and weights are finite.

    Raises FileRefused.
    """
    if spec is None or not harmless((spec.format, spec.writer, spec.notes)):
        raise FileRefused(CONFUSED)
    seen: dict[str, LayerSpec] = {}
    for layer in spec.layers:
        fits = layer.kind in LAYERS and checked(layer.name, layer.kind, layer.config) == layer.config
        if not fits or layer.name in seen or not seen.keys() >= set(layer.inputs):
            raise FileRefused(CONFUSED)
        if layer.again and not _same(layer, seen.get(layer.again)):
            raise FileRefused(CONFUSED)
        seen[layer.name] = layer
    if spec.output not in seen:
        raise FileRefused(CONFUSED)
    shapes = check_classifier(spec.layers, spec.output)
    expected = []
    for layer in spec.layers:
        if not layer.again:
            own, others = needed_weights(layer.kind, layer.config, shapes[layer.inputs[0]] if layer.inputs else ())
            expected += [(layer.name, name, shape) for name, shape in own + others]
    if [(weight.layer, weight.name, weight.shape) for weight in spec.weights] != expected:
        raise FileRefused(CONFUSED)
    if any(weight.dtype not in TYPES or (weight.offset or 0) < 0 for weight in spec.weights):
        raise FileRefused(CONFUSED)
    if [array.shape for array in arrays] != [shape for _, _, shape in expected]:
        raise FileRefused(CONFUSED)
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays):
        raise FileRefused(CONFUSED)
    return spec


def _same(layer: LayerSpec, first: LayerSpec | None) -> bool:
    """Whether a layer may be a further use of `first`."""
    return first is not None and not first.again and (first.kind, first.config) == (layer.kind, layer.config)


def verify_data(
    spec: DataSpec | None, arrays: list[np.ndarray], descriptor: int, shape: Image | None, classes: int | None
) -> tuple[DataSpec, np.ndarray]:
    """`spec` and the labels, if the images are numbers that lie in the file, with one label in range each.

    Raises FileRefused.
    """
    if spec is None or len(arrays) != 1 or spec.dtype not in TYPES or not harmless(spec.notes):
        raise FileRefused(CONFUSED)
    (labels,) = arrays
    count, channels, rows, columns = spec.shape
    end = os.fstat(descriptor).st_size - np.dtype(spec.dtype).itemsize * prod(spec.shape)
    inside = min(spec.shape) > 0 and (spec.offset is None or 0 <= spec.offset <= end)
    if not inside or shape not in (None, (rows, columns, channels)):
        raise FileRefused(CONFUSED)
    if labels.shape != (count,) or labels.dtype != np.int64 or labels.min() < 0:
        raise FileRefused(CONFUSED)
    if classes is not None and labels.max() >= classes:
        raise FileRefused(CONFUSED)
    return spec, labels

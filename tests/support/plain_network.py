"""A Keras network computed by NumPy in double precision, layer by layer: what gradients are held against."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

Arrays = dict[str, np.ndarray]
BEFORE_SOFTMAX = "before the softmax"


def outputs(model: Any, images: np.ndarray, given: Mapping[str, np.ndarray] = {}) -> Arrays:  # not changed
    """The output of every layer by name, and the scores BEFORE_SOFTMAX. Those in `given` are taken, not computed."""
    found: Arrays = {}
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            found[layer.name] = images.astype("f8")
        elif layer.name in given:
            found[layer.name] = found[BEFORE_SOFTMAX] = given[layer.name].astype("f8")
        else:
            tensors = layer.input if isinstance(layer.input, list) else [layer.input]
            names = [tensor._keras_history.operation.name for tensor in tensors]
            inputs = [found.get(name, images.astype("f8")) for name in names]
            sums = computed(layer, inputs)
            found[layer.name] = activated(layer, sums)
            found[BEFORE_SOFTMAX] = inputs[0] if isinstance(layer, layers.Softmax) else sums
    return found


def computed(layer: Any, inputs: list[np.ndarray]) -> np.ndarray:
    """A layer without its activation."""
    x, weights = inputs[0], [weight.astype("f8") for weight in layer.get_weights()]
    match layer:
        case layers.Conv2D():
            return convolved(x, weights[0], layer) + (weights[1] if layer.use_bias else 0)
        case layers.Dense():
            return x @ weights[0] + weights[1]
        case layers.BatchNormalization():
            gamma, beta, mean, variance = weights
            return gamma * (x - mean) / np.sqrt(variance + layer.epsilon) + beta
        case layers.MaxPooling2D():
            return windows(x, layer.pool_size, layer.strides).max(axis=(4, 5))
        case layers.AveragePooling2D():
            return windows(x, layer.pool_size, layer.strides).mean(axis=(4, 5))
        case layers.GlobalAveragePooling2D():
            return x.mean(axis=(1, 2))
        case layers.Flatten():
            return x.reshape(len(x), -1)
        case layers.Add():
            return sum(inputs[1:], x)
        case layers.Concatenate():
            return np.concatenate(inputs, axis=-1)
        case layers.ReLU():
            return np.maximum(x, 0)
        case layers.LeakyReLU():
            return np.where(x > 0, x, layer.negative_slope * x)
        case layers.Dropout() | layers.Activation() | layers.Softmax():
            return x
    raise TypeError(type(layer).__name__)


def activated(layer: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(layer, layers.Softmax):
        return softmax(x)
    function = getattr(layer, "activation", keras.activations.linear)
    ways = {
        "linear": lambda x: x,
        "relu": lambda x: np.maximum(x, 0),
        "sigmoid": lambda x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
        "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "softmax": softmax,
    }
    found: np.ndarray = ways[function.__name__](x)
    return found


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def convolved(x: np.ndarray, kernel: np.ndarray, layer: Any) -> np.ndarray:
    """A convolution's sums: (n, rows, columns, filters)."""
    reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape[:2], layer.dilation_rate, strict=True)]
    if layer.padding == "same":
        rows = [-(-size // stride) for size, stride in zip(x.shape[1:3], layer.strides, strict=True)]
        missing = [
            max(0, (count - 1) * stride + span - size)
            for count, stride, span, size in zip(rows, layer.strides, reach, x.shape[1:3], strict=True)
        ]
        x = np.pad(x, [(0, 0), *((each // 2, each - each // 2) for each in missing), (0, 0)])
    seen = windows(x, reach, layer.strides)[..., :: layer.dilation_rate[0], :: layer.dilation_rate[1]]
    found: np.ndarray = np.einsum("nrcxij,ijxf->nrcf", seen, kernel, optimize=True)
    return found


def windows(x: np.ndarray, size: Any, strides: Any) -> np.ndarray:
    """What each position looks at: (n, rows, columns, channels, height, width)."""
    seen = np.lib.stride_tricks.sliding_window_view(x, tuple(size), axis=(1, 2))
    return seen[:, :: strides[0], :: strides[1]]

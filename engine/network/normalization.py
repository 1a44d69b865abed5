"""Layers that normalise, with numbers that stay finite, for PyTorch.

There Keras takes a variance as E[x²] - E[x]² in float32. Of a channel that is far from 0 and hardly moves nothing is
left: with a mean of 4,000 and a variance of 0.5 it gives -1, whose root is no number. On TensorFlow and JAX Keras takes
the mean of the squared deviations, as these layers do.
"""

from collections.abc import Sequence
from typing import Any

import keras

Tensor = Any


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras has no types
    """Over a batch, each channel by itself."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        rank = len(inputs.shape)
        axes = [axis for axis in range(rank) if axis != self.axis % rank]
        mean, variance = keras.ops.mean(inputs, axes), keras.ops.var(inputs, axes)  # (channels,)
        for average, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + found * (1.0 - self.momentum))
        return keras.ops.batch_normalization(
            inputs, mean, variance, self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )


class LayerNormalization(keras.layers.LayerNormalization):  # type: ignore[misc]
    """Over some axes of each image."""

    def call(self, inputs: Tensor) -> Tensor:
        rank = len(inputs.shape)
        axes = {axis % rank for axis in ([self.axis] if isinstance(self.axis, int) else self.axis)}
        shape = [inputs.shape[axis] if axis in axes else 1 for axis in range(rank)]
        return scaled_and_shifted(self, normalised(inputs, sorted(axes), self.epsilon), shape)


class GroupNormalization(keras.layers.GroupNormalization):  # type: ignore[misc]
    """Over the positions and a group of neighbouring channels, the last axis, of each image."""

    def call(self, inputs: Tensor) -> Tensor:
        *space, channels = inputs.shape[1:]
        grouped = keras.ops.reshape(inputs, (-1, *space, self.groups, channels // self.groups))
        axes = [*range(1, 1 + len(space)), 2 + len(space)]  # all but the image and the group
        found = keras.ops.reshape(normalised(grouped, axes, self.epsilon), (-1, *space, channels))
        return scaled_and_shifted(self, found, (channels,))


def normalised(inputs: Tensor, axes: list[int], epsilon: float) -> Tensor:
    """`inputs` with a mean of 0 and a variance of 1 over `axes`."""
    mean = keras.ops.mean(inputs, axes, keepdims=True)
    variance = keras.ops.var(inputs, axes, keepdims=True)
    return (inputs - mean) * keras.ops.rsqrt(variance + epsilon)


def scaled_and_shifted(layer: Any, inputs: Tensor, shape: Sequence[int]) -> Tensor:
    """`inputs` times the layer's γ plus its β, where it has them, each brought to `shape`."""
    if layer.gamma is not None:
        inputs = inputs * keras.ops.reshape(layer.gamma, shape)
    return inputs if layer.beta is None else inputs + keras.ops.reshape(layer.beta, shape)


FINITE = {"torch": {kind.__name__: kind for kind in (BatchNormalization, LayerNormalization, GroupNormalization)}}

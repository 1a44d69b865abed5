"""Arithmetic in a network's graph, computed by the calls of `keras.ops` that Keras itself makes for it."""

from typing import Any

import keras
import numpy as np

FUNCTIONS = {
    "add": keras.ops.add,
    "subtract": keras.ops.subtract,
    "multiply": keras.ops.multiply,
    "divide": keras.ops.true_divide,
    "maximum": keras.ops.maximum,
    "minimum": keras.ops.minimum,
}


class Operation(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer without weights that takes numbers of any type as they are. `config`: the settings of its description."""

    def __init__(self, name: str, **config: Any) -> None:
        super().__init__(name=name, autocast=False)
        self.config = config


class Arithmetic(Operation):
    """A tensor and a constant: one number, or one for each channel."""

    def call(self, inputs: Any) -> Any:
        constant, kind = self.config["constant"], self.config["type"]
        if kind in ("int", "float") and not isinstance(constant, list):
            other: Any = int(constant) if kind == "int" else constant
        else:
            numbers = np.array(constant, keras.backend.standardize_dtype(inputs.dtype) if kind == "same" else kind)
            other = numbers.reshape((1,) * (self.config["axes"] - 1) + (-1,)) if numbers.ndim else numbers
        function = FUNCTIONS[self.config["function"]]
        return function(other, inputs) if self.config["turned"] else function(inputs, other)


class Divide(Operation):
    """One tensor by another."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.true_divide(*inputs)


class Cast(Operation):
    """Another type of numbers."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.cast(inputs, self.config["dtype"])


class Take(Operation):
    """Some channels, or one without their axis."""

    def call(self, inputs: Any) -> Any:
        if self.config["index"] is not None:
            return keras.ops.take(inputs, self.config["index"] % inputs.shape[-1], axis=-1)
        wanted = slice(*(self.config[word] for word in ("start", "stop", "step")))
        return keras.ops.take(inputs, np.arange(inputs.shape[-1])[wanted], axis=-1)


class Stack(Operation):
    """Several tensors side by side along a new last axis."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.stack(inputs, axis=-1)


OPERATIONS = {"Arithmetic": Arithmetic, "Divide": Divide, "Cast": Cast, "Take": Take, "Stack": Stack}


def answers(scores: Any) -> Any:
    """The class for each row of scores (n, classes): the highest; of one sigmoid (n, 1) whether it is above 0.5."""
    if scores.shape[-1] == 1:
        return keras.ops.cast(keras.ops.greater(scores[:, 0], 0.5), "int32")
    return keras.ops.argmax(scores, axis=-1)

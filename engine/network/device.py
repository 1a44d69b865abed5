"""The device that computes, in the words of each backend: the one place that knows how all three keep tensors on it.

A tensor is what the backend calls one. It stays on the device until `fetch` copies it to the host.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

Tensor = Any
Call = Callable[[Sequence[Tensor]], Any]  # a Keras model: its inputs, to its output or outputs
Function = Callable[..., Any]  # of a Call and tensors, to tensors


class Memory(NamedTuple):
    """Bytes of a card's memory: what this process uses, what it used at most, and what is free, where that is known."""

    used: int
    peak: int
    free: int | None


def put(array: np.ndarray) -> Tensor:
    """Copy an array to the device."""
    return keras.ops.convert_to_tensor(array)


def fetch(tensor: Tensor) -> np.ndarray:
    """Wait for a tensor, and copy it to the host."""
    found: np.ndarray = keras.ops.convert_to_numpy(tensor)
    return found


def number(value: int) -> Any:
    """A whole number that a compiled function takes without being compiled anew for it."""
    if keras.backend.backend() == "torch":
        return value
    return put(np.asarray(value, "int32")) if keras.backend.backend() == "tensorflow" else np.int32(value)


def compiled(function: Function, model: Any = None) -> Callable[..., Any]:
    """`function(call, *tensors)` as a function of the tensors, compiled once for each of the shapes that it meets.

    `call` is `model` in inference; a function that calls none needs none. It may return before its tensors are there.
    """
    ways = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return ways[keras.backend.backend()](function, model)


def _tensorflow(function: Function, model: Any) -> Callable[..., Any]:
    """A graph. It is not compiled by XLA, which would round some sums in another way than the kernels do."""
    import tensorflow as tf

    def computed(*tensors: Tensor) -> Any:
        return function(lambda inputs: model(list(inputs), training=False), *tensors)

    graph: Callable[..., Any] = tf.function(computed, autograph=False)
    return graph


def _jax(function: Function, model: Any) -> Callable[..., Any]:
    """A program of XLA's. Weights are arguments, so that it can be kept for every network of the same layers."""
    import jax

    def computed(weights: tuple[list[Tensor], list[Tensor]], *tensors: Tensor) -> Any:
        def call(inputs: Sequence[Tensor]) -> Any:
            return model.stateless_call(*weights, list(inputs), training=False)[0]

        return function(call, *tensors)

    held = (model.trainable_variables, model.non_trainable_variables) if model is not None else ((), ())
    weights = tuple([variable.value for variable in variables] for variables in held)
    program = jax.jit(computed)
    return lambda *tensors: program(weights, *tensors)


def _torch(function: Function, model: Any) -> Callable[..., Any]:
    """Layer by layer, without a record for gradients. Chunks are large, so that Python between layers costs little."""
    import torch

    def computed(*tensors: Tensor) -> Any:
        with torch.inference_mode():
            return function(lambda inputs: model(list(inputs), training=False), *tensors)

    return computed


def memory() -> Memory | None:
    """The memory of the card; None where tensors lie in the host's."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.config.list_logical_devices("GPU"):
            return None
        info = tf.config.experimental.get_memory_info("GPU:0")
        return Memory(info["current"], info["peak"], None)
    if backend == "jax":
        import jax

        card = jax.devices()[0]
        found = card.memory_stats() if card.platform != "cpu" else None
        if not found:
            return None
        used, limit = found["bytes_in_use"], found.get("bytes_limit")
        return Memory(used, found.get("peak_bytes_in_use", used), limit - used if limit else None)
    import torch

    if not torch.cuda.is_available():
        return None
    return Memory(torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[0])

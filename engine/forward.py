"""A Keras model as a function from arrays to arrays, fast on every backend, also on a device with little memory."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import keras
import numpy as np

FEWEST_ROWS = 256  # where every shape is compiled, batches are filled up to a power of two, from here on


class Forward:
    """A Keras model as a function from arrays to arrays, one graph where the backend has graphs.

    The first `batched` arrays hold a row an image; the others go along whole. `threads` may call it at once. Where the
    device runs out of memory the batch is halved, down to one image, and stays so; `on_halved` hears what fits.
    """

    def __init__(self, model: Any, batched: int, on_halved: Callable[[int], None] = lambda size: None) -> None:
        self.call, self.batched, self.on_halved = graph(model), batched, on_halved
        self.fixed_shapes, self.threads = fixed_shapes(), threads()
        self.limit: int | None = None
        self.told: int | None = None  # the limit that `on_halved` has heard of
        self.halving = Lock()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs of the model, a row an image, in the images' order."""
        rows = len(arrays[0])
        if self.limit is None or rows <= self.limit:
            try:
                outputs = self.run(arrays, rows)
            except Exception as error:
                if not out_of_memory(error) or rows == 1:
                    raise
            else:
                self.tell()
                return outputs
        size = self.halved(rows)
        parts = [self(self.part(arrays, slice(start, start + size))) for start in range(0, rows, size)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def halved(self, rows: int) -> int:
        """The size of batches, now that so many rows are too many; another thread may have found that out already."""
        with self.halving:
            if self.limit is None or self.limit >= rows:
                self.limit = rows // 2
            return self.limit

    def tell(self) -> None:
        with self.halving:
            if self.limit is not None and self.limit != self.told:
                self.told = self.limit
                self.on_halved(self.limit)

    def part(self, arrays: Sequence[np.ndarray], rows: slice) -> list[np.ndarray]:
        """The arrays for some of the images."""
        return [array[rows] if i < self.batched else array for i, array in enumerate(arrays)]

    def run(self, arrays: Sequence[np.ndarray], rows: int) -> list[np.ndarray]:
        if self.fixed_shapes:
            arrays = [padded(array, rows) if i < self.batched else array for i, array in enumerate(arrays)]
        found = self.call(*arrays)
        return [np.asarray(array)[:rows] for array in (found if isinstance(found, list | tuple) else [found])]


def fixed_shapes() -> bool:
    """Whether the backend compiles anew for every shape it meets, as XLA does."""
    return bool(keras.backend.backend() == "jax")


def threads() -> int:
    """How many threads may compute at once: two keep the processors busy where one waits for its own slow ends.

    Keras's own `predict_on_batch`, which the other backends go through, takes one at a time.
    """
    return 2 if keras.backend.backend() == "tensorflow" else 1


def graph(model: Any) -> Callable[..., Any]:
    """`model` as a function of its inputs. TensorFlow's plain graph, made once for every shape, beats XLA on CPUs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        traced = tf.function(lambda *arrays: model(list(arrays), training=False), signature, autograph=False)
        return lambda *arrays: tf.nest.map_structure(lambda tensor: tensor.numpy(), traced(*arrays))
    model.compile(jit_compile=fixed_shapes())
    return lambda *arrays: model.predict_on_batch(list(arrays))


def padded(array: np.ndarray, rows: int) -> np.ndarray:
    """`array` with zero rows up to the next power of two."""
    wanted = max(FEWEST_ROWS, 1 << (rows - 1).bit_length())
    return np.concatenate([array, np.zeros((wanted - rows, *array.shape[1:]), array.dtype)])


def out_of_memory(error: Exception) -> bool:
    """Whether a backend says that its device has no memory left: each has a class of its own for it."""
    return isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__}: {error}"
        for sign in ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory")
    )

"""A Keras model as a function from arrays to arrays, fast on every backend, also on a device with little memory."""

from collections.abc import Callable, Sequence
from math import prod
from threading import Lock
from typing import Any

import keras
import numpy as np

from engine.network.backend import THREADS, out_of_memory

FEWEST_ROWS = 256  # where every shape is compiled, batches are filled up to a power of two, from here on
ROOM = 2**28  # bytes for what a batch is on its way through a model, each layer's output counted


class Forward:
    """A Keras model as a function from arrays to arrays, one graph where the backend has graphs.

    The first `batched` arrays hold a row an image; the others go along whole. `threads` may call it at once. Where the
    device runs out of memory the batch is halved, down to one image, and stays so; `on_halved` hears what fits.
    `call`: what to compute instead of the model's outputs.
    """

    def __init__(
        self,
        model: Any,
        batched: int,
        on_halved: Callable[[int], None] = lambda _: None,
        call: Callable[..., Any] | None = None,
    ) -> None:
        self.model, self.batched, self.on_halved = model, batched, on_halved
        self.call = call or graph(model)
        self.fixed_shapes, self.threads = fixed_shapes(), threads()
        self.limit: int | None = None
        self.told: int | None = None  # the limit that `on_halved` has heard of
        self.halving = Lock()

    def fitting(self, wanted: int, unknown: int = 1, more: int = 0) -> int:
        """How many images to take at once: `wanted`, or as many as ROOM holds.

        `unknown`: the size of axes that the model leaves open; `more`: numbers an image that lie between its layers.
        """
        outputs = [layer.output.shape[1:] for layer in self.model.layers]
        numbers = more + sum(prod(size or unknown for size in shape) for shape in outputs)
        return max(1, min(wanted, ROOM // (4 * numbers)))

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
    """How many threads may compute at once; Keras's own `predict_on_batch`, for other backends, takes one at a time."""
    return THREADS if keras.backend.backend() == "tensorflow" else 1


def graph(model: Any) -> Callable[..., Any]:
    """`model` as a function of its inputs. TensorFlow's plain graph, made once for every shape, beats XLA on CPUs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        return plain_graph(lambda *arrays: model(list(arrays), training=False), signature)
    model.compile(jit_compile=fixed_shapes())
    return lambda *arrays: model.predict_on_batch(list(arrays))


def plain_graph(computed: Callable[..., Any], signature: list[Any]) -> Callable[..., Any]:
    """A function of tensors as a graph of TensorFlow's.

    Its optimiser joins neighbouring operations, some into one that it has no kernel for (a convolution with
    hard_silu, then LeakyReLU): such a network is computed as it stands.
    """
    import tensorflow as tf

    def traced() -> Any:
        return tf.function(computed, signature, autograph=False)

    joined = traced()

    def call(*arrays: np.ndarray) -> Any:
        nonlocal joined
        try:
            found = joined(*arrays)
        except tf.errors.UnimplementedError:
            tf.config.optimizer.set_experimental_options({"remapping": False})
            joined = traced()
            found = joined(*arrays)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), found)

    return call


def padded(array: np.ndarray, rows: int) -> np.ndarray:
    """`array` with zero rows up to the next power of two."""
    wanted = max(FEWEST_ROWS, 1 << (rows - 1).bit_length())
    return np.concatenate([array, np.zeros((wanted - rows, *array.shape[1:]), array.dtype)])

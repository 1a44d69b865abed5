"""Keras, made ready: the same arithmetic whatever the backend, the device and the user's own Keras settings.

`configure` acts through the environment and must run before anything imports keras.
"""

import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

# TF32 rounds products to ten bits and atomics add in any order: answers would differ from the CPU's and between runs
EXACT = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "TF_DETERMINISTIC_OPS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
}
FEWEST_ROWS = 256  # where every shape is compiled, batches are filled up to a power of two, from here on
# take memory as it is needed instead of the whole card, which others may use too
SHARED_CARD = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def configure(device: str | None) -> None:
    """Choose one device ("cpu", "gpu", "gpu:1"; None: the first there is) and exact, quiet, repeatable kernels."""
    os.environ.update(EXACT | SHARED_CARD)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if os.environ["KERAS_BACKEND"] == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1" if os.environ["KERAS_BACKEND"] != "jax" else ""
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif "CUDA_VISIBLE_DEVICES" not in os.environ or device is not None:
        number = (device or "gpu").partition(":")[2] or "0"
        os.environ["CUDA_VISIBLE_DEVICES"] = visible(number)


def visible(number: str) -> str:
    """The card that is number `number` among those this process may see already."""
    cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card]
    return cards[int(number)] if int(number) < len(cards) else number


def load() -> Any:
    """Import Keras and undo what a keras.json of the user could have changed."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    if keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return keras


def name() -> str:
    """The backend and its version, for people: "tensorflow 2.21.0"."""
    import keras

    backend = str(keras.backend.backend())
    return f"{backend} {version(backend)}"


def device_name() -> str:
    """What the backend computes on, for people: "CPU", or the card's own name."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(cards[0]).get("device_name", "GPU") if cards else "CPU"
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return "CPU" if device.platform == "cpu" else str(device.device_kind)
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"


class Forward:
    """A Keras model as a function from arrays to arrays, one graph where the backend has graphs.

    The first `batched` arrays hold a row an image; the others go along whole. Where the device runs out of memory the
    batch is halved, down to one image, and stays so; `on_halved` hears the new size.
    """

    def __init__(self, model: Any, batched: int, on_halved: Callable[[int], None] = lambda size: None) -> None:
        self.call, self.batched, self.on_halved = graph(model), batched, on_halved
        self.fixed_shapes = fixed_shapes()
        self.limit: int | None = None

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Outputs of the model, a row an image, in the images' order."""
        rows = len(arrays[0])
        if self.limit is None or rows <= self.limit:
            try:
                return self.run(arrays, rows)
            except Exception as error:
                if not out_of_memory(error) or rows == 1:
                    raise
            self.limit = rows // 2
            self.on_halved(self.limit)
        parts = [self(self.part(arrays, start)) for start in range(0, rows, self.limit)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def part(self, arrays: Sequence[np.ndarray], start: int) -> list[np.ndarray]:
        """The rows from `start` on, as many as the device has room for."""
        stop = start + (self.limit or 1)
        return [array[start:stop] if i < self.batched else array for i, array in enumerate(arrays)]

    def run(self, arrays: Sequence[np.ndarray], rows: int) -> list[np.ndarray]:
        if self.fixed_shapes:
            arrays = [padded(array, rows) if i < self.batched else array for i, array in enumerate(arrays)]
        found = self.call(*arrays)
        return [np.asarray(array)[:rows] for array in (found if isinstance(found, list | tuple) else [found])]


def fixed_shapes() -> bool:
    """Whether the backend compiles anew for every shape it meets, as XLA does."""
    import keras

    return bool(keras.backend.backend() == "jax")


def graph(model: Any) -> Callable[..., Any]:
    """`model` as a function of its inputs. TensorFlow's plain graph, made once for every shape, beats XLA on CPUs."""
    import keras

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

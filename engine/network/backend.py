"""Keras, made ready: the same arithmetic whatever the backend, the device and the user's own Keras settings.

`configure` acts through the environment and must run before anything imports keras.
"""

import gc
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.user_folders import user_folder

# TF32 rounds products to ten bits and atomics add in any order: answers would differ from the CPU's and between runs
EXACT = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "TF_DETERMINISTIC_OPS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
}
BACKENDS = ("tensorflow", "jax", "torch")  # those of Keras's that compute what a run needs, the first by default
CHOICE = f"{', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}"
THREADS = 2  # that compute at once: one goes on where the other waits for its own slow ends
# take memory as it is needed instead of the whole card, which others may use too
SHARED_CARD = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
# what Keras imports where it is installed, and computing does not need: plots, wrappers, tables, downloads
UNNEEDED = ("matplotlib", "sklearn", "pandas", "pydot", "pydot_ng", "pydotplus", "IPython", "huggingface_hub")


def configure(device: str | None) -> None:
    """Choose one device ("cpu", "gpu", "gpu:1"; None: the first there is) and exact, quiet, repeatable kernels.

    Raises Refused where KERAS_BACKEND names nothing that could compute here.
    """
    os.environ.update(EXACT | SHARED_CARD)
    refuse_backend(os.environ.setdefault("KERAS_BACKEND", BACKENDS[0]))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if os.environ["KERAS_BACKEND"] == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
        keep_compiled()
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1" if os.environ["KERAS_BACKEND"] != "jax" else ""
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif "CUDA_VISIBLE_DEVICES" not in os.environ or device is not None:
        number = (device or "gpu").partition(":")[2] or "0"
        os.environ["CUDA_VISIBLE_DEVICES"] = visible(number)


def keep_compiled() -> None:
    """Let JAX keep what it compiles, however small, in the user's cache folder; a place that the user chose stands.

    What is compiled for one processor may not run on another that shares the folder, so each kind has one of its own.
    """
    with suppress(OSError, RuntimeError):  # where there is no such folder, everything is compiled anew
        folder = user_folder("CACHE") / "jax" / processor()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def processor() -> str:
    """Twelve hexadecimal digits that stand for the instructions that this machine's processor knows."""
    known = platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        known += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def refuse_backend(backend: str) -> None:
    """Raises Refused for a backend that is none of Keras's three, or is not installed."""
    if backend not in BACKENDS:
        raise Refused(f"KERAS_BACKEND: '{escape(backend, SHORT)}' is unknown. Set it to {CHOICE}.")
    if backend not in sys.modules and find_spec(backend) is None:
        raise unusable(backend, "is not installed here")


def unusable(backend: str, why: str) -> Refused:
    """The line about a backend that cannot be imported."""
    return Refused(f"KERAS_BACKEND: {backend} {why}. Install it, or set KERAS_BACKEND to {CHOICE}.")


def compute_side_by_side() -> None:
    """For a run, whose THREADS compute at once: where they fill the processors, none is left to share an operation."""
    if processors() <= THREADS:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible(number: str) -> str:
    """The card that is number `number` among those this process may see already."""
    cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if card]
    return cards[int(number)] if int(number) < len(cards) else number


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without what takes time and is not needed: UNNEEDED packages, and looks for garbage among new modules."""
    hidden, collects = [name for name in UNNEEDED if name not in sys.modules], gc.isenabled()
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what this means to an import: there is none
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # a program of this size is not worth searching again and again
        if collects:
            gc.enable()
        for name in hidden:
            del sys.modules[name]


NO_ROOM_TO_LOAD = ("failed to map segment", "annot allocate memory")  # the loader's words


def load(device: str | None = None) -> Any:
    """Import Keras and undo what a keras.json of the user could have changed.

    Raises Refused where Keras or its backend cannot be imported, and where `device` names a GPU and there is none:
    computing for hours on the CPU is not what was asked.
    """
    try:
        with quick_imports():
            import keras
    except ImportError as error:
        why = escape(str(error).partition("\n")[0])
        if any(sign in why for sign in NO_ROOM_TO_LOAD):
            raise Refused(f"The backend needs more memory to be loaded ({why}). Raise the limit: ulimit -v.") from error
        raise unusable(os.environ.get("KERAS_BACKEND", BACKENDS[0]), f"cannot be imported ({why})") from error
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
    if keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    if device is not None and device != "cpu" and device_name() == "CPU":
        raise Refused(
            f"--device {device}: {name()} sees no such GPU here. Leave --device out to compute on the CPU, "
            "or install the GPU libraries (README: GPU, JAX, PyTorch)."
        )
    return keras


def name() -> str:
    """The backend and its version, for people: "tensorflow 2.21.0"."""
    import keras

    backend = str(keras.backend.backend())
    return f"{backend} {version(backend)}".rstrip()


def versions() -> dict[str, str]:
    """Which versions compute: of the program, of Keras with its backend, and of what reads numbers."""
    import keras

    names = ("lab3-tui", "keras", str(keras.backend.backend()), "numpy", "h5py")
    return {name: found for name in names if (found := version(name))}


def version(package: str) -> str:
    """As it was installed; else, as for a backend that another distribution brings, as the module itself says."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", ""))


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


def smaller_batches(size: int) -> str:
    """What to say where the device had no memory for larger batches."""
    return f"The device has no memory for more: batches of {size} images from now on. The numbers are the same."


def out_of_memory(error: Exception) -> bool:
    """Whether a backend says that its device has no memory left: each has a class of its own for it."""
    return isinstance(error, MemoryError) or any(
        sign in f"{type(error).__name__}: {error}"
        for sign in ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "out of memory")
    )


def no_memory() -> Refused:
    """The line where not even one image can be computed for lack of memory."""
    if device_name() == "CPU":
        return Refused("memory: this machine has none left. End other programs, or leave out a set (--test none).")
    return Refused(f"{device_name()}: has no memory left. Free some of what others use, or compute with --device cpu.")

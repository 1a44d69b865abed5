"""Networks for others: G, or a network without its pruned channels, as a file that Keras alone opens; checked first."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import keras
import numpy as np

from engine.analysis.evaluate_files import answers_model, counting, described
from engine.api.atomic_file import write_atomically
from engine.api.errors import NotWritten, Refused
from engine.api.escape import SHORT, escape
from engine.api.protocol import Exported, ExportNetwork
from engine.architecture.description import ModelFile
from engine.network.build import build
from engine.network.features import SCALES
from engine.network.g_answers import g_answers
from engine.network.model_runner import Forward
from engine.repair.g_network import g_model
from engine.repair.plain_keras import plain_model
from engine.repair.shrink import count, shrunk
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model

BATCH = 256
ENDINGS = {"keras": ".keras", "h5": ".h5", "onnx": ".onnx"}
ONNX = {"tensorflow": ("tf2onnx", "onnx"), "jax": ("jax", "tf2onnx", "onnx"), "torch": ("onnx", "onnxscript")}
IN_MEMORY = Path("/dev/shm")
Progress = Callable[[str, int, int], None]
Note = Callable[[int], None]


class Made(NamedTuple):
    """A model to be written. `networks`: B and B′ of G; or the network that was shrunk, alone."""

    model: Any
    networks: list[ModelFile]
    parameters: int
    before: int
    notes: tuple[str, ...] = ()


def exported(command: ExportNetwork, progress: Progress, note: Note, writing: RLock) -> Exported:
    """Make the network, write it beside its place, open that as anybody would, compare answers, and put it in place.

    Raises Refused where it cannot be made or does not answer alike, NotWritten where there is no room.
    """
    target = Path(command.to)
    refuse_target(command, target)
    made = g(command) if command.what == "g" else smaller(command)
    data = file_bytes(made.model, command.form)
    with opened_again(data, command.form, made.model) as again:
        images, difference = compared(command, made, again, progress, note)
    with writing:
        write_atomically(target, data)
    notes = (*made.notes, *(() if images else ("compared on no image: name data files with --check",)))
    return Exported(command.to, sha256(data).hexdigest(), made.parameters, made.before, images, difference, notes)


def refuse_target(command: ExportNetwork, target: Path) -> None:
    """Raises Refused for a place that may not be written, or a form that cannot be made here."""
    name = escape(target.name, SHORT)
    if not target.name.endswith(ENDINGS[command.form]):
        raise Refused(f"{name}: should end in {ENDINGS[command.form]}, as its form says.")
    for read in (command.model, command.badnet, *command.check):
        if read and os.path.exists(read) and os.path.exists(target) and target.samefile(read):
            raise Refused(f"{name}: is read for this export. Choose another name with --to.")
    if os.path.lexists(target) and not command.overwrite:
        raise Refused(f"{name}: is there already. Choose another name with --to, or --overwrite.")
    missing = [each for each in ONNX[keras.backend.backend()] if not importlib.util.find_spec(each)]
    if command.form == "onnx" and missing:
        raise Refused(
            f"--format onnx: Keras's exporter needs {', '.join(missing)}, not installed here. pip install it."
        )


# --- what is made ---


def g(command: ExportNetwork) -> Made:
    if command.badnet is None:
        raise Refused("G is made of two networks: name the BadNet with --badnet.")
    b, b_prime = read_model(Path(command.badnet)), read_model(Path(command.model))
    if described(build(b.spec, b.arrays)) != described(build(b_prime.spec, b_prime.arrays)):
        name = escape(b_prime.path.name, SHORT)
        raise Refused(f"{name}: has other images or classes than {escape(b.path.name, SHORT)}.")
    model = g_model(b, b_prime, SCALES[command.scale])
    return Made(model, [b, b_prime], model.count_params(), count(b.arrays) + count(b_prime.arrays))


def smaller(command: ExportNetwork) -> Made:
    old = read_model(Path(command.model))
    found = shrunk(old, command.layer)
    model = plain_model(found.spec, found.arrays)
    channels = f"{found.pruned} channels of {escape(found.layer, SHORT)} are gone"
    return Made(model, [old], count(found.arrays), count(old.arrays), (channels,))


# --- the file ---


@contextmanager
def room_for(model: Any) -> Iterator[Path]:
    """A folder of its own, in memory where there is room: HDF5 must not meet a full disk. Raises NotWritten."""
    need = 4 * 4 * model.count_params() + 2**22
    places = [
        place
        for place in (IN_MEMORY, Path(tempfile.gettempdir()))
        if os.path.isdir(place) and os.access(place, os.W_OK)
    ]
    place = next((each for each in places if shutil.disk_usage(each).free > need), None)
    if place is None:
        raise NotWritten(
            f"Could not make the network: {need / 1e6:.0f} MB are needed for a moment, in memory or TMPDIR."
        )
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def file_bytes(model: Any, form: str) -> bytes:
    """The file as Keras writes it."""
    with room_for(model) as folder:
        path = folder / f"network{ENDINGS[form]}"
        if form == "onnx":
            model(np.zeros((1, *model.input.shape[1:]), model.input.dtype))  # Keras exports none that was never called
            model.export(str(path), format="onnx", verbose=False)
        elif form == "h5":
            model.save(path, include_optimizer=False)
        else:
            model.save(path)
        return path.read_bytes()


@contextmanager
def opened_again(data: bytes, form: str, model: Any) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """The file's network as a function from images (n, H, W, C) to scores, opened in Keras's safe mode.

    An ONNX file is opened by onnxruntime; where that is not there, `model` itself answers.
    """
    with room_for(model) as folder:
        path = folder / f"network{ENDINGS[form]}"
        path.write_bytes(data)
        if form == "onnx":
            if not importlib.util.find_spec("onnxruntime"):
                raise Refused("--format onnx: is checked with onnxruntime, not installed here. pip install it.")
            import onnxruntime

            session = onnxruntime.InferenceSession(str(path))
            name = session.get_inputs()[0].name
            yield lambda images: np.asarray(session.run(None, {name: images})[0])
            return
        again = keras.models.load_model(path, compile=False, safe_mode=True)
        start = keras.Input(again.input.shape[1:], dtype=again.input.dtype)
        forward = Forward(keras.Model([start], again(start)), 1)
        yield lambda images: forward([images])[0]


# --- whether it answers alike ---


def compared(
    command: ExportNetwork, made: Made, again: Callable[[np.ndarray], np.ndarray], progress: Progress, note: Note
) -> tuple[dict[str, int], float]:
    """Images answered alike, by file, and the largest difference of two scores. Raises Refused where one is not."""
    networks = [build(model.spec, model.arrays) for model in made.networks]
    scale = SCALES[command.scale]
    forwards = [Forward(answers_model(network, scale), 1, note) for network in networks]
    plain = Forward(keras.Model([networks[0].model.input], networks[0].model.output), 1, note)
    shape, classes = described(networks[0])
    images: dict[str, int] = {}
    difference, wrong = 0.0, 0
    for path in command.check:
        name = escape(Path(path).name, SHORT)
        with (
            closing(open_dataset(Path(path), shape, None)) as data,
            closing(counting(data, BATCH, name, progress)) as parts,
        ):
            for batch in parts:
                given = [forward([batch])[0] for forward in forwards]
                wanted = g_answers(given[0], given[1], classes) if len(given) > 1 else given[0]
                pixels = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
                inputs = pixels if command.what == "g" or scale == 1.0 else (pixels * np.float32(scale))
                scores = again(inputs)
                wrong += int(np.count_nonzero(answers_of(scores) != wanted))
                if command.what == "shrunk":
                    difference = max(difference, float(np.abs(scores - plain([inputs])[0]).max()))
            images[name] = images.get(name, 0) + data.images
    if wrong:
        what = "G" if command.what == "g" else "the network it was made of"
        raise Refused(
            f"Not written: of {sum(images.values()):,} images {wrong:,} are answered otherwise than by {what}."
        )
    return images, difference


def answers_of(scores: np.ndarray) -> np.ndarray:
    """The class for each row of scores; of one sigmoid whether it is above 0.5."""
    found: np.ndarray = (scores[:, 0] > 0.5).astype("int64") if scores.shape[1] == 1 else scores.argmax(axis=1)
    return found

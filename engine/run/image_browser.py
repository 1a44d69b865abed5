"""Test images for the eye, picked by how B, B' and G answer them. Looking changes nothing of a run."""

from collections.abc import Callable

import numpy as np

from engine.api.errors import Refused
from engine.api.protocol import (
    DETECTORS,
    Detected,
    DetectorName,
    ImageFilter,
    ImagePair,
    Images,
    Picture,
    SetName,
    ShowImages,
)
from engine.network.g_answers import g_answers
from engine.run.run import Run
from engine.run.sample import flagged, flagged_by
from engine.run.tuning_files import kept_epoch
from engine.sandbox.data_set import Dataset

LARGEST = 96  # pixels a side: more than any terminal shows


CAUGHT_BY: dict[str, DetectorName] = {f"caught by {name}": name for name in DETECTORS}


def passing(run: Run, b_prime: np.ndarray, wanted: ImageFilter, detected: Detected | None = None) -> np.ndarray:
    """Indices of the test images that pass a filter, as `b_prime` answers; clean and poisoned twins share an index."""
    if wanted in CAUGHT_BY:
        return flagged(detected, CAUGHT_BY[wanted], sizes_of(run), "poisoned") if detected else np.arange(0)
    rows, labels = run.inputs.rows, {name: data.labels for name, data in run.inputs.sets.items()}
    b = run.b_answers
    g = g_answers(b, b_prime, run.inputs.classes)
    tests: dict[ImageFilter, tuple[SetName, Callable[[slice, np.ndarray], np.ndarray]]] = {
        "wrong": ("test", lambda at, label: b_prime[at] != label),
        "false alarm": ("test", lambda at, _: g[at] == run.inputs.classes),
        "attack works": ("poisoned", lambda at, label: b_prime[at] == label),
        "caught": ("poisoned", lambda at, _: g[at] == run.inputs.classes),
    }
    if wanted == "all":
        sizes = [run.inputs.sets[name].images for name in ("test", "poisoned") if name in rows]
        return np.arange(max(sizes, default=0))
    name, test = tests[wanted]
    return np.flatnonzero(test(rows[name], labels[name])) if name in rows else np.arange(0)


def sizes_of(run: Run) -> dict[SetName, int]:
    return {name: data.images for name, data in run.inputs.sets.items()}


def images(run: Run, command: ShowImages, detected: Detected | None = None) -> Images:
    """The images that a front end asked for, clean and poisoned side by side; what detectors answered, if they did.

    Answers are those of B' at the playhead; or of the command's epoch of a tuning. Raises Refused where that is gone.
    """
    step = run.session.playhead
    b_prime = run.session.answers[run.session.key(step)]
    if command.tuning is not None:
        kept = kept_epoch(run, command.tuning, command.epoch or 0)
        if kept is None:
            raise Refused(f"tuning {command.tuning}: the answers of epoch {command.epoch} are gone from the run.")
        b_prime = kept[1]
    found = passing(run, b_prime, command.filter, detected)
    chosen = found[command.offset : command.offset + min(command.count, 24)]
    pairs = tuple(
        ImagePair(
            index,
            picture(run, "test", index, b_prime, detected),
            picture(run, "poisoned", index, b_prime, detected),
        )
        for index in chosen.tolist()
    )
    _, height, width = next(iter(run.inputs.sets.values())).shape
    shrink = shrinking(height, width)
    shape = (-(-height // shrink), -(-width // shrink))
    return Images(command.filter, step, command.offset, len(found), *shape, pairs, command.tuning, command.epoch)


def picture(
    run: Run, name: SetName, index: int, answers: np.ndarray, detected: Detected | None = None
) -> Picture | None:
    data = run.inputs.sets.get(name)
    if data is None or index >= data.images:
        return None
    row = run.inputs.rows[name].start + index
    b, b_prime = int(run.b_answers[row]), int(answers[row])
    g = b if b == b_prime else run.inputs.classes
    by = flagged_by(detected, sizes_of(run), name, index) if detected else None
    return Picture(rgb(data, index), int(data.labels[index]), b, b_prime, g, by)


def rgb(data: Dataset, index: int) -> bytes:
    """An image as height x width x 3 bytes, at most LARGEST a side; grey where it has no three colours."""
    pixels = data.image(index)
    _, height, width = pixels.shape
    shrink = shrinking(height, width)
    pixels = pixels[:3, ::shrink, ::shrink] if len(pixels) >= 3 else np.repeat(pixels[:1, ::shrink, ::shrink], 3, 0)
    full = 255.0 if pixels.min() < 0 or pixels.max() > 1.0 else 1.0
    return np.clip(np.rint(pixels * (255.0 / full)), 0, 255).astype("uint8").transpose(1, 2, 0).tobytes()


def shrinking(height: int, width: int) -> int:
    """Every how many pixels one is shown."""
    return -(-max(height, width) // LARGEST)

"""A lab folder small enough to be run hundreds of times, made without Keras; and what a finished run leaves."""

import math
import shutil
from pathlib import Path

import numpy as np

from engine.api import journal
from engine.api.protocol import Finished, Stepped
from tests.support.model_files import CLASSES, IMAGE, layer, model_config, write_data, write_h5

CHANNELS = 24
IMAGES = {"cl/valid": 200, "cl/test": 150, "bd/bd_valid": 200, "bd/bd_test": 150}
SUFFIXES = (".h5", ".csv", ".png", ".md", ".tex", ".json", ".jsonl")  # of a run's files
SAME = ("curve.csv", "curve.png", "results.csv", "report.md", "results.tex")  # byte for byte, with B' and g_prune_*.h5
KEPT = ("answers.bin", "engine.log", ".lab3.lock")  # in a run folder, beside its results
Files = dict[str, bytes]


def make_lab(folder: Path) -> Path:
    """The lab's own layout: clean images are labelled with what B answers, or one in ten with something else."""
    rng = np.random.default_rng(11)
    shapes = {
        "conv_1": {"kernel": (3, 3, 3, CHANNELS), "bias": (CHANNELS,)},
        "output": {"kernel": (CHANNELS, CLASSES), "bias": (CLASSES,)},
    }
    weights = {
        name: [(word, rng.normal(0, 1 / math.prod(shape), shape).astype("float32")) for word, shape in held.items()]
        for name, held in shapes.items()
    }
    kernel, bias, out, shift = (array for held in weights.values() for _, array in held)
    shift -= features(some_images(rng, 500), kernel, bias).mean(axis=0) @ out  # so that every class is answered
    for part in ("models", "data/cl", "data/bd"):
        (folder / part).mkdir(parents=True)
    net = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=CHANNELS, kernel_size=[3, 3], activation="relu"),
        layer("GlobalAveragePooling2D", "pool_1", ["conv_1"]),
        layer("Dense", "output", ["pool_1"], units=CLASSES, activation="softmax"),
    )
    write_h5(folder / "models/bd_net.h5", net, weights)
    for name, count in IMAGES.items():
        images = some_images(rng, count)
        labels = (features(images, kernel, bias) @ out + shift).argmax(axis=1)
        labels[::10] = rng.integers(0, CLASSES, len(labels[::10]))
        poisoned = name.startswith("bd")
        write_data(folder / f"data/{name}.h5", images, np.zeros(count) if poisoned else labels.astype("float64"))
    return folder


def some_images(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise, stored as the lab stores images: (count, C, H, W)."""
    return rng.integers(0, 256, (count, IMAGE[2], IMAGE[0], IMAGE[1])).astype("float32")


def features(images: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What the network's convolution and pooling make of images (n, C, H, W): (n, channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(2, 3))
    found: np.ndarray = np.maximum(np.einsum("nchwyx,yxck->nhwk", windows, kernel) + bias, 0).mean(axis=(1, 2))
    return found


def clear(lab: Path) -> None:
    """The lab as it was before any run."""
    shutil.rmtree(lab / "runs", ignore_errors=True)
    for path in (lab / "models").iterdir():
        if path.name != "bd_net.h5":
            path.unlink()


def newest_run(lab: Path) -> Path | None:
    """The run folder that has a journal."""
    folders = [each.folder for each in journal.all_runs(lab / "runs")]
    return Path(folders[0]) if folders else None


def finished(lab: Path) -> bool:
    run = newest_run(lab)
    return run is not None and any(isinstance(event, Finished) for event in journal.read(run))


def results(lab: Path) -> Files:
    """What has to be the same after any number of interruptions, by name."""
    run = newest_run(lab)
    assert run is not None
    paths = [*(lab / "models").glob("*.h5"), *run.glob("g_*.h5"), *(run / name for name in SAME)]
    return {path.name: path.read_bytes() for path in paths}


def leftovers(lab: Path) -> list[Path]:
    """Files that an interrupted write left: never under a name that anybody would take for a result."""
    return [path for folder in ("models", "runs") for path in (lab / folder).rglob(".*.part")]


def losses(lab: Path, expected: Files) -> list[str]:
    """What a finished run lacks, or holds twice, or has otherwise than one that nobody disturbed."""
    run = newest_run(lab)
    if run is None or not finished(lab):
        return ["the run is not finished"]
    found, events = results(lab), journal.read(run)
    steps = [event.step for event in events if isinstance(event, Stepped)]
    wrong = [f"{name} differs" for name in sorted(found.keys() | expected) if found.get(name) != expected.get(name)]
    if steps != list(range(CHANNELS + 1)):
        wrong.append(f"the journal tells of the steps {steps}")
    if len(events) != (run / journal.NAME).read_bytes().count(b"\n"):
        wrong.append("the journal holds lines that nobody can read")
    strangers = [
        path for path in run.iterdir() if path.suffix not in (".h5", ".csv", ".png", ".md", ".tex", ".json", ".jsonl")
    ]
    wrong += [f"{path.name} is left" for path in strangers if path.name not in KEPT and path not in leftovers(lab)]
    return wrong

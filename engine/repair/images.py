"""Validation images in memory, for a network that is tuned as a whole: they are drawn in another order every epoch."""

import os
import tempfile
from pathlib import Path

import numpy as np

from engine.api.errors import NotWritten
from engine.api.escape import escape
from engine.api.progress import Check
from engine.sandbox.data_set import Dataset

BATCH = 256


def held_images(data: Dataset, budget: int, folder: Path, check: Check) -> np.ndarray:
    """All images (n, C, H, W): uint8 where every pixel is a whole number 0..255, else float32.

    Where they take more than `budget` bytes, in a nameless file in `folder`. Raises NotWritten.
    """
    whole = all(whole_numbers(batch, check) for batch in data.batches(BATCH))
    images = room((data.images, *data.shape), np.dtype("uint8" if whole else "float32"), budget, folder)
    start = 0
    for batch in data.batches(BATCH):
        check()
        images[start : start + len(batch)] = batch
        start += len(batch)
    return images


def whole_numbers(batch: np.ndarray, check: Check) -> bool:
    check()
    return bool(batch.min() >= 0 and batch.max() <= 255 and (batch == np.rint(batch)).all())


def room(
    shape: tuple[int, ...], kind: "np.dtype[np.uint8] | np.dtype[np.float32]", budget: int, folder: Path
) -> np.ndarray:
    size = int(np.prod(shape)) * kind.itemsize
    if size <= budget:
        return np.empty(shape, kind)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a disk that is full later would end this process by SIGBUS
            return np.memmap(file, kind, "r+", 0, shape)
    except OSError as error:
        raise NotWritten(
            f"Could not keep the images in {escape(str(folder))}: {error.strerror} (needs {size / 1e6:.0f} MB). "
            "Free space, or hold more of them in memory with --feature-memory."
        ) from error

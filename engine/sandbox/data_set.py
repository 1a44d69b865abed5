"""Data files: checked by the inspector, then streamed as float32 batches straight from the file's bytes."""

import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np

from engine.architecture.description import DataSpec
from engine.data_files.images import pixel_line
from engine.file_safety.open_source import HDF5_ENDINGS, Source, misnamed, open_source
from engine.file_safety.refusal import FileRefused, refused
from engine.sandbox.client import sandbox
from engine.sandbox.pixels import DecodedPixels, Pixels, PlainPixels
from engine.sandbox.verify import verify_data

_lone = [object()]
UNHELD = sys.getrefcount(_lone[0])  # of an object that only a list refers to
STEP = 2**16  # numbers read, converted and checked at a time


class Dataset:
    """Images and labels of one file.

    `images`: how many; `labels`: int64 (N,); `shape`: (C,H,W); `dtype`: as stored; `notes`: what a user should know.
    Several threads may read at once.
    """

    def __init__(self, source: Source, pixels: Pixels, spec: DataSpec, labels: np.ndarray) -> None:
        self.source, self.path = source, source.path
        self.labels = labels
        self.images, *shape = spec.shape
        self.shape = (shape[0], shape[1], shape[2])
        self.dtype = np.dtype(spec.dtype).name
        self.notes = spec.notes + misnamed(source.path, HDF5_ENDINGS, "is HDF5") + source.notes
        self._pixels = pixels
        self._reading = Lock()  # numbers pass through one buffer, or come back over one socket

    def close(self) -> None:
        """Let go of the file."""
        self._pixels.close()
        self.source.close()

    def batches(self, size: int, start: int = 0) -> Iterator[np.ndarray]:
        """Images from `start` on, float32 (n,C,H,W), `size` at a time.

        A batch that nobody holds any more when the next is asked for is overwritten by it. Raises Refused for a
        pixel that is no finite number, and where somebody has written into the file.
        """
        pool: list[np.ndarray] = []
        for first in range(start, self.images, size):
            count = min(size, self.images - first)
            batch = _free(pool, (size, *self.shape))[:count]
            self._fill(batch.reshape(-1), first)
            yield batch
            del batch

    def image(self, index: int) -> np.ndarray:
        """One image, float32 (C,H,W)."""
        if not 0 <= index < self.images:
            raise IndexError(index)
        result = np.empty(self.shape, np.float32)
        self._fill(result.reshape(-1), index)
        return result

    def _fill(self, out: np.ndarray, first: int) -> None:
        """Put images from `first` on into `out`, block by block, checking each while the cache holds it."""
        each = prod(self.shape)
        for place in range(0, len(out), STEP):
            part = out[place : place + STEP]
            with self._reading:
                self._pixels.fill(part, first * each + place)
            if not (np.isfinite(part.min()) and np.isfinite(part.max())):
                where = int(np.argmin(np.isfinite(part)))
                raise refused(self.path, pixel_line(first + (place + where) // each, float(part[where])))
        self.source.refuse_changed()


def _free(pool: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """A buffer of the pool that nobody else holds, or a new one."""
    for index in range(len(pool)):
        if sys.getrefcount(pool[index]) == UNHELD:
            return pool[index]
    pool.append(np.empty(shape, np.float32))
    return pool[-1]


def open_dataset(file: Path | Source, shape: tuple[int, int, int] | None, classes: int | None) -> Dataset:
    """The images and labels of a data file. Raises Refused.

    `shape`: height, width and channels that the model takes; `classes`: how many it knows; None: any.
    """
    source = file if isinstance(file, Source) else open_source(file)
    try:
        report, arrays = sandbox.ask(source.path, source.descriptor, job="data", shape=shape, classes=classes)
        spec, labels = verify_data(report.data, arrays, source.descriptor, shape, classes)
    except FileRefused as finding:
        raise refused(source.path, str(finding)) from None
    pixels = PlainPixels if spec.offset is not None else DecodedPixels
    return Dataset(source, pixels(source.path, source.descriptor, spec), spec, labels)

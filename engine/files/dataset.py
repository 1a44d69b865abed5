"""Data files: checked by the inspector, then streamed as float32 batches straight from the file's bytes."""

import os
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from engine.files.description import DataSpec
from engine.files.finding import refused
from engine.files.images import pixel_line
from engine.files.source import open_source
from engine.files.warden import warden

_lone = [object()]
UNHELD = sys.getrefcount(_lone[0])  # of an object that only a list refers to
BLOCK = 2**18  # bytes converted at a time: they stay in the processor's cache


class Dataset:
    """Images and labels of one file.

    `images`: how many; `labels`: int64 (N,); `shape`: (C,H,W); `dtype`: as stored; `notes`: what a user should know.
    """

    def __init__(self, path: Path, descriptor: int, spec: DataSpec, labels: np.ndarray) -> None:
        self.path = path
        self.labels = labels
        self.images, *shape = spec.shape
        self.shape = (shape[0], shape[1], shape[2])
        self.dtype = np.dtype(spec.dtype).name
        self.notes = spec.notes
        self._stored = np.dtype(spec.dtype)
        self._offset = spec.offset
        self._descriptor = descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def batches(self, size: int, start: int = 0) -> Iterator[np.ndarray]:
        """Images from `start` on, float32 (n,C,H,W), `size` at a time.

        A batch that nobody holds any more when the next is asked for is overwritten by it. Raises Refused for a
        pixel that is no finite number, and where the file has become shorter.
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
        """Read images from `first` on into `out`, block by block, and check them."""
        assert self._offset is not None
        each, width = prod(self.shape), self._stored.itemsize
        plain = self._stored == np.dtype("<f4")
        step = BLOCK // width
        raw = np.empty(step, self._stored)
        for place in range(0, len(out), step):
            part = out[place : place + step]
            target = part if plain else raw[: len(part)]
            self._read(target, self._offset + (first * each + place) * width)
            if not plain:
                with np.errstate(over="ignore"):
                    np.copyto(part, target, casting="unsafe")
            if not np.isfinite(part.min()) or not np.isfinite(part.max()):
                where = int(np.argmin(np.isfinite(part)))
                raise refused(self.path, pixel_line(first + (place + where) // each, float(part[where])))

    def _read(self, target: np.ndarray, offset: int) -> None:
        view = memoryview(target.data).cast("B")
        while view:
            got = os.preadv(self._descriptor, [view], offset)
            if got <= 0:
                raise refused(self.path, "became shorter while it was read. Copy or download it again.")
            view, offset = view[got:], offset + got


def _free(pool: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """A buffer of the pool that nobody else holds, or a new one."""
    for index in range(len(pool)):
        if sys.getrefcount(pool[index]) == UNHELD:
            return pool[index]
    pool.append(np.empty(shape, np.float32))
    return pool[-1]


def open_dataset(path: Path, shape: tuple[int, int, int] | None, classes: int | None) -> Dataset:
    """The images and labels of a data file. Raises Refused.

    `shape`: height, width and channels that the model takes; `classes`: how many it knows; None: any.
    """
    descriptor = open_source(path)
    try:
        report, arrays = warden.ask(path, descriptor, job="data", shape=shape, classes=classes)
        assert report.data is not None
        (labels,) = arrays
        return Dataset(path, descriptor, report.data, labels)
    except BaseException:
        os.close(descriptor)
        raise

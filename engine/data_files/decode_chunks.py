"""The inspector's part for images in chunks: decode them on request, behind bars, one block of chunks at a time."""

import os
import signal
from collections.abc import Iterator
from math import prod

import h5py
import numpy as np

from engine.data_files.images import open_images
from engine.file_safety.limits import MIB, WALL_SECONDS
from engine.file_safety.storage import refuse_torn

BLOCK_BYTES = 128 * MIB  # of decoded images held


def decode(descriptor: int, channel: int) -> None:
    """Answer requests on a socket (two int64: first number, how many) with float32 numbers, until it is closed.

    Each is answered within the time that a file may take; nothing limits the time between them.
    """
    images = open_images(descriptor, None).images
    reader = _Blocks(images)
    while len(request := os.read(channel, 16)) == 16:
        first, count = np.frombuffer(request, np.int64).tolist()
        signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
        for piece in reader.pieces(first, count):
            view = memoryview(piece.data).cast("B")
            while view:
                view = view[os.write(channel, view) :]
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Blocks:
    """Whole rows of chunks, decoded once as long as requests come in order."""

    def __init__(self, images: h5py.Dataset) -> None:
        self._images = images
        self._each = prod(images.shape[1:])
        most = max(1, BLOCK_BYTES // (self._each * max(4, images.dtype.itemsize)))
        chunk = images.chunks[0] if images.chunks else 1
        self._rows = min(most, chunk * max(1, 256 // chunk))
        self._start = -1
        self._block = np.empty(0, np.float32)

    def pieces(self, first: int, count: int) -> Iterator[np.ndarray]:
        """`count` numbers from `first` on, as flat arrays."""
        end = first + count
        if not 0 <= first <= end <= self._images.size:
            raise ValueError("asked for numbers that are not there")
        while first < end:
            start = first // self._each // self._rows * self._rows
            if start != self._start:
                self._load(start)
            base = start * self._each
            piece = self._block[first - base : end - base]
            yield piece
            first += len(piece)

    def _load(self, start: int) -> None:
        refuse_torn(self._images, start, start + self._rows)
        rows = self._images[start : start + self._rows]
        with np.errstate(over="ignore"):
            self._block = np.ascontiguousarray(rows, np.float32).reshape(-1)
        self._start = start

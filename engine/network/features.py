"""The features of every image, computed once and kept by channel, in memory or in a file.

An image's answer after pruning depends on the image only through the tensors that cross the cut (`network.Cut`), so
the convolutions below the cut run once for each image.
"""

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import numpy as np

from engine.api.errors import NotWritten
from engine.api.escape import escape
from engine.network.build import Cut, Network, wire
from engine.network.model_runner import Forward
from engine.network.pipeline import map_threaded

SCALES = {"1": 1.0, "1/255": 1 / 255}  # what --scale multiplies the pixels with


def with_pixels(network: Network, scale: float) -> tuple[Any, Any]:
    """Images as the lab stores them (n, C, H, W), and the pixels (n, H, W, C) times `scale` that the network takes."""
    height, width, colours = network.model.input.shape[1:]
    images = keras.Input((colours, height, width))
    pixels = keras.layers.Permute((2, 3, 1))(images)
    return images, pixels if scale == 1.0 else keras.layers.Rescaling(scale)(pixels)


def features_model(network: Network, at: Cut, scale: float) -> Any:
    """A model from images (n, C, H, W) to the feature (n, channels, positions) and what else crosses the cut."""
    images, pixels = with_pixels(network, scale)
    tensors = wire(network.spec, network.layers, {network.spec.layers[0].name: pixels}, at.crossing)
    by_position = keras.layers.Reshape((-1, at.base.shape[-1]))(tensors[at.feature])
    others = [tensors[name] for name in at.crossing[1:]]
    return keras.Model([images], [keras.layers.Permute((2, 1))(by_position), *others])


class FeatureStore:
    """Features of `images` images: `values` (channels, images, positions), `others` (images, ..) each, float32.

    A channel's pages are touched only where it is active, so dormant channels take no memory. `active` (channels,
    images) tells where a channel differs from `base` (channels, positions), what a pruned channel holds.
    """

    def __init__(self, images: int, at: Cut, others: list[tuple[int, ...]], budget: int, folder: Path) -> None:
        self.base = np.ascontiguousarray(at.base.reshape(-1, at.base.shape[-1]).T)
        channels, positions = self.base.shape
        shapes = [(channels, images, positions), *((images, *shape) for shape in others)]
        self.mapped = 4 * sum(int(np.prod(shape)) for shape in shapes) > budget
        self.maps: list[mmap.mmap] = []
        self.values, *self.others = [self.allocate(shape, folder) for shape in shapes]
        self.active = np.zeros((channels, images), bool)

    def put(self, start: int, outputs: list[np.ndarray]) -> None:
        """Keep one batch of outputs of `features_model`, for the images from `start` on."""
        found, others = outputs[0].transpose(1, 0, 2), outputs[1:]
        rows = slice(start, start + found.shape[1])
        self.active[:, rows] = (found != self.base[:, None]).any(axis=2)
        for channel in np.flatnonzero(self.active[:, rows].any(axis=1) | self.base.any(axis=1)):
            self.values[channel, rows] = found[channel]
            self.release(self.values[channel, rows])
        for kept, new in zip(self.others, others, strict=True):
            kept[rows] = new
            self.release(kept[rows])

    def take(self, part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Some images of what is kept: of a channel's values, or of another array."""
        found: np.ndarray = part[rows]
        self.release(part)
        return found

    def release(self, part: np.ndarray) -> None:
        """Let go of the memory that one piece of mapped features took; it stays in its file."""
        for held, whole in zip(self.maps, (self.values, *self.others), strict=False):
            first = part.ctypes.data - whole.ctypes.data
            if 0 <= first < whole.nbytes:
                aligned = first - first % mmap.PAGESIZE
                held.madvise(mmap.MADV_DONTNEED, aligned, first + part.nbytes - aligned)

    def allocate(self, shape: tuple[int, ...], folder: Path) -> np.ndarray:
        """Zeros that take no memory before they are written: anonymous, or in a nameless file in `folder`."""
        if not self.mapped:
            return np.zeros(shape, "float32")
        size = 4 * int(np.prod(shape))
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a disk that is full later would end this process by SIGBUS
                self.maps.append(mmap.mmap(file.fileno(), 0))
        except OSError as error:
            raise NotWritten(
                f"Could not keep the features in {escape(str(folder))}: {error.strerror} (needs {size / 1e6:.0f} MB). "
                "Free space, or hold more of them in memory with --feature-memory."
            ) from error
        return np.frombuffer(self.maps[-1], "float32").reshape(shape)


def compute(
    store: FeatureStore, forward: Forward, batches: Iterator[np.ndarray], start: int, progress: Callable[[int], None]
) -> None:
    """Fill `store` from image `start` on; `batches` hold images (n, C, H, W). `progress` hears how many are done."""

    def keep(batch: np.ndarray, first: int) -> int:
        store.put(first, forward([batch]))
        return first + len(batch)

    with closing(map_threaded(lambda each: keep(*each), placed(batches, start), forward.threads)) as ends:
        for end in ends:
            progress(end - start)


def placed(batches: Iterator[np.ndarray], start: int) -> Iterator[tuple[np.ndarray, int]]:
    """Each batch with the number of its first image."""
    for batch in batches:
        count = len(batch)
        yield batch, start
        start += count

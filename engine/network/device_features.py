"""Features that stay on the device: every image's, in chunks of one size, so that a step is compiled once.

A chunk holds what crosses the cut for so many images, as Keras lays it out: images first, channels last. The data sets
lie one behind the other, each from a multiple of `batch` on; the places between them hold what is nobody's, and
nothing is read from there.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from threading import Lock
from typing import Any

import keras
import numpy as np

from engine.network import device
from engine.network.build import Cut, Network, wire
from engine.network.device import Tensor
from engine.network.features import with_pixels

CHUNK_BYTES = 2**28  # for what a chunk is on its way through a model, each layer's output counted
MOST_IMAGES = 2**14  # of a chunk: more win nothing, and a pause waits for one
KEPT_CHUNKS = 2  # on the host, for those who read features there


def crossing_model(network: Network, at: Cut, scale: float) -> Any:
    """A model from images (n, C, H, W) to the tensors that cross the cut (n, ..), the feature (.., channels) first."""
    images, pixels = with_pixels(network, scale)
    tensors = wire(network.spec, network.layers, {network.spec.layers[0].name: pixels}, at.crossing)
    return keras.Model([images], [tensors[name] for name in at.crossing])


def fitting(model: Any, images: int, wanted: int | None = None) -> int:
    """How many images to take at once: a power of two, as CHUNK_BYTES have room for; `images` need no more.

    `wanted`: at most so many.
    """
    numbers = sum(int(prod(layer.output.shape[1:])) for layer in model.layers)
    most = min(MOST_IMAGES, max(1, CHUNK_BYTES // (4 * numbers)), wanted or MOST_IMAGES)
    return min(1 << (most.bit_length() - 1), 1 << (max(1, images) - 1).bit_length())


class DeviceFeatures:
    """What crosses the cut, on the device: `chunks` of `rows` images each, a tensor (rows, ..) for each that crosses.

    `shapes`: of what crosses, for one image. `sizes`: images of each data set. `active` (channels, images), on the
    host, tells where a channel differs from `base` (channels, positions), what a pruned channel holds. `slots`
    (images,) tells in which row of all chunks an image lies.
    """

    def __init__(self, at: Cut, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int], batch: int, rows: int) -> None:
        self.shapes, self.batch, self.rows = shapes, batch, rows
        channels = at.base.shape[-1]
        self.base = np.ascontiguousarray(at.base.reshape(-1, channels).T)
        self.device_base = device.put(np.ascontiguousarray(at.base, "float32"))
        self.active = np.zeros((channels, sum(sizes)), bool)
        batches = [-(-size // batch) for size in sizes]
        starts = np.cumsum([0, *batches])[:-1] * batch
        self.slots = np.concatenate([start + np.arange(size) for start, size in zip(starts, sizes, strict=True)])
        self.each = self.rows // batch  # batches in a chunk
        self.parts: list[list[list[Tensor] | None]] = [[None] * self.each for _ in range(-(-sum(batches) // self.each))]
        self.chunks: list[list[Tensor]] = [[] for _ in self.parts]
        self.filling = Lock()
        self.join = device.compiled(lambda _, *parts: keras.ops.concatenate(parts))
        self.one = device.compiled(lambda _, channel, feature: keras.ops.take(feature, channel, axis=-1))
        self.fetched: dict[int, list[np.ndarray]] = {}

    # --- filling ---

    def put(self, start: int, count: int, tensors: Sequence[Tensor], active: np.ndarray) -> None:
        """Keep the `count` images from `start` on, in tensors (batch, ..); `active` (batch, channels)."""
        self.active[:, start : start + count] = active[:count].T
        chunk, place = divmod(int(self.slots[start]) // self.batch, self.each)
        with self.filling:
            self.parts[chunk][place] = list(tensors)
            whole = all(part is not None for part in self.parts[chunk])
        if whole:
            self.gather(chunk)

    def finish(self) -> None:
        """Fill up what no image lies in, so that all chunks have one shape."""
        for chunk, parts in enumerate(self.parts):
            if parts:
                like = next(part for part in parts if part is not None)
                self.parts[chunk] = [like if part is None else part for part in parts]
                self.gather(chunk)

    def gather(self, chunk: int) -> None:
        """Make one chunk of its batches."""
        batches = [part for part in self.parts[chunk] if part is not None]
        self.chunks[chunk] = [
            self.join(*column) if len(column) > 1 else column[0] for column in zip(*batches, strict=True)
        ]
        self.parts[chunk] = []

    # --- reading on the host ---

    def means(self, rows: slice) -> np.ndarray:
        """Mean of each channel over some images and all positions: (channels,), summed in double precision."""
        total = np.zeros(len(self.base))
        for part in self.feature_parts(rows):
            total += part.sum(axis=tuple(range(part.ndim - 1)), dtype="float64")
        found: np.ndarray = total / ((rows.stop - rows.start) * self.base.shape[1])
        asleep = ~self.active[:, rows].any(axis=1)
        found[asleep] = self.base[asleep].mean(axis=1, dtype="float64")
        return found

    def maxima(self, rows: slice) -> np.ndarray:
        """Maximum of each channel over some images and all positions: (channels,)."""
        parts = [part.reshape(-1, part.shape[-1]).max(axis=0) for part in self.feature_parts(rows)]
        found: np.ndarray = np.max(parts, axis=0).astype("float64")
        return found

    def mean_map(self, channel: int, rows: slice) -> np.ndarray:
        """Mean of a channel over some images: (positions,), summed in double precision. Only it leaves the device."""
        total = np.zeros(self.base.shape[1])
        for chunk, places in self.places(rows):
            values = device.fetch(self.one(device.number(channel), self.chunks[chunk][0]))
            total += values[places].reshape(len(places), -1).sum(axis=0, dtype="float64")
        found: np.ndarray = total / (rows.stop - rows.start)
        return found

    def images(self, rows: np.ndarray) -> np.ndarray:
        """The feature of some images: (rows, channels, positions)."""
        found = self.gathered(0, rows).reshape(len(rows), -1, len(self.base))  # (rows, positions, channels)
        by_channel: np.ndarray = found.transpose(0, 2, 1)
        return by_channel

    def crossing(self, rows: np.ndarray) -> list[np.ndarray]:
        """What else crosses the cut, of some images: (rows, ..) each."""
        return [self.gathered(index, rows) for index in range(1, len(self.shapes))]

    def gathered(self, index: int, rows: np.ndarray) -> np.ndarray:
        slots = self.slots[rows]
        chunks = slots // self.rows
        found = np.empty((len(rows), *self.shapes[index]), "float32")
        for chunk in np.unique(chunks).tolist():
            here = chunks == chunk
            found[here] = self.on_host(chunk)[index][slots[here] % self.rows]
        return found

    def on_host(self, chunk: int) -> list[np.ndarray]:
        """A chunk's tensors, copied to the host; the latest stay there."""
        with self.filling:
            if chunk not in self.fetched:
                while len(self.fetched) >= KEPT_CHUNKS:
                    del self.fetched[next(iter(self.fetched))]
                self.fetched[chunk] = [device.fetch(tensor) for tensor in self.chunks[chunk]]
            return self.fetched[chunk]

    def feature_parts(self, rows: slice) -> Iterator[np.ndarray]:
        """The feature of some images, chunk by chunk: (n, .., channels)."""
        for chunk, places in self.places(rows):
            yield device.fetch(self.chunks[chunk][0])[places]

    def places(self, rows: slice) -> Iterator[tuple[int, np.ndarray]]:
        """The chunks in which some images lie, and their rows in each."""
        slots = self.slots[rows]
        chunks = slots // self.rows
        for chunk in np.unique(chunks).tolist():
            yield chunk, slots[chunks == chunk] % self.rows


def features_call(model: Any) -> Callable[..., list[Tensor]]:
    """From the base (.., channels) and images (n, C, H, W) of any type of numbers to what is kept of them.

    `model` is the `crossing_model`. First comes for each channel whether it differs from the base, bool (n, channels),
    then all that crosses the cut.
    """

    def computed(call: device.Call, base: Tensor, images: Tensor) -> list[Tensor]:
        found = call([keras.ops.cast(images, "float32")])
        tensors = list(found) if isinstance(found, list | tuple) else [found]
        space = tuple(range(1, len(tensors[0].shape) - 1))
        differs = keras.ops.not_equal(tensors[0], base)
        return [keras.ops.any(differs, axis=space) if space else differs, *tensors]

    return device.compiled(computed, model)

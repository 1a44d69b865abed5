"""From images to features on the device: read, sent and computed beside each other."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from engine.network import backend, device
from engine.network.build import Cut, Network
from engine.network.device_features import DeviceFeatures, crossing_model, features_call, fitting
from engine.network.device_tail import DeviceTail, tail_model
from engine.network.pipeline import prefetch

STORE = "LAB3_FEATURES"  # "device" or "host": where features lie; else on the device where that is a card
NO_ROOM = "The card has no room for the features of all images: they stay with the host. The numbers are the same."


@dataclass(frozen=True)
class SetOfImages:
    """The images of a data set, (n, C, H, W) in batches of a size. What `begin` returns hears how many are done."""

    count: int
    batches: Callable[[int], Iterator[np.ndarray]]
    begin: Callable[[], Callable[[int], None]]


def wanted() -> bool:
    """Whether features are to lie on the device."""
    chosen = os.environ.get(STORE, "")
    return chosen == "device" or (chosen != "host" and backend.device_name() != "CPU")


def device_tail(
    network: Network,
    at: Cut,
    scale: float,
    sets: Sequence[SetOfImages],
    halved: Callable[[int], None],
    most: int | None = None,
) -> DeviceTail | None:
    """The network's tail, with the features of all `sets` on the device; None where it has no room for them.

    `most`: images that are taken at once at most. What a step calls is compiled while the images are read.
    """
    crossing = crossing_model(network, at, scale)
    shapes = [tuple(tensor.shape[1:]) for tensor in crossing.outputs]
    tail = tail_model(network, at, shapes)
    sizes = [each.count for each in sets]
    batch = fitting(crossing, max(sizes), most)
    rows = max(batch, fitting(tail, sum(sizes), most))
    if not room(sum(-(-size // batch) * batch for size in sizes) + rows, shapes):
        return None
    try:
        store = DeviceFeatures(at, shapes, sizes, batch, rows)
        found = DeviceTail(network, at, tail, store, halved)
        with ThreadPoolExecutor(1, "compile") as pool:
            compiled = pool.submit(found.warm_up)
            fill(store, features_call(crossing), sets)
            compiled.result()
    except Exception as error:
        if not backend.out_of_memory(error):
            raise
        return None
    return found


def room(images: int, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the device has room for what crosses the cut of so many images, as far as it says."""
    memory = device.memory()
    needed = 4 * images * sum(int(np.prod(shape)) for shape in shapes)
    return memory is None or memory.free is None or needed < memory.free


def fill(store: DeviceFeatures, call: Callable[..., list[device.Tensor]], sets: Sequence[SetOfImages]) -> None:
    """Compute the features of all sets, several beside each other where there are processors to read them."""
    starts = np.cumsum([0, *(each.count for each in sets)])[:-1].tolist()
    with ThreadPoolExecutor(min(len(sets), max(1, backend.processors() // 2)), "features") as pool:
        filled: list[Future[None]] = [
            pool.submit(fill_set, store, call, each, start) for each, start in zip(sets, starts, strict=True)
        ]
        try:
            for each in filled:
                each.result()
        except BaseException:
            for each in filled:
                each.cancel()
            raise
    store.finish()


def fill_set(store: DeviceFeatures, call: Callable[..., list[device.Tensor]], images: SetOfImages, start: int) -> None:
    """Compute the features of one set, whose first image is number `start` of all."""
    done, progress = 0, images.begin()
    with prefetch(smallest(images.batches(store.batch), store.batch)) as batches:
        for count, batch in batches:
            active, *tensors = call(store.device_base, device.put(batch))
            store.put(start + done, count, tensors, device.fetch(active))
            done += count
            progress(done)


def smallest(batches: Iterator[np.ndarray], rows: int) -> Iterator[tuple[int, np.ndarray]]:
    """How many images a batch has, and its pixels for the device, always so many rows.

    As bytes where all are whole numbers of 0..255: a quarter of what would be sent. Once a batch holds others, the rest
    of the set is sent as it is.
    """
    whole = True
    for batch in batches:
        pixels = as_bytes(batch) if whole else None
        whole = pixels is not None
        yield len(batch), filled_up(batch if pixels is None else pixels, rows)


def as_bytes(pixels: np.ndarray) -> np.ndarray | None:
    """Pixels as uint8, where that changes none of them."""
    with np.errstate(invalid="ignore"):
        found = pixels.astype("uint8")
    return found if np.array_equal(found, pixels) else None


def filled_up(array: np.ndarray, rows: int) -> np.ndarray:
    """`array` with rows of zeros, so that it has so many."""
    missing = rows - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array

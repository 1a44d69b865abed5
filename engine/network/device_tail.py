"""The network behind the cut on a device: a mask of channels in, the answers of whole chunks out."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from engine.api.progress import Check, Done, never_stop, untold
from engine.network import device
from engine.network.backend import no_memory, out_of_memory
from engine.network.build import Cut, Network, wire
from engine.network.device import Tensor
from engine.network.device_features import DeviceFeatures
from engine.network.graph_operations import answers

AHEAD = 2  # chunks that the device works on while the host takes the answers of one


class DeviceTail:
    """Answers of B with channels pruned, from features that lie on the device. `note` hears of smaller pieces.

    `model` is the `tail_model`. `rows`: images a call; all of a chunk, and after an out-of-memory error half as many.
    """

    def __init__(
        self, network: Network, at: Cut, model: Any, store: DeviceFeatures, note: Callable[[int], None]
    ) -> None:
        self.network, self.at, self.store, self.note = network, at, store, note
        self.rows, self.told, self.ahead = store.rows, store.rows, AHEAD
        self.calls: dict[int, Callable[..., Any]] = {}
        self.model = model

    def warm_up(self) -> None:
        """Compile what a step and a look at a channel call, on zeros in the shape of a chunk."""
        shapes = [(self.store.rows, *tensor.shape[1:]) for tensor in self.model.inputs]
        zeros = [device.put(np.zeros(shape, "float32")) for shape in shapes]
        mask = self.mask(np.zeros(len(self.store.base), bool))
        device.fetch(self.store.one(device.number(0), zeros[0]))
        while True:
            tried = self.rows
            try:
                device.fetch(self.piece(mask, zeros, 0))
                return
            except Exception as error:
                self.halve(error, tried)

    def answers(
        self,
        pruned: np.ndarray,
        rows: np.ndarray,
        check: Check = never_stop,
        done: Done = untold,
    ) -> np.ndarray:
        """Answers (rows,) of the images `rows` where the channels of the mask `pruned` are gone.

        They depend on the mask alone, not on the way to it. A chunk in which one of `rows` lies is computed as a whole.
        `check` runs before each, and may raise to stop; `done` is told how many chunks, of how many, come before it.
        """
        slots = self.store.slots[rows]
        chunks = slots // self.store.rows
        mask = self.mask(pruned)
        found = np.empty(len(rows), "uint16")
        waiting: deque[tuple[int, list[Tensor] | None]] = deque()

        def take() -> None:
            chunk, tensors = waiting.popleft()
            here = chunks == chunk
            found[here] = self.fetched(mask, chunk, tensors)[slots[here] % self.store.rows]

        wanted = np.unique(chunks).tolist()
        for number, chunk in enumerate(wanted):
            check()
            done(number, len(wanted))
            waiting.append((chunk, self.begun(mask, chunk)))
            if len(waiting) > self.ahead:
                take()
        while waiting:
            take()
        return found

    def mask(self, pruned: np.ndarray) -> Tensor:
        return device.put(np.ascontiguousarray(pruned, bool))

    def begun(self, mask: Tensor, chunk: int) -> list[Tensor] | None:
        """The answers of a chunk, on their way, in pieces of `rows`; None where the device has no memory for them."""
        size = self.rows
        try:
            return [self.piece(mask, self.store.chunks[chunk], start) for start in range(0, self.store.rows, size)]
        except Exception as error:
            self.halve(error, size)
            return None

    def fetched(self, mask: Tensor, chunk: int, tensors: list[Tensor] | None) -> np.ndarray:
        """The answers of a chunk (rows of a chunk,), which were begun as `tensors`; in smaller pieces, if need be."""
        while True:
            if tensors is not None:
                try:
                    found = np.concatenate([device.fetch(tensor) for tensor in tensors])
                except Exception as error:
                    self.halve(error, self.store.rows // len(tensors))
                else:
                    self.tell()
                    return found
            del tensors
            tensors = self.begun(mask, chunk)

    def halve(self, error: Exception, tried: int) -> None:
        """Take smaller pieces from now on, where that is what an error asks for; `tried`: images that were too many.

        Raises the error if it is another, and Refused where no memory is left for a single image.
        """
        if not out_of_memory(error):
            raise error
        if tried == 1:
            raise no_memory() from error
        self.rows, self.ahead = min(self.rows, tried // 2), 0

    def tell(self) -> None:
        """Say what fits, once it is known to."""
        if self.rows != self.told:
            self.told = self.rows
            self.note(self.rows)

    def piece(self, mask: Tensor, tensors: list[Tensor], start: int) -> Tensor:
        """Answers (self.rows,) of so many images of a chunk's tensors, from row `start` on."""
        if self.rows not in self.calls:
            self.calls[self.rows] = device.compiled(step(self.rows, self.store.rows), self.model)
        return self.calls[self.rows](device.number(start), mask, self.store.device_base, *tensors)


def step(rows: int, of: int) -> device.Function:
    """What a step computes of `rows` images in a chunk of so many: their answers (rows,)."""

    def computed(call: device.Call, start: Tensor, pruned: Tensor, base: Tensor, *tensors: Tensor) -> Tensor:
        if rows < of:
            tensors = tuple(
                keras.ops.slice(each, [start, *[0] * (len(each.shape) - 1)], [rows, *each.shape[1:]])
                for each in tensors
            )
        feature = keras.ops.where(pruned, base, tensors[0])  # (rows, .., channels)
        return keras.ops.cast(call([feature, *tensors[1:]]), "uint16")

    return computed


def tail_model(network: Network, at: Cut, shapes: Sequence[tuple[int, ...]]) -> Any:
    """From all that crosses the cut (n, ..), the feature first, to answers (n,). `shapes`: of each, for one image."""
    crossing = [keras.Input(shape) for shape in shapes]
    known = dict(zip(at.crossing, crossing, strict=True))
    scores = wire(network.spec, network.layers, known, [network.spec.output])[network.spec.output]
    return keras.Model(crossing, answers(scores))

"""The weights of every epoch on disk, with what B″ answers there, and the optimizer's numbers of the last one.

`RUN/tuning/N_E.epoch` holds the weights of epoch E of tuning N as float32 in the network's order, then the answers
as uint16; `N_E.state` the optimizer's variables. Each begins with the SHA-256 of the rest. The state of an epoch goes
once that of the next is on disk and told of, so that whatever ends the engine, one that fits is there.
"""

import os
import re
from collections.abc import Sequence
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np

from engine.api.atomic_file import sweep, write_atomically
from engine.api.errors import NotWritten
from engine.api.escape import SHORT, escape
from engine.api.safe_open import open_regular
from engine.run.run import Run

DIGEST = 32  # bytes
Layout = Sequence[tuple[tuple[int, ...], str]]  # shape and type of each array


class EpochFiles:
    """The files of one tuning. `layout`: of its weights, then of the answers."""

    def __init__(self, run: Path, number: int, layout: Layout) -> None:
        self.folder, self.number, self.layout = run / "tuning", number, layout

    def prepare(self) -> None:
        """Make the folder, and take away what a killed writer left. Raises NotWritten."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NotWritten(f"Could not make {escape(str(self.folder), SHORT)}: {reason}.", "Free space.") from error
        sweep(self.folder)

    def keep(self, epoch: int, arrays: Sequence[np.ndarray], state: Sequence[np.ndarray]) -> None:
        """Put an epoch on disk; returns when it is there. Raises NotWritten; then the epoch before stands."""
        write_atomically(self.path(epoch, "epoch"), packed(arrays), f"epoch {epoch}")
        write_atomically(self.path(epoch, "state"), packed(state), f"epoch {epoch}")

    def forget_states(self, epoch: int) -> None:
        """The optimizer's numbers of the epochs before this one are not needed any more."""
        own = re.compile(rf"{self.number}_(\d+)\.state")
        for path in self.folder.iterdir():
            found = own.fullmatch(path.name)
            if found and int(found[1]) < epoch:
                path.unlink(missing_ok=True)

    def epoch(self, epoch: int) -> list[np.ndarray] | None:
        """Weights and answers; None where they are not there as they were written."""
        return unpacked(self.path(epoch, "epoch"), self.layout)

    def state(self, epoch: int, layout: Layout) -> list[np.ndarray] | None:
        """The optimizer's numbers, in the same manner."""
        return unpacked(self.path(epoch, "state"), layout)

    def path(self, epoch: int, kind: str) -> Path:
        return self.folder / f"{self.number}_{epoch}.{kind}"


def epoch_layout(run: Run) -> Layout:
    """Of an epoch's file: the weights in the order of the network's description, then the answers."""
    return [*((weight.shape, "<f4") for weight in run.inputs.model.spec.weights), ((run.inputs.stepped,), "<u2")]


def kept_epoch(run: Run, number: int, epoch: int) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Weights and answers of an epoch; None where its file is gone or was changed."""
    found = EpochFiles(run.folder, number, epoch_layout(run)).epoch(epoch)
    return None if found is None else (found[:-1], found[-1])


def packed(arrays: Sequence[np.ndarray]) -> bytes:
    """Arrays one behind the other, behind their digest."""
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return sha256(data).digest() + data


def unpacked(path: Path, layout: Layout) -> list[np.ndarray] | None:
    """The arrays of a file; None where it is gone, has another size, or not the bytes that were written."""
    sizes = [prod(shape) * np.dtype(kind).itemsize for shape, kind in layout]
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            if os.fstat(file.fileno()).st_size != DIGEST + sum(sizes):
                return None
            data = file.read()
    except OSError:
        return None
    if len(data) != DIGEST + sum(sizes) or sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        return None
    ends = DIGEST + np.cumsum([0, *sizes])
    return [
        np.frombuffer(data, kind, prod(shape), start).reshape(shape)
        for (shape, kind), start in zip(layout, ends.tolist(), strict=False)
    ]

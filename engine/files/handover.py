"""How the inspector hands over: a JSON report, and arrays one behind the other in `.npy` form, never pickled."""

import io
import mmap
import os
from collections.abc import Iterable

import msgspec
import numpy as np

from engine.files.description import Report
from engine.files.limits import MIB

ALIGN = 64
REPORT_BYTES = 32 * MIB
PLAIN = ("<f4", "<i8")


def write_arrays(descriptor: int, arrays: Iterable[tuple[tuple[int, ...], Iterable[np.ndarray]]]) -> None:
    """Write arrays, each given as its shape and its numbers in flat pieces of one type."""
    with os.fdopen(descriptor, "wb", closefd=False) as out:
        for shape, pieces in arrays:
            for index, piece in enumerate(pieces):
                if index == 0:
                    header = {"descr": piece.dtype.str, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(out, header)
                out.write(piece.data)
            out.write(bytes(-out.tell() % ALIGN))


def read_arrays(descriptor: int) -> list[np.ndarray]:
    """The arrays, as read-only views of the file's bytes. Raises ValueError if they are not in order."""
    size = os.fstat(descriptor).st_size
    if not size:
        return []
    held = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    arrays, place = [], 0
    while place < size:
        header = io.BytesIO(held[place : place + 4096])
        if np.lib.format.read_magic(header) != (1, 0):
            raise ValueError("not the version that was written")
        shape, fortran, kind = np.lib.format.read_array_header_1_0(header)
        if kind.str not in PLAIN or fortran:
            raise ValueError("not an array that was handed over")
        place += header.tell()
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(held, kind, count, place).reshape(shape))
        place += count * kind.itemsize
        place += -place % ALIGN
    return arrays


def write_report(descriptor: int, report: Report) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as out:
        out.write(msgspec.json.encode(report))


def read_report(descriptor: int) -> Report:
    """Raises ValueError if there is none in order."""
    size = os.fstat(descriptor).st_size
    if size > REPORT_BYTES:
        raise ValueError("too long")
    return msgspec.json.decode(os.pread(descriptor, size, 0), type=Report)

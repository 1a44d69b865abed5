"""How the inspector hands over: a JSON report, and arrays one behind the other in `.npy` form, never pickled."""

import io
import mmap
import os
import sys
import tempfile
from collections.abc import Iterable
from math import prod
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np

from engine.architecture.description import Report
from engine.file_safety.limits import LAYERS, MIB

ALIGN = 64
REPORT_BYTES = 32 * MIB
MOST_ARRAYS = 8 * LAYERS
PLAIN = ("<f4", "<i8")


def scratch(name: str) -> BinaryIO:
    """A file without a name: in memory where the system has such, else on disk."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create(name), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


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
    return arrays_in(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)) if size else []


def read_arrays_in_jail(descriptor: int) -> list[np.ndarray]:
    """The same where the kernel lets no file be mapped: in the inspector."""
    held, size = bytearray(), os.fstat(descriptor).st_size
    while len(held) < size and (piece := os.pread(descriptor, size - len(held), len(held))):
        held += piece
    return arrays_in(bytes(held))


def arrays_in(held: mmap.mmap | bytes) -> list[np.ndarray]:
    """Arrays one behind the other, as views of these bytes. Raises ValueError if they are not in order."""
    arrays: list[np.ndarray] = []
    place, size = 0, len(held)
    while place < size:
        shape, kind, header = _header(held[place : place + 4096])
        place += header
        count = prod(shape)
        if len(arrays) == MOST_ARRAYS or min(shape, default=0) < 0 or count * kind.itemsize > size - place:
            raise ValueError("not what was handed over")
        arrays.append(np.frombuffer(held, kind, count, place).reshape(shape))
        place += count * kind.itemsize
        place += -place % ALIGN
    return arrays


def _header(start: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of an array, and how many bytes say so. Raises ValueError, whatever is wrong with them."""
    header = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(header)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(header)
    except Exception as error:  # NumPy takes the text for Python, and much can be wrong with that
        raise ValueError("not a header") from error
    if version != (1, 0) or kind.str not in PLAIN or fortran:
        raise ValueError("not an array that was handed over")
    return shape, kind, header.tell()


def write_report(descriptor: int, report: Report) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as out:
        out.write(msgspec.json.encode(report))


def read_report(descriptor: int) -> Report:
    """Raises ValueError if there is none in order."""
    size = os.fstat(descriptor).st_size
    if size > REPORT_BYTES:
        raise ValueError("too long")
    try:
        return msgspec.json.decode(os.pread(descriptor, size, 0), type=Report)
    except RecursionError as error:
        raise ValueError("too deep") from error

"""How an HDF5 data set is stored, checked before any of its numbers is read. Runs in the inspector only."""

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s, h5t, h5z

from engine.files.chunks import refuse_odd_filters
from engine.files.finding import Finding, quoted
from engine.files.hdf5 import reading
from engine.files.limits import CHUNK_BYTES, RANK, RATIO, SMALL, amount

FILTERS = {
    h5z.FILTER_DEFLATE: "gzip",
    h5z.FILTER_LZF: "lzf",
    h5z.FILTER_SHUFFLE: "shuffle",
    h5z.FILTER_FLETCHER32: "fletcher32",
}
NUMBERS = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}
IMAGE_TYPES = "float64, float32 or uint8"


def check_storage(name: str, data: Any, most: int, wanted: str = IMAGE_TYPES) -> h5py.Dataset:
    """That `data` is a data set of numbers, stored in its own file, of an honest size of at most `most` bytes.

    `wanted`: the types that a refusal names.
    """
    if not isinstance(data, h5py.Dataset):
        what = "a group" if isinstance(data, h5py.Group) else "the name of a type"
        raise Finding(f"{quoted(name)} is {what}, expected numbers.")
    with reading():
        plist = data.id.get_create_plist()
        if plist.get_layout() == h5d.VIRTUAL or plist.get_external_count():
            raise Finding(f"{quoted(name)} points into other files. Ask for a self-contained copy (h5repack FILE NEW).")
        for index in range(plist.get_nfilters()):
            code = plist.get_filter(index)[0]
            if code not in FILTERS:
                allowed = ", ".join(FILTERS.values())
                raise Finding(f"{quoted(name)} is compressed with filter {code}, allowed: {allowed}.")
        kind = _number_type(name, data, wanted)
        shape = _shape(name, data)
        _check_size(name, data, plist, shape, kind.itemsize, most)
        if plist.get_layout() == h5d.CHUNKED:
            refuse_odd_filters(data)
    return data


def _number_type(name: str, data: h5py.Dataset, wanted: str) -> np.dtype[Any]:
    """The type of a data set, which must use every bit of a number as NumPy does: some are read without HDF5."""
    try:
        kind: np.dtype[Any] = data.dtype
    except (TypeError, ValueError, OverflowError) as error:
        raise Finding(f"{quoted(name)} has a type that is no number.") from error
    if h5py.check_string_dtype(kind) is not None or kind.kind in "SU":
        raise Finding(f"{quoted(name)} holds text, expected numbers.")
    if kind.kind == "O":
        what = "references" if h5py.check_ref_dtype(kind) else "lists of unlike lengths"
        raise Finding(f"{quoted(name)} holds {what}, expected numbers.")
    if kind.itemsize not in NUMBERS.get(kind.kind, ()) or kind.shape or kind.metadata:
        shown = quoted(kind).strip("'")
        raise Finding(f"{quoted(name)} has type {shown}, expected {wanted}.")
    if data.id.get_type() != h5t.py_create(kind, logical=True):
        bits = 8 * data.id.get_type().get_size()
        raise Finding(f"{quoted(name)} has numbers of {bits} bits in an unusual form, expected {wanted}.")
    return kind


def _shape(name: str, data: h5py.Dataset) -> tuple[int, ...]:
    space = data.id.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        raise Finding(f"{quoted(name)} is empty.")
    if len(data.shape) > RANK:
        raise Finding(f"{quoted(name)} has {len(data.shape)} axes.")
    return tuple(data.shape)


def _check_size(name: str, data: h5py.Dataset, plist: Any, shape: tuple[int, ...], width: int, most: int) -> None:
    declared = width
    for size in shape:
        declared *= size
    if declared > most:
        raise Finding(
            f"{quoted(name)} declares shape {quoted(shape, 200).strip(chr(39))} = {amount(declared)}, "
            f"the limit is {amount(most)}."
        )
    if plist.get_layout() == h5d.CHUNKED:
        chunk = width
        for size in plist.get_chunk():
            chunk *= size
        if chunk > CHUNK_BYTES:
            fix = "x".join(map(str, (64, *shape[1:]))) if len(shape) > 1 else "65536"
            raise Finding(
                f"uses chunks of {amount(chunk)}, the limit is {amount(CHUNK_BYTES)}. "
                f"Convert with: h5repack -l CHUNK={fix} FILE NEW"
            )
    stored = data.id.get_storage_size()
    bomb = declared > stored * RATIO and (declared > SMALL or not stored)
    if bomb or (declared > stored and plist.get_layout() != h5d.CHUNKED):
        raise Finding(
            f"declares {amount(declared)} but stores {amount(stored)}: a decompression bomb or an unfinished file."
        )


def file_offset(data: h5py.Dataset) -> int | None:
    """Where in its file a data set's bytes begin, if they lie in one piece."""
    if data.id.get_create_plist().get_layout() != h5d.CONTIGUOUS or not data.size:
        return None
    offset = data.id.get_offset()  # from the file's first byte, user block included
    return None if offset is None else int(offset)

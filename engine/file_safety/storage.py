"""How an HDF5 data set is stored, checked before any of its numbers is read. Runs in the inspector only.

HDF5 does not compare what a chunk decodes to with what it should: a short one is filled up with what lies in memory,
and one that swells is given all the memory it asks for. So chunks are measured before they are decoded.
"""

import zlib
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s, h5t, h5z

from engine.file_safety.hdf5 import reading
from engine.file_safety.limits import CHUNK_BYTES, MIB, RANK, RATIO, SMALL, amount
from engine.file_safety.refusal import FileRefused, quoted

COMPRESSORS = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF)
SUM_BYTES = 4  # that fletcher32 adds
TORN = "is damaged: a chunk holds more or fewer numbers than it should. Copy or download it again."
ODD = "is compressed in a way that h5py does not use. Convert with: h5repack -f GZIP=4 FILE NEW"


def refuse_odd_filters(data: h5py.Dataset) -> None:
    """At most one compressor, and nothing but checksums behind it; one that is told the size of a chunk knows it."""
    codes = _codes(data)
    packed = [place for place, code in enumerate(codes) if code in COMPRESSORS]
    if len(packed) > 1 or (packed and h5z.FILTER_SHUFFLE in codes[packed[0] :]):
        raise FileRefused(ODD)
    if packed and codes[packed[0]] == h5z.FILTER_LZF:
        told = data.id.get_create_plist().get_filter(packed[0])[2]
        if len(told) < 3 or told[2] != _whole(data):
            raise FileRefused(ODD)


def refuse_torn(data: h5py.Dataset, start: int, stop: int) -> None:
    """Raises FileRefused where a chunk of these rows would not decode to as many bytes as it should."""
    if data.chunks is None:
        return
    codes, whole = _codes(data), _whole(data)
    ends = (min(stop, data.shape[0]), *data.shape[1:])
    starts = (start - start % data.chunks[0], *(0 for _ in data.shape[1:]))
    for place in product(*map(range, starts, ends, data.chunks)):
        with reading():
            held = data.id.get_chunk_info_by_coord(place)
            if held.byte_offset is None:  # never written: filled as the file says
                continue
            if held.size > whole + whole // 64 + 64:  # more than any compressor adds
                raise FileRefused(TORN)
            applied = [code for bit, code in enumerate(codes) if not held.filter_mask >> bit & 1]
            size = _decoded(data, place, held.size, applied, whole)
        if size != whole:
            raise FileRefused(TORN)


def _codes(data: h5py.Dataset) -> list[int]:
    plist = data.id.get_create_plist()
    return [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]


def _whole(data: h5py.Dataset) -> int:
    return int(prod(data.chunks) * data.dtype.itemsize)


def _decoded(data: h5py.Dataset, place: tuple[int, ...], size: int, applied: list[int], whole: int) -> int:
    """How many bytes a stored chunk decodes to. The filters are undone from the last to the first."""
    for code in reversed(applied):
        if code == h5z.FILTER_FLETCHER32:
            size -= SUM_BYTES
        elif code == h5z.FILTER_DEFLATE:
            size = sum(_inflated(data.id.read_direct_chunk(place)[1][: max(size, 0)], whole + SUM_BYTES))
        elif code == h5z.FILTER_LZF:
            size = _expanded(data.id.read_direct_chunk(place)[1][: max(size, 0)])
    return size


def _expanded(stored: bytes) -> int:
    """How many bytes an lzf chunk decodes to, without decoding it: pieces that stand as they are, and repetitions."""
    place = total = 0
    while place < len(stored):
        sign = stored[place]
        if sign < 32:  # the next sign + 1 bytes stand as they are
            place += sign + 2
            total += sign + 1
            continue
        length = sign >> 5
        if length == 7:
            length += stored[place + 1] if place + 1 < len(stored) else 0
            place += 1
        place += 2
        total += length + 2
    if place != len(stored):
        raise FileRefused(TORN)
    return total


def _inflated(stored: bytes, most: int) -> Iterator[int]:
    """The sizes of the pieces that a chunk inflates to, until it is clear that there are too many or too few."""
    stream = zlib.decompressobj()
    try:
        while not stream.eof and most >= 0:
            piece = stream.decompress(stored, MIB)
            stored = stream.unconsumed_tail
            if not piece and not stored and not stream.eof:
                raise FileRefused(TORN)
            most -= len(piece)
            yield len(piece)
    except zlib.error as error:
        raise FileRefused(TORN) from error


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
        raise FileRefused(f"{quoted(name)} is {what}, expected numbers.")
    with reading():
        plist = data.id.get_create_plist()
        if plist.get_layout() == h5d.VIRTUAL or plist.get_external_count():
            raise FileRefused(
                f"{quoted(name)} points into other files. Ask for a self-contained copy (h5repack FILE NEW)."
            )
        for index in range(plist.get_nfilters()):
            code = plist.get_filter(index)[0]
            if code not in FILTERS:
                allowed = ", ".join(FILTERS.values())
                raise FileRefused(f"{quoted(name)} is compressed with filter {code}, allowed: {allowed}.")
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
        raise FileRefused(f"{quoted(name)} has a type that is no number.") from error
    if h5py.check_string_dtype(kind) is not None or kind.kind in "SU":
        raise FileRefused(f"{quoted(name)} holds text, expected numbers.")
    if kind.kind == "O":
        what = "references" if h5py.check_ref_dtype(kind) else "lists of unlike lengths"
        raise FileRefused(f"{quoted(name)} holds {what}, expected numbers.")
    if kind.itemsize not in NUMBERS.get(kind.kind, ()) or kind.shape or kind.metadata:
        shown = quoted(kind).strip("'")
        raise FileRefused(f"{quoted(name)} has type {shown}, expected {wanted}.")
    if data.id.get_type() != h5t.py_create(kind, logical=True):
        bits = 8 * data.id.get_type().get_size()
        raise FileRefused(f"{quoted(name)} has numbers of {bits} bits in an unusual form, expected {wanted}.")
    return kind


def _shape(name: str, data: h5py.Dataset) -> tuple[int, ...]:
    space = data.id.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        raise FileRefused(f"{quoted(name)} is empty.")
    if len(data.shape) > RANK:
        raise FileRefused(f"{quoted(name)} has {len(data.shape)} axes.")
    return tuple(data.shape)


def _check_size(name: str, data: h5py.Dataset, plist: Any, shape: tuple[int, ...], width: int, most: int) -> None:
    declared = width
    for size in shape:
        declared *= size
    if declared > most:
        raise FileRefused(
            f"{quoted(name)} declares shape {quoted(shape, 200).strip(chr(39))} = {amount(declared)}, "
            f"the limit is {amount(most)}."
        )
    if plist.get_layout() == h5d.CHUNKED:
        chunk = width
        for size in plist.get_chunk():
            chunk *= size
        if chunk > CHUNK_BYTES:
            fix = "x".join(map(str, (64, *shape[1:]))) if len(shape) > 1 else "65536"
            raise FileRefused(
                f"uses chunks of {amount(chunk)}, the limit is {amount(CHUNK_BYTES)}. "
                f"Convert with: h5repack -l CHUNK={fix} FILE NEW"
            )
    stored = data.id.get_storage_size()
    bomb = declared > stored * RATIO and (declared > SMALL or not stored)
    if bomb or (declared > stored and plist.get_layout() != h5d.CHUNKED):
        raise FileRefused(
            f"declares {amount(declared)} but stores {amount(stored)}: a decompression bomb or an unfinished file."
        )


def file_offset(data: h5py.Dataset) -> int | None:
    """Where in its file a data set's bytes begin, if they lie in one piece."""
    if data.id.get_create_plist().get_layout() != h5d.CONTIGUOUS or not data.size:
        return None
    offset = data.id.get_offset()  # from the file's first byte, user block included
    return None if offset is None else int(offset)

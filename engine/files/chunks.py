"""Chunks of an HDF5 data set, measured before they are decoded. Runs in the inspector only.

HDF5 does not compare what a chunk decodes to with what it should: a short one is filled up with what lies in memory,
and one that swells is given all the memory it asks for.
"""

import zlib
from collections.abc import Iterator
from itertools import product
from math import prod

import h5py
from h5py import h5z

from engine.files.finding import Finding
from engine.files.hdf5 import reading
from engine.files.limits import MIB

COMPRESSORS = (h5z.FILTER_DEFLATE, h5z.FILTER_LZF)
SUM_BYTES = 4  # that fletcher32 adds
TORN = "is damaged: a chunk holds more or fewer numbers than it should. Copy or download it again."
ODD = "is compressed in a way that h5py does not use. Convert with: h5repack -f GZIP=4 FILE NEW"


def refuse_odd_filters(data: h5py.Dataset) -> None:
    """At most one compressor, and nothing but checksums behind it; one that is told the size of a chunk knows it."""
    codes = _codes(data)
    packed = [place for place, code in enumerate(codes) if code in COMPRESSORS]
    if len(packed) > 1 or (packed and h5z.FILTER_SHUFFLE in codes[packed[0] :]):
        raise Finding(ODD)
    if packed and codes[packed[0]] == h5z.FILTER_LZF:
        told = data.id.get_create_plist().get_filter(packed[0])[2]
        if len(told) < 3 or told[2] != _whole(data):
            raise Finding(ODD)


def refuse_torn(data: h5py.Dataset, start: int, stop: int) -> None:
    """Raises Finding where a chunk of these rows would not decode to as many bytes as it should."""
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
                raise Finding(TORN)
            applied = [code for bit, code in enumerate(codes) if not held.filter_mask >> bit & 1]
            size = _decoded(data, place, held.size, applied, whole)
        if size != whole:
            raise Finding(TORN)


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
        raise Finding(TORN)
    return total


def _inflated(stored: bytes, most: int) -> Iterator[int]:
    """The sizes of the pieces that a chunk inflates to, until it is clear that there are too many or too few."""
    stream = zlib.decompressobj()
    try:
        while not stream.eof and most >= 0:
            piece = stream.decompress(stored, MIB)
            stored = stream.unconsumed_tail
            if not piece and not stored and not stream.eof:
                raise Finding(TORN)
            most -= len(piece)
            yield len(piece)
    except zlib.error as error:
        raise Finding(TORN) from error

"""HDF5 without trust: known names, hard links, plain storage; every doubt is a Finding. Runs in the inspector only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o, h5s, h5z

from engine.files.finding import Finding, quoted
from engine.files.limits import ATTRIBUTE_STRINGS, CHUNK_BYTES, JSON_BYTES, RANK, RATIO, SMALL, amount

FILTERS = {
    h5z.FILTER_DEFLATE: "gzip",
    h5z.FILTER_LZF: "lzf",
    h5z.FILTER_SHUFFLE: "shuffle",
    h5z.FILTER_FLETCHER32: "fletcher32",
}
NUMBERS = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}
DAMAGED = "is damaged: HDF5 cannot open it. Copy or download it again and compare checksums."


@contextmanager
def reading() -> Iterator[None]:
    """What h5py raises on a damaged file becomes a Finding."""
    try:
        yield
    except PermissionError:  # the jail's, not the file's
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise Finding(DAMAGED) from error


def open_hdf5(file: Any, mode: Literal["r", "r+"] = "r") -> h5py.File:
    """`file`: an open binary file. Raises Finding if HDF5 cannot read it."""
    with reading():
        return h5py.File(file, mode, locking=False)


def open_descriptor(descriptor: int) -> h5py.File:
    """The same for an open file descriptor, which stays the caller's."""
    return open_hdf5(os.fdopen(descriptor, "rb", buffering=0, closefd=False))


def member_names(group: h5py.Group, most: int = 6) -> str:
    """The names of a group's first members, for people."""
    with reading():
        return ", ".join(quoted(name) for name in islice(group, most)) or "nothing"


def child(group: h5py.Group, name: str) -> Any:
    """The member `name` of a group, or None. Only hard links are followed; `name` is one step, not a path."""
    key = name.encode("utf-8", "surrogateescape")
    if not key or b"/" in key or key == b"." or b"\0" in key:
        return None
    with reading():
        if not group.id.links.exists(key):
            return None
        info = group.id.links.get_info(key)
        if info.type != h5l.TYPE_HARD:
            target = group.id.links.get_val(key)
            shown = target[0] if isinstance(target, tuple) else target
            raise Finding(
                f"{quoted(name)} is a link to another {'object' if info.type == h5l.TYPE_SOFT else 'file'} "
                f"({quoted(_text(shown))}). Refused: it could read any file you can."
            )
        kind = h5o.get_info(group.id, key).type
        if kind not in (h5o.TYPE_GROUP, h5o.TYPE_DATASET):
            return None
        return h5py.Group(h5g.open(group.id, key)) if kind == h5o.TYPE_GROUP else h5py.Dataset(h5d.open(group.id, key))


def descend(group: h5py.Group, steps: list[str]) -> Any:
    """The object at the end of a path of hard links, or None."""
    found: Any = group
    for step in steps:
        if not isinstance(found, h5py.Group):
            return None
        found = child(found, step)
    return found


def check_storage(name: str, data: Any, most: int) -> h5py.Dataset:
    """That `data` is a data set of numbers, stored in its own file, of an honest size of at most `most` bytes."""
    if not isinstance(data, h5py.Dataset):
        raise Finding(f"{quoted(name)} is a group, expected numbers.")
    plist = data.id.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL or plist.get_external_count():
        raise Finding(f"{quoted(name)} points into other files. Ask for a self-contained copy (h5repack FILE NEW).")
    for index in range(plist.get_nfilters()):
        code = plist.get_filter(index)[0]
        if code not in FILTERS:
            allowed = ", ".join(FILTERS.values())
            raise Finding(f"{quoted(name)} is compressed with filter {code}, allowed: {allowed}.")
    kind = _number_type(name, data)
    shape = _shape(name, data)
    _check_size(name, data, plist, shape, kind.itemsize, most)
    return data


def _number_type(name: str, data: h5py.Dataset) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = data.dtype
    except (TypeError, ValueError, OverflowError) as error:
        raise Finding(f"{quoted(name)} has a type that is no number.") from error
    if h5py.check_string_dtype(kind) is not None or kind.kind in "SUO":
        raise Finding(f"{quoted(name)} holds text, expected numbers.")
    if kind.itemsize not in NUMBERS.get(kind.kind, ()) or kind.shape or kind.metadata:
        shown = quoted(kind).strip("'")
        raise Finding(f"{quoted(name)} has type {shown}, expected float64, float32 or uint8.")
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


def text_attribute(group: h5py.Group, name: str) -> str | None:
    """A text attribute, or None if it is not there. Raises Finding if it is no text or too long."""
    value = _attribute(group, name)
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if not isinstance(value, str | bytes):
        raise Finding(f"has {quoted(name)} of another type than text.")
    if len(value) > JSON_BYTES:
        raise Finding(f"has {amount(len(value))} of {quoted(name)}, the limit is {amount(JSON_BYTES)}.")
    return _text(value)


def names_attribute(group: h5py.Group, name: str) -> list[str] | None:
    """A list of names, as Keras stores it: in one attribute, or cut into name0, name1, ..."""
    whole = _attribute(group, name)
    if whole is not None:
        return _names(name, whole)
    found: list[str] = []
    for index in range(ATTRIBUTE_STRINGS):
        part = _attribute(group, f"{name}{index}")
        if part is None:
            return found if index else None
        found += _names(name, part)
        if len(found) > ATTRIBUTE_STRINGS:
            break
    raise Finding(f"has more than {ATTRIBUTE_STRINGS} {quoted(name)}.")


def _names(name: str, value: Any) -> list[str]:
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.size > ATTRIBUTE_STRINGS:
        raise Finding(f"has {quoted(name)} that is no list of names.")
    if value.size and not all(isinstance(item, str | bytes) for item in value.tolist()):
        raise Finding(f"has {quoted(name)} that is no list of names.")
    return [_text(item) for item in value.tolist()]


def _attribute(group: h5py.Group, name: str) -> Any:
    with reading():
        if name not in group.attrs:
            return None
        held = group.attrs.get_id(name)
        if held.get_storage_size() > 2 * JSON_BYTES or not _plain_text(held):
            raise Finding(f"has {quoted(name)} of another type than text.")
        return group.attrs[name]


def _plain_text(held: Any) -> bool:
    """Text, or the empty list that numpy wrote as floats."""
    kind = held.dtype
    empty = held.shape == (0,)
    return empty or h5py.check_string_dtype(kind) is not None or kind.kind == "S"


def _text(value: str | bytes) -> str:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return raw.decode("utf-8", "replace")

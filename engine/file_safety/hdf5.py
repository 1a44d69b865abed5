"""HDF5 without trust: known names, hard links, plain storage, and attributes as Keras uses them (a text, or names).

Every doubt is a refusal. Runs in the inspector only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from math import prod
from typing import Any, Literal

import h5py
from h5py import h5d, h5g, h5l, h5o, h5s, h5t

from engine.file_safety.limits import ATTRIBUTE_STRINGS, JSON_BYTES, amount
from engine.file_safety.refusal import FileRefused, quoted

DAMAGED = "is damaged: HDF5 cannot open it. Copy or download it again and compare checksums."
OTHER = object()


@contextmanager
def reading() -> Iterator[None]:
    """What h5py raises on a damaged file becomes a FileRefused."""
    try:
        yield
    except PermissionError:  # the jail's, not the file's
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise FileRefused(DAMAGED) from error


def open_hdf5(file: Any, mode: Literal["r", "r+"] = "r") -> h5py.File:
    """`file`: an open binary file. Raises FileRefused if HDF5 cannot read it."""
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
    """The member `name` of a group, or None. Only hard links are followed; `name` is one step, not a path.

    What is neither a group nor a data set is not opened: OTHER stands for it.
    """
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
            raise FileRefused(
                f"{quoted(name)} is a link to another {'object' if info.type == h5l.TYPE_SOFT else 'file'} "
                f"({quoted(plain_text(shown))}). Refused: it could read any file you can."
            )
        kind = h5o.get_info(group.id, key).type
        if kind not in (h5o.TYPE_GROUP, h5o.TYPE_DATASET):
            return OTHER
        return h5py.Group(h5g.open(group.id, key)) if kind == h5o.TYPE_GROUP else h5py.Dataset(h5d.open(group.id, key))


def descend(group: h5py.Group, steps: list[str]) -> Any:
    """The object at the end of a path of hard links, or None."""
    found: Any = group
    for step in steps:
        if not isinstance(found, h5py.Group):
            return None
        found = child(found, step)
    return found


def plain_text(value: str | bytes) -> str:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return raw.decode("utf-8", "replace")


def has_attribute(group: h5py.HLObject, *names: str) -> bool:
    """Whether a group or data set has an attribute of one of these names."""
    with reading():
        return any(name in group.attrs for name in names)


def text_attribute(group: h5py.Group, name: str) -> str | None:
    """A text attribute, or None if it is not there. Raises FileRefused if it is no text, empty or too long."""
    held = _attribute(group, name)
    if held is None:
        return None
    if not _is_text(held) or held.shape != ():
        raise FileRefused(f"has {quoted(name)} of another type than text.")
    with reading():
        _refuse_long(name, 0 if held.get_type().is_variable_str() else held.get_type().get_size())
        value = group.attrs[name]
    _refuse_long(name, len(value))
    if not value:
        raise FileRefused(f"has an empty {quoted(name)}. The model was damaged; save it again.")
    return plain_text(value)


def names_attribute(group: h5py.Group, name: str) -> list[str] | None:
    """A list of names, as Keras stores it: in one attribute, or cut into name0, name1, ..."""
    whole = _attribute(group, name)
    if whole is not None:
        return _names(group, name, whole)
    found: list[str] = []
    for index in range(ATTRIBUTE_STRINGS):
        part = _attribute(group, f"{name}{index}")
        if part is None:
            return found if index else None
        found += _names(group, f"{name}{index}", part)
        if len(found) > ATTRIBUTE_STRINGS:
            break
    raise FileRefused(f"has more than {ATTRIBUTE_STRINGS} {quoted(name)}.")


def _names(group: h5py.Group, name: str, held: h5py.h5a.AttrID) -> list[str]:
    """The names, which are counted before they are read. An empty list was written as one of floats."""
    if len(held.shape) != 1 or held.shape[0] > ATTRIBUTE_STRINGS or not (_is_text(held) or held.shape == (0,)):
        raise FileRefused(f"has {quoted(name)} that is no list of names.")
    if held.shape == (0,):
        return []
    with reading():
        _refuse_long(name, prod(held.shape) * held.get_type().get_size())
        return [plain_text(item) for item in group.attrs[name].tolist()]


def _attribute(group: h5py.Group, name: str) -> Any:
    """An attribute that is there and holds something, not yet read; or None."""
    with reading():
        if name not in group.attrs:
            return None
        held = group.attrs.get_id(name)
        space = held.get_space().get_simple_extent_type()
    if space == h5s.NULL:
        raise FileRefused(f"has an empty {quoted(name)}. The model was damaged; save it again.")
    return held


def _is_text(held: h5py.h5a.AttrID) -> bool:
    with reading():
        return bool(held.get_type().get_class() == h5t.STRING)


def _refuse_long(name: str, size: int) -> None:
    if size > JSON_BYTES:
        raise FileRefused(f"has {amount(size)} of {quoted(name)}, the limit is {amount(JSON_BYTES)}.")

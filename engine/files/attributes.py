"""HDF5 attributes as Keras uses them: a text, or a list of names. Runs in the inspector only."""

from math import prod
from typing import Any

import h5py
from h5py import h5s, h5t

from engine.files.finding import Finding, quoted
from engine.files.hdf5 import plain_text, reading
from engine.files.limits import ATTRIBUTE_STRINGS, JSON_BYTES, amount


def has_attribute(group: h5py.HLObject, *names: str) -> bool:
    """Whether a group or data set has an attribute of one of these names."""
    with reading():
        return any(name in group.attrs for name in names)


def text_attribute(group: h5py.Group, name: str) -> str | None:
    """A text attribute, or None if it is not there. Raises Finding if it is no text, empty or too long."""
    held = _attribute(group, name)
    if held is None:
        return None
    if not _is_text(held) or held.shape != ():
        raise Finding(f"has {quoted(name)} of another type than text.")
    with reading():
        _refuse_long(name, 0 if held.get_type().is_variable_str() else held.get_type().get_size())
        value = group.attrs[name]
    _refuse_long(name, len(value))
    if not value:
        raise Finding(f"has an empty {quoted(name)}. The model was damaged; save it again.")
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
    raise Finding(f"has more than {ATTRIBUTE_STRINGS} {quoted(name)}.")


def _names(group: h5py.Group, name: str, held: h5py.h5a.AttrID) -> list[str]:
    """The names, which are counted before they are read. An empty list was written as one of floats."""
    if len(held.shape) != 1 or held.shape[0] > ATTRIBUTE_STRINGS or not (_is_text(held) or held.shape == (0,)):
        raise Finding(f"has {quoted(name)} that is no list of names.")
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
        raise Finding(f"has an empty {quoted(name)}. The model was damaged; save it again.")
    return held


def _is_text(held: h5py.h5a.AttrID) -> bool:
    with reading():
        return bool(held.get_type().get_class() == h5t.STRING)


def _refuse_long(name: str, size: int) -> None:
    if size > JSON_BYTES:
        raise Finding(f"has {amount(size)} of {quoted(name)}, the limit is {amount(JSON_BYTES)}.")

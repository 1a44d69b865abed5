"""HDF5 attributes as Keras uses them: a text, or a list of names. Runs in the inspector only."""

from typing import Any

import h5py
import numpy as np

from engine.files.finding import Finding, quoted
from engine.files.hdf5 import plain_text, reading
from engine.files.limits import ATTRIBUTE_STRINGS, JSON_BYTES, amount


def has_attribute(group: h5py.Group, *names: str) -> bool:
    """Whether a group has an attribute of one of these names."""
    with reading():
        return any(name in group.attrs for name in names)


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
    return plain_text(value)


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
    return [plain_text(item) for item in value.tolist()]


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

"""HDF5 without trust: known names, hard links, plain storage; every doubt is a Finding. Runs in the inspector only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal

import h5py
from h5py import h5d, h5g, h5l, h5o

from engine.files.finding import Finding, quoted

DAMAGED = "is damaged: HDF5 cannot open it. Copy or download it again and compare checksums."
OTHER = object()


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
            raise Finding(
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

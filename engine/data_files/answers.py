"""The inspector's part for files of G's answers, g_*.h5, as this program writes them."""

from typing import NamedTuple

import h5py
import numpy as np

from engine.api.inspection import AnswersInfo
from engine.file_safety.hdf5 import OTHER, child, reading
from engine.file_safety.limits import IMAGES
from engine.file_safety.refusal import FileRefused
from engine.file_safety.storage import check_storage, refuse_torn

GROUPS = ("clean", "poisoned")
SECOND = ("B_prime", "B_tuned")  # the network that G is made of, beside B


class Columns(NamedTuple):
    """The answers of a set, int64 (images,) each. `second`: "B_prime" or "B_tuned"."""

    label: np.ndarray
    b: np.ndarray
    other: np.ndarray
    g: np.ndarray
    second: str


def is_answers_file(root: h5py.File) -> bool:
    """Whether a file has the groups of one; what is in them is looked at later."""
    return any(isinstance(child(root, name), h5py.Group) for name in GROUPS)


def answers_in(root: h5py.File) -> tuple[AnswersInfo, ...]:
    """What is counted in each set of the file. Raises FileRefused for what is no answers of G."""
    found = [(name, child(root, name)) for name in GROUPS]
    return tuple(_counted(name, _columns(name, group)) for name, group in found if isinstance(group, h5py.Group))


def _columns(name: str, group: h5py.Group) -> Columns:
    second = next((each for each in SECOND if child(group, each) is not None), SECOND[0])
    names = ("label", "B", second, "G")
    label, b, other, g = (_column(f"{name}/{each}", child(group, each)) for each in names)
    if len({len(column) for column in (label, b, other, g)}) != 1:
        raise FileRefused(f"'{name}' has columns of different lengths, expected a row an image.")
    return Columns(label, b, other, g, second)


def _column(name: str, data: object) -> np.ndarray:
    if data is None or data is OTHER or not isinstance(data, h5py.Dataset):
        raise FileRefused(f"has no '{name}', expected label, B, B_prime and G of every image.")
    checked = check_storage(name, data, 16 * IMAGES)
    if len(checked.shape) != 1 or not 0 < checked.shape[0] <= IMAGES:
        raise FileRefused(f"'{name}' has shape {tuple(checked.shape)}, expected (images,).")
    refuse_torn(checked, 0, checked.shape[0])
    with reading():
        values = np.asarray(checked[:])
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values) or whole.min() < 0:
        raise FileRefused(f"'{name}' holds what is no class number, expected 0, 1, 2, ...")
    return whole


def _counted(name: str, found: Columns) -> AnswersInfo:
    """Hits, and where G says "backdoored". Raises FileRefused where G is not made of the two networks."""
    agree = found.b == found.other
    flagged = found.g[~agree]
    if not np.array_equal(found.g[agree], found.b[agree]) or (flagged != flagged[:1]).any():
        raise FileRefused(f"'{name}/G' is not what B and {found.second} agree on. It was changed since it was written.")
    hits = [int(np.count_nonzero(column == found.label)) for column in (found.b, found.other, found.g)]
    return AnswersInfo(name, len(found.label), hits[0], hits[1], hits[2], len(flagged), found.second)

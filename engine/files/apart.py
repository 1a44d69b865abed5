"""That a model's weights lie apart: from one another, and from all that describes them. Runs in the inspector only.

B' is B's own bytes with some weights at zero. In a file where they lie within something else, that would change too.
"""

import os
from itertools import pairwise
from math import prod
from typing import Any

from h5py import h5o

from engine.files.archive import Span
from engine.files.finding import Finding
from engine.files.limits import WEIGHT_BYTES, amount
from engine.files.storage import file_offset
from engine.files.weights import Held

MIXED = "is damaged: its weights lie in the middle of what describes them. Copy or download it again."


def check_total(places: list[Held]) -> None:
    """All weights together within the limit, no two in one place of the file."""
    total = sum(4 * prod(data.shape) for _, _, data in places)
    if total > WEIGHT_BYTES:
        raise Finding(f"has {amount(total)} of weights, the limit is {amount(WEIGHT_BYTES)}.")
    overlap = any(end > start for (_, end), (start, _) in pairwise(sorted(stretches(places))))
    if overlap or len({h5o.get_info(data.id).addr for _, _, data in places}) != len(places):
        raise Finding("is damaged: two of its weights lie in one place.")


def stretches(places: list[Held]) -> list[tuple[int, int]]:
    """From where to where in the file each weight lies that is stored in one piece."""
    starts = [(file_offset(data), data) for _, _, data in places]
    return [(start, start + data.size * data.dtype.itemsize) for start, data in starts if start is not None]


class Blanked(Span):
    """A file in which stretches read as zeros."""

    def __init__(self, descriptor: int, start: int, size: int, blank: list[tuple[int, int]]) -> None:
        super().__init__(descriptor, start, size)
        self._blank = blank

    def readinto(self, buffer: Any) -> int:
        first = self.seek(0, os.SEEK_CUR)
        got = super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        for start, end in self._blank:
            low, high = max(start - first, 0), min(end - first, got)
            if low < high:
                view[low:high] = bytes(high - low)
        return got

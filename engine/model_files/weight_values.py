"""The numbers of a model's weights: read in pieces, and every one finite. Runs in the inspector only."""

from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np

from engine.file_safety.hdf5 import reading
from engine.file_safety.limits import PIECE_BYTES
from engine.file_safety.refusal import layer_line
from engine.file_safety.storage import refuse_torn
from engine.model_files.weights import Held


def read_weight(held: Held) -> np.ndarray:
    """The numbers of one weight as float32, all finite."""
    return np.concatenate(list(pieces(held))).reshape(held[2].shape)


def pieces(held: Held) -> Iterator[np.ndarray]:
    """The same as flat pieces, so that a large weight never lies in memory as a whole.

    Raises FileRefused at the end if there were numbers that are not finite.
    """
    node, weight, data = held
    bad, what = 0, "infinite numbers"
    refuse_torn(data, 0, len(data) if data.shape else 0)
    for values in _parts(data, ()):
        with np.errstate(over="ignore", invalid="ignore"):
            piece = np.ascontiguousarray(values, np.float32).reshape(-1)
        finite = np.count_nonzero(np.isfinite(piece))
        if finite < piece.size:
            bad += piece.size - int(finite)
            what = "NaN" if np.isnan(piece).any() else what
        yield piece
    if bad:
        raise layer_line(
            node.spec.name,
            node.spec.kind,
            f"has a {weight} that contains {what} ({bad} of {data.size}). The model was damaged or training diverged.",
        )


def _parts(data: h5py.Dataset, lead: tuple[int, ...]) -> Iterator[Any]:
    """Parts of a data set, in order, none much larger than PIECE_BYTES. `lead`: indices of its first axes."""
    shape = data.shape[len(lead) :]
    size = prod(shape) * data.dtype.itemsize
    row = size // shape[0] if shape and shape[0] else 0
    if size <= PIECE_BYTES or not shape:
        with reading():
            yield data[lead]
    elif row > PIECE_BYTES:
        for index in range(shape[0]):
            yield from _parts(data, (*lead, index))
    else:
        step = PIECE_BYTES // row
        for start in range(0, shape[0], step):
            with reading():
                yield data[(*lead, slice(start, start + step))]

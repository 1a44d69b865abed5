"""B′ and B″ as files: B's own bytes with other numbers in the same places, read again before they count."""

import io
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from engine.api.errors import Refused
from engine.architecture.description import ModelFile, WeightSpec
from engine.file_safety.limits import MODEL_FILE_BYTES
from engine.file_safety.open_source import CHANGED
from engine.file_safety.refusal import FileRefused, refused
from engine.model_files.keras_zip import renew_checksum
from engine.model_files.read import differing
from engine.sandbox.client import sandbox, written
from engine.sandbox.verify import verify_model

SPOILED = "would not be the same network with other weights; nothing was saved. The file is damaged or hostile."


def pruned_bytes(model: ModelFile, layer: str, channels: Iterable[int]) -> bytes:
    """The model file's own bytes with the filters and biases of `channels` of `layer` at zero.

    As `filled_bytes`; what was not pruned is not even written.
    """
    pruned = sorted(set(channels))
    wanted = [
        _zeroed(array, pruned) if weight.layer == layer else array
        for weight, array in zip(model.spec.weights, _arrays(model), strict=True)
    ]
    return filled_bytes(model, wanted)


def filled_bytes(model: ModelFile, wanted: Sequence[np.ndarray]) -> bytes:
    """The model file's own bytes with the arrays `wanted`, float32 in the order of its description, as its weights.

    Where Keras stored the numbers plainly, as it does, no byte of another number differs (in a `.keras` archive, none
    but the member's checksum). Otherwise the inspector writes them anew in memory. What comes out is read again: it is
    the same network with just these weights. Raises Refused if that fails, or if the file is no longer the one read.
    """
    plain = all(weight.offset is not None for weight in model.spec.weights)
    data = _in_place(model, wanted) if plain else _rewritten(model, wanted)
    _verify(model, data, wanted)
    return data


def _arrays(model: ModelFile) -> list[np.ndarray]:
    """The arrays of a model in the order of its description."""
    held = {name: iter(arrays) for name, arrays in model.arrays.items()}
    return [next(held[weight.layer]) for weight in model.spec.weights]


def _zeroed(array: np.ndarray, pruned: list[int]) -> np.ndarray:
    found = array.copy()
    found[..., pruned] = 0
    return found


def _in_place(model: ModelFile, wanted: Sequence[np.ndarray]) -> bytes:
    held = io.BytesIO(model.source.read(MODEL_FILE_BYTES))  # shares its bytes with what it is made of and what it gives
    with held.getbuffer() as view:
        for weight, array, new in zip(model.spec.weights, _arrays(model), wanted, strict=True):
            if not _put(view, weight, array, new):
                raise refused(model.path, CHANGED)
    if model.spec.format == "keras":
        renew_checksum(held)
    return held.getvalue()


def _put(view: memoryview, weight: WeightSpec, array: np.ndarray, new: np.ndarray) -> bool:
    """Put the numbers of a weight that changed where they lie in the file's bytes, if those are still `array`."""
    count, kind = prod(weight.shape), np.dtype(weight.dtype)
    if weight.offset is None or weight.offset + count * kind.itemsize > len(view):
        return False
    stored = np.frombuffer(view, kind, count, weight.offset).reshape(weight.shape)
    if not np.array_equal(stored.astype(np.float32), array):
        return False
    changed = differing(stored, array, new)
    stored[changed] = new[changed]
    return True


def _rewritten(model: ModelFile, wanted: Sequence[np.ndarray]) -> bytes:
    """The same through HDF5, for weights in chunks or compressed: done in the inspector."""
    model.source.refuse_changed()
    data = sandbox.rewrite(model.path, model.source.descriptor, wanted)
    model.source.refuse_changed()
    return data


def _verify(model: ModelFile, data: bytes, wanted: Sequence[np.ndarray]) -> None:
    """That `data` holds the same network with these weights."""
    with written(data) as scratch:
        try:
            report, arrays = sandbox.ask(model.path, scratch.fileno(), job="model")
            spec = verify_model(report.model, arrays)
        except (FileRefused, Refused) as error:
            raise refused(model.path, SPOILED) from error
    if (spec.layers, spec.output) != (model.spec.layers, model.spec.output):
        raise refused(model.path, SPOILED)
    for found, new in zip(arrays, wanted, strict=True):
        if found.shape != new.shape or not np.array_equal(found, new):
            raise refused(model.path, CHANGED)

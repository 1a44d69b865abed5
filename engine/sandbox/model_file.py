"""Model files: read through the inspector; and B' as B's own bytes with the pruned numbers at zero."""

import io
from collections.abc import Iterable
from math import prod
from pathlib import Path

import msgspec
import numpy as np

from engine.api.errors import Refused
from engine.architecture.description import ModelFile, ModelSpec, WeightSpec
from engine.file_safety.limits import MODEL_FILE_BYTES
from engine.file_safety.open_source import CHANGED, HDF5_ENDINGS, Source, misnamed, open_source
from engine.file_safety.refusal import FileRefused, refused
from engine.model_files.keras_zip import renew_checksum
from engine.sandbox.client import sandbox, written
from engine.sandbox.verify import verify_model

SPOILED = "would not be the same network with channels pruned; nothing was saved. The file is damaged or hostile."


def read_model(file: Path | Source) -> ModelFile:
    """The network in a `.h5` or `.keras` file, as a checked description and arrays. Raises Refused."""
    source = file if isinstance(file, Source) else open_source(file)
    try:
        report, arrays = sandbox.ask(source.path, source.descriptor, job="model")
        spec = verify_model(report.model, arrays)
    except FileRefused as finding:
        raise refused(source.path, str(finding)) from None
    source.refuse_changed()
    notes = spec.notes + _name_notes(source.path, spec.format) + source.notes
    return ModelFile(source, msgspec.structs.replace(spec, notes=notes), _by_layer(spec, arrays))


def _name_notes(path: Path, form: str) -> tuple[str, ...]:
    if form == "keras":
        return misnamed(path, (".keras",), "is a .keras archive")
    return misnamed(path, HDF5_ENDINGS, "is HDF5")


def _by_layer(spec: ModelSpec, arrays: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    held: dict[str, list[np.ndarray]] = {}
    for weight, array in zip(spec.weights, arrays, strict=True):
        held.setdefault(weight.layer, []).append(array)
    return held


def pruned_bytes(model: ModelFile, layer: str, channels: Iterable[int]) -> bytes:
    """The model file's own bytes with the filters and biases of `channels` of `layer` at zero.

    Where Keras stored the numbers plainly, as it does, no other byte differs (in a `.keras` archive, none but the
    member's checksum). Otherwise the inspector writes them anew in memory. What comes out is read again: it is the
    same network, and no other number differs. Raises Refused if that fails, or if the file is no longer the one read.
    """
    pruned = sorted(set(channels))
    plain = all(weight.offset is not None for weight in model.spec.weights)
    data = _in_place(model, layer, pruned) if plain else _rewritten(model, layer, pruned)
    _verify(model, data, layer, pruned)
    return data


def _in_place(model: ModelFile, layer: str, pruned: list[int]) -> bytes:
    held = io.BytesIO(model.source.read(MODEL_FILE_BYTES))  # shares its bytes with what it is made of and what it gives
    arrays = [array for arrays in model.arrays.values() for array in arrays]
    with held.getbuffer() as view:
        if not all(_zero(view, *each, layer, pruned) for each in zip(model.spec.weights, arrays, strict=True)):
            raise refused(model.path, CHANGED)
    if model.spec.format == "keras":
        renew_checksum(held)
    return held.getvalue()


def _zero(view: memoryview, weight: WeightSpec, array: np.ndarray, layer: str, pruned: list[int]) -> bool:
    """Put the pruned numbers of a weight to zero where they lie in the file's bytes, if those are still `array`."""
    count, kind = prod(weight.shape), np.dtype(weight.dtype)
    if weight.offset is None or weight.offset + count * kind.itemsize > len(view):
        return False
    stored = np.frombuffer(view, kind, count, weight.offset).reshape(weight.shape)
    if not np.array_equal(stored.astype(np.float32), array):
        return False
    if weight.layer == layer:
        stored[..., pruned] = 0
    return True


def _rewritten(model: ModelFile, layer: str, pruned: list[int]) -> bytes:
    """The same through HDF5, for weights in chunks or compressed: done in the inspector."""
    model.source.refuse_changed()
    data = sandbox.rewrite(model.path, model.source.descriptor, layer, pruned)
    model.source.refuse_changed()
    return data


def _verify(model: ModelFile, data: bytes, layer: str, pruned: list[int]) -> None:
    """That `data` holds the same network with these channels at zero."""
    with written(data) as scratch:
        try:
            report, arrays = sandbox.ask(model.path, scratch.fileno(), job="model")
            spec = verify_model(report.model, arrays)
        except (FileRefused, Refused) as error:
            raise refused(model.path, SPOILED) from error
    if (spec.layers, spec.output) != (model.spec.layers, model.spec.output):
        raise refused(model.path, SPOILED)
    for name, held in _by_layer(spec, arrays).items():
        for before, after in zip(model.arrays[name], held, strict=True):
            zeros = np.isin(np.arange(before.shape[-1]), pruned if name == layer else [])
            if before.shape != after.shape or not np.array_equal(np.where(zeros, np.float32(0), before), after):
                raise refused(model.path, CHANGED)

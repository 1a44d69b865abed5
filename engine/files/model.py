"""Model files: read through the inspector; and B' as B's own bytes with the pruned numbers at zero."""

import os
import tempfile
from collections.abc import Iterable
from math import prod
from pathlib import Path

import msgspec
import numpy as np

from engine.files.archive import renew_checksum
from engine.files.description import ModelFile, ModelSpec, WeightSpec
from engine.files.finding import Finding, refused
from engine.files.source import HDF5_ENDINGS, misnamed, open_source
from engine.files.verifying import verify_model
from engine.files.warden import warden

CHANGED = "changed since it was opened. Open it again."


def read_model(path: Path) -> ModelFile:
    """The network in a `.h5` or `.keras` file, as a checked description and arrays. Raises Refused."""
    descriptor = open_source(path)
    try:
        report, arrays = warden.ask(path, descriptor, job="model")
        spec = verify_model(report.model, arrays)
        spec = msgspec.structs.replace(spec, notes=spec.notes + _name_notes(path, spec.format))
        return ModelFile(path, spec, _by_layer(spec, arrays))
    except Finding as finding:
        raise refused(path, str(finding)) from None
    finally:
        os.close(descriptor)


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
    member's checksum). Otherwise the inspector writes them anew in memory, and all numbers are compared.
    Raises Refused if the file is no longer the one that was read.
    """
    pruned = sorted(set(channels))
    if any(weight.offset is None for weight in model.spec.weights):
        return _rewritten(model, layer, pruned)
    data = _whole(model.path)
    arrays = [array for held in model.arrays.values() for array in held]
    for weight, array in zip(model.spec.weights, arrays, strict=True):
        view = _stored(data, weight)
        if view is None or not np.array_equal(view.astype(np.float32), array):
            raise refused(model.path, CHANGED)
        if weight.layer == layer:
            view[..., pruned] = 0
    if model.spec.format == "keras":
        renew_checksum(data)
    return bytes(data)


def _whole(path: Path) -> bytearray:
    with os.fdopen(open_source(path), "rb", buffering=0) as file:
        data = bytearray(os.fstat(file.fileno()).st_size)
        view, place = memoryview(data), 0
        while got := file.readinto(view[place:]):
            place += got
    return data


def _stored(data: bytearray, weight: WeightSpec) -> np.ndarray | None:
    """A view of a weight's numbers where they lie in the file's bytes; None if they do not reach that far."""
    count, kind = prod(weight.shape), np.dtype(weight.dtype)
    assert weight.offset is not None
    if weight.offset + count * kind.itemsize > len(data):
        return None
    return np.frombuffer(data, kind, count, weight.offset).reshape(weight.shape)


def _rewritten(model: ModelFile, layer: str, pruned: list[int]) -> bytes:
    """The same through HDF5, for weights in chunks or compressed: done in the inspector, checked here."""
    descriptor = open_source(model.path)
    try:
        data = warden.rewrite(model.path, descriptor, layer, pruned)
    finally:
        os.close(descriptor)
    with tempfile.TemporaryFile() as scratch:
        scratch.write(data)
        scratch.flush()
        report, arrays = warden.ask(model.path, scratch.fileno(), job="model")
    for name, held in _by_layer(verify_model(report.model, arrays), arrays).items():
        for before, after in zip(model.arrays[name], held, strict=True):
            expected = before.copy()
            if name == layer:
                expected[..., pruned] = 0
            if not np.array_equal(expected, after):
                raise refused(model.path, CHANGED)
    return data

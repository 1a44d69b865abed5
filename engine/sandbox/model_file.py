"""A model file, read through the inspector."""

from pathlib import Path

import msgspec
import numpy as np

from engine.architecture.description import ModelFile, ModelSpec
from engine.file_safety.open_source import HDF5_ENDINGS, Source, misnamed, open_source
from engine.file_safety.refusal import FileRefused, refused
from engine.sandbox.client import sandbox
from engine.sandbox.verify import verify_model


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

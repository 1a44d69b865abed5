"""A network as plain data: what the inspector hands over, and all that the engine builds from."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.file_safety.open_source import Source


class LayerSpec(msgspec.Struct, frozen=True):
    """One layer: its Keras class, allow-listed settings, and the layers whose outputs feed it, in order.

    `name` is the name in the file, raw: it finds weights, it is never shown or made into a path. A further use of a
    layer has a name of its own; `again` is then the name of the first, whose weights it uses.
    """

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    again: str = ""


class WeightSpec(msgspec.Struct, frozen=True):
    """An array of a layer. `offset`: where its bytes lie in the model file; None where they are not stored plainly."""

    layer: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int | None


class ModelSpec(msgspec.Struct, frozen=True):
    """A checked network: layers in topological order, the input layer first; weights in Keras's order."""

    format: str  # "h5", "keras", "weights" or "weights.h5", which is that of Keras 3
    writer: str  # the Keras version that wrote it, or ""
    layers: tuple[LayerSpec, ...]
    output: str
    weights: tuple[WeightSpec, ...]
    notes: tuple[str, ...] = ()


class ModelFile:
    """A model file that passed the inspector: open still, with its description and its arrays by layer name."""

    def __init__(self, source: Source, spec: ModelSpec, arrays: dict[str, list[np.ndarray]]) -> None:
        self.source = source
        self.spec = spec
        self.arrays = arrays

    @property
    def path(self) -> Path:
        return self.source.path


class DataSpec(msgspec.Struct, frozen=True):
    """A checked data set: images (N,C,H,W) of `dtype` (with its byte order), labels apart.

    `offset`: where its bytes lie in the file; None where they are in chunks. `low`, `high`: of a sample's pixels.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    offset: int | None
    low: float
    high: float
    notes: tuple[str, ...] = ()


class PictureSpec(msgspec.Struct, frozen=True):
    """A picture that was decoded; `notes`: what was done to it that its user should know."""

    notes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """What the inspector found: a refusal, or one of the others."""

    refusal: str | None = None
    model: ModelSpec | None = None
    data: DataSpec | None = None
    picture: PictureSpec | None = None

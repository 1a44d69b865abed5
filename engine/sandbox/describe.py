"""The inspector's part for people: what a file holds, as a Description."""

import os
from pathlib import Path

import h5py
import msgspec
import numpy as np

from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.inspection import Description, ZeroFilters
from engine.api.published import known_file
from engine.architecture.description import ModelSpec
from engine.architecture.graph import (
    channels_of,
    classes,
    default_layer,
    layer_infos,
    output_shapes,
    parameters,
    prunable,
    ranking_feature,
    steps_notes,
)
from engine.data_files.answers import answers_in, is_answers_file
from engine.data_files.images import DataSet, images_in, read_labels, wanted
from engine.file_safety.file_kind import content_kind
from engine.file_safety.hdf5 import child, has_attribute, member_names, open_descriptor
from engine.file_safety.limits import HASHED_BYTES, REFUSED_HASHED_BYTES
from engine.file_safety.open_source import open_source
from engine.file_safety.refusal import CONFUSED, TOO_MUCH, FileRefused, ending, harmless, shown_name
from engine.model_files.read import Network, is_weights_file, open_network
from engine.sandbox import jail
from engine.sandbox.jail import start, wait
from engine.sandbox.messages import REPORT_BYTES, scratch


def describe(path: Path) -> Description:
    """What `lab3-tui inspect` tells about a file: looked at in a child, and hashed here if it is not too large."""
    name = shown_name(path)
    try:
        source = open_source(path)
    except Refused as refused:
        return Description(name=name, refusal=str(refused), protection=jail.missing())
    with scratch("description") as out:
        status = wait(start(lambda: _describe(source.descriptor, name, out.fileno())))
        text = os.pread(out.fileno(), REPORT_BYTES, 0)
    found = Description(name=name, refusal=ending(status)) if status else _read(text, name)
    size = os.fstat(source.descriptor).st_size
    line = None if found.refusal is None else f"{name}: {found.refusal}"
    try:
        digest = source.hash() if size <= (HASHED_BYTES if line is None else REFUSED_HASHED_BYTES) else ""
    except Refused as refused:
        return Description(name=name, refusal=str(refused), protection=jail.missing())
    return msgspec.structs.replace(
        found,
        refusal=line,
        size=size,
        sha256=digest,
        known=known_file(digest),
        notes=found.notes + source.notes,
        protection=jail.missing(),
    )


def _read(text: bytes, name: str) -> Description:
    """What the child wrote, if it is in order."""
    try:
        found = msgspec.json.decode(text, type=Description)
    except (ValueError, RecursionError):
        return Description(name=name, refusal=CONFUSED)
    return found if harmless(msgspec.to_builtins(found)) else Description(name=name, refusal=CONFUSED)


def _describe(source: int, name: str, out: int) -> None:
    try:
        found = describe_file(source, name)
    except FileRefused as finding:
        found = Description(name=name, refusal=str(finding))
    except MemoryError:
        found = Description(name=name, refusal=TOO_MUCH)
    with os.fdopen(out, "wb", closefd=False) as file:
        file.write(msgspec.json.encode(found))


def describe_file(descriptor: int, name: str) -> Description:
    """`name`: escaped. Raises FileRefused for what is neither a model nor a data set that would be opened."""
    if content_kind(descriptor) == "zip":
        return _model(open_network(descriptor), name)
    root = open_descriptor(descriptor)
    if has_attribute(root, "model_config", "layer_names", "layer_names0"):
        return _model(open_network(descriptor), name)
    if is_weights_file(root):
        return _model(open_network(descriptor), name)
    if child(root, "data") is None and child(root, "label") is None and is_answers_file(root):
        return _answers(root, name)
    if child(root, "data") is None and child(root, "label") is None:
        found = member_names(root)
        raise FileRefused(f"is HDF5, but neither a Keras model nor a data set; it contains {found}. {wanted(None)}")
    return _data(images_in(root, None), name)


def _model(network: Network, name: str) -> Description:
    spec = network.spec()
    zeros = _zeros(network, spec)
    shapes = output_shapes(spec.layers)
    height, width, channels = shapes[spec.layers[0].name]
    layer = default_layer(spec) if None in prunable(spec).values() else None
    return Description(
        name=name,
        kind="model",
        format=spec.format,
        writer=spec.writer,
        image=(channels, height, width),
        classes=classes(shapes, spec.output),
        parameters=parameters(spec),
        layers=layer_infos(spec),
        layer=escape(layer) if layer else None,
        feature=escape(ranking_feature(spec, layer)) if layer else None,
        zero_filters=zeros,
        notes=spec.notes + (steps_notes(layer, channels_of(spec, layer)) if layer else ()),
    )


def _zeros(network: Network, spec: ModelSpec) -> tuple[ZeroFilters, ...]:
    """How many filters of each layer that can be pruned are zero; every number is checked as it is read."""
    used: dict[str, np.ndarray] = {}  # by layer: whether a channel, the last axis of each of its arrays, is not zero
    able = {name for name, refusal in prunable(spec).items() if refusal is None}
    for weight, (shape, pieces) in zip(spec.weights, network.arrays(), strict=True):
        place, channels = 0, shape[-1] if shape else 1
        for piece in pieces:
            if weight.layer in able and len(used.setdefault(weight.layer, np.zeros(channels, bool))) == channels:
                used[weight.layer][(place + np.flatnonzero(piece)) % channels] = True
            place += len(piece)
    return tuple(ZeroFilters(escape(name), int((~at).sum()), len(at)) for name, at in used.items())


def _answers(root: h5py.File, name: str) -> Description:
    return Description(name=name, kind="answers", answers=answers_in(root))


def _data(data: DataSet, name: str) -> Description:
    spec, labels = data.spec(), np.sort(read_labels(data.labels, None))
    return Description(
        name=name,
        kind="data",
        image=spec.shape[1:],
        images=spec.shape[0],
        dtype=np.dtype(spec.dtype).name,
        stored="plain" if spec.offset is not None else "chunks",
        pixels=(spec.low, spec.high),
        labels=(int(labels[0]), int(labels[-1])),
        distinct_labels=1 + int(np.count_nonzero(np.diff(labels))),
        notes=spec.notes,
    )

"""The inspector's part for models: from an open file to a checked description and its arrays."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import h5py
import msgspec
import numpy as np

from engine.architecture import deepid
from engine.architecture.description import LayerSpec, ModelSpec, WeightSpec
from engine.architecture.graph import check_classifier, output_notes
from engine.architecture.shapes import Shape
from engine.file_safety.file_kind import content_kind, hdf5_start, refuse_tail
from engine.file_safety.hdf5 import child, descend, has_attribute, names_attribute, open_hdf5, reading, text_attribute
from engine.file_safety.json_text import read_json
from engine.file_safety.limits import MODEL_FILE_BYTES, amount
from engine.file_safety.refusal import FileRefused, quoted
from engine.file_safety.storage import file_offset
from engine.model_files.flatten import Architecture, Node, read_architecture, refuse_misfit
from engine.model_files.keras_zip import CONFIG, METADATA, WEIGHTS, Archive, Span, rezipped
from engine.model_files.weight_values import pieces, read_weight
from engine.model_files.weights import MIXED, Blanked, Held, check_total, h5_weights, keras_weights, stretches

WEIGHTS_FORMS = ("weights", "weights.h5")  # of Keras 2, of Keras 3
WEIGHTS_ONLY = "contains weights only, no architecture. Save the whole model with model.save('model.h5')."


class Network:
    """A model file whose architecture and weights fit each other. Its arrays are read on demand."""

    def __init__(self, form: str, writer: str, architecture: Architecture, places: list[Held], start: int | None):
        self.form = form
        self.writer = writer
        self.architecture = architecture
        self.places = places
        self.start = start  # where the HDF5 part begins in the file; None: it is compressed
        check_total(places)

    def spec(self) -> ModelSpec:
        layers = tuple(_constants(node, self.places) for node in self.architecture.nodes)
        kept = tuple(self._weight(place) for place in self.kept())
        known = (deepid.NOTE,) if self.form in WEIGHTS_FORMS else ()
        notes = (*known, *self.architecture.notes, *output_notes(layers, self.architecture.output))
        return ModelSpec(self.form, self.writer, layers, self.architecture.output, kept, notes)

    def kept(self) -> list[Held]:
        """The weights that become arrays of the layer; those of a Normalization become settings."""
        return [place for place in self.places if place[0].spec.kind != "Normalization"]

    def arrays(self) -> Iterator[tuple[tuple[int, ...], Iterator[np.ndarray]]]:
        """The shape of each kept weight, and its numbers in pieces."""
        return ((place[2].shape, pieces(place)) for place in self.kept())

    def _weight(self, place: Held) -> WeightSpec:
        node, name, data = place
        inner = file_offset(data)
        offset = None if inner is None or self.start is None else self.start + inner
        return WeightSpec(node.spec.name, name, data.shape, data.dtype.str, offset)


def _constants(node: Node, places: list[Held]) -> LayerSpec:
    if node.spec.kind != "Normalization" or node.spec.config["mean"] is not None:
        return node.spec
    values = {name: read_weight(place) for place in places if place[0] is node and (name := place[1]) != "count"}
    held = {name: array.tolist() for name, array in values.items()}
    return msgspec.structs.replace(node.spec, config={**node.spec.config, **held})


def open_network(descriptor: int) -> Network:
    """Read and check a model file. Raises FileRefused for everything that is not a plain classifier."""
    size = os.fstat(descriptor).st_size
    if size > MODEL_FILE_BYTES:
        raise FileRefused(f"has {amount(size)}, the limit for a model is {amount(MODEL_FILE_BYTES)}.")
    read: Callable[[h5py.File], Network] = network_in
    if content_kind(descriptor) == "zip":
        archive = _archive(descriptor)
        read = partial(_from_archive, archive, *_texts(archive))
        network = read(open_hdf5(archive.weights()))
        size = archive.members[WEIGHTS].file_size
    else:
        network = read(open_hdf5(Span(descriptor, 0, size)))
        refuse_tail(descriptor)
    if network.start is not None:
        _refuse_mixed(network, read, Blanked(descriptor, network.start, size, stretches(network.kept())))
    return network


def _archive(descriptor: int) -> Archive:
    archive, place = Archive(descriptor), hdf5_start(descriptor)
    if place not in (None, archive.stored_at):
        raise FileRefused("is a zip archive and an HDF5 file in one, and Keras goes by its name. Save the model again.")
    return archive


def _refuse_mixed(network: Network, read: Callable[[h5py.File], Network], blank: Blanked) -> None:
    """That the same network is found where all its weights are zero."""
    try:
        with open_hdf5(blank) as root:
            same = read(root).spec() == network.spec()
    except FileRefused as finding:
        raise FileRefused(MIXED) from finding
    if not same:
        raise FileRefused(MIXED)


def filled(descriptor: int, weights: Sequence[np.ndarray]) -> bytes:
    """A model file written anew in memory, with these arrays as its weights, in the order of its description."""
    archive = _archive(descriptor) if content_kind(descriptor) == "zip" else None
    with archive.weights() if archive else os.fdopen(descriptor, "rb", closefd=False) as file:
        held = io.BytesIO(file.read())
    with reading(), open_hdf5(held, "r+") as root:
        network = _from_archive(archive, *_texts(archive), root) if archive else network_in(root)
        for (_, _, data), array in zip(network.kept(), weights, strict=True):
            stored = data[()]
            changed = differing(stored, stored.astype(np.float32), array)
            stored[changed] = array[changed]
            data[...] = stored
    return rezipped(archive, held.getvalue()) if archive else held.getvalue()


def differing(stored: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where stored numbers have to be written anew, so that float32 `before` becomes `after` to the bit.

    Others keep every digit that is stored; what is to be zero is zero in the stored type too.
    """
    bits = np.ascontiguousarray(before, np.float32).view("u4") != np.ascontiguousarray(after, np.float32).view("u4")
    changed: np.ndarray = bits.reshape(stored.shape) | ((after == 0) & (stored != 0))
    return changed


def _texts(archive: Archive) -> tuple[Any, str]:
    """The configuration in an archive, and the version that wrote it."""
    metadata = read_json(METADATA, archive.text(METADATA))
    config = read_json(CONFIG, archive.text(CONFIG))
    if isinstance(config, dict) and "class_name" in config and "module" not in config:
        raise FileRefused("does not say in which module Keras finds its model. Save it again.")
    return config, _version(metadata.get("keras_version") if isinstance(metadata, dict) else None)


def _from_archive(archive: Archive, config: Any, writer: str, root: h5py.File) -> Network:
    architecture, feeds = _checked(config, writer)
    return Network("keras", writer, architecture, keras_weights(root, architecture.nodes, feeds), archive.stored_at)


def network_in(root: h5py.File) -> Network:
    """The network in an open `.h5` file."""
    config = text_attribute(root, "model_config")
    if config is None:
        return _without_config(root)
    group = child(root, "model_weights")
    if not isinstance(group, h5py.Group):
        raise FileRefused(
            "has an architecture but no weights ('model_weights'). Save the whole model with model.save()."
        )
    writer = _writer(root, group)
    architecture, feeds = _checked(read_json("'model_config'", config.encode()), writer)
    turned = any(node.spec.kind == "Conv2DTranspose" for node in architecture.nodes)
    if turned and not has_attribute(group, "keras_version"):  # Keras 2 takes it for a file of Keras 1
        raise FileRefused("does not say beside its weights which Keras wrote them. Save it again.")
    return Network("h5", writer, architecture, h5_weights(group, architecture.nodes, feeds), 0)


def _writer(*groups: h5py.Group) -> str:
    """The version of Keras that wrote a `.h5` file, which may say so in each of these groups.

    Keras 2 reads weights as that version wrote them, and as that backend did: Theano turned kernels round.
    """
    versions = {version for group in groups if (version := _version(text_attribute(group, "keras_version")))}
    if len(versions) > 1 or any(version.startswith(("0.", "1.")) for version in versions):
        raise FileRefused(
            f"was written by Keras {quoted(', '.join(sorted(versions)))}, expected one version since 2.0."
        )
    writer = next(iter(versions), "")
    for group in groups:
        backend = text_attribute(group, "backend")
        if backend not in (None, "tensorflow", *(("jax", "torch") if re.match(r"[3-9]", writer) else ())):
            raise FileRefused(
                f"was written by Keras on {quoted(backend)}, expected TensorFlow. Save it again with that."
            )
    return writer


def _version(text: Any) -> str:
    """A version as Keras writes it, or nothing."""
    return text if isinstance(text, str) and re.fullmatch(r"[\w.+-]{1,24}", text, re.ASCII) else ""


def _checked(config: Any, writer: str) -> tuple[Architecture, dict[str, Shape]]:
    """The architecture, and the shape that each layer is fed with."""
    architecture = read_architecture(config, writer)
    layers = tuple(node.spec for node in architecture.nodes)
    shapes = check_classifier(layers, architecture.output)
    refuse_misfit(architecture.said, shapes)
    return architecture, {layer.name: shapes[layer.inputs[0]] if layer.inputs else () for layer in layers}


def _without_config(root: h5py.File) -> Network:
    """A file of weights: the lab's own network is known, of any other there is nothing to be built."""
    names = names_attribute(root, "layer_names")
    if names is None:
        if child(root, "data") is not None or child(root, "label") is not None:
            raise FileRefused("is a data set, expected a model. Choose it as clean or poisoned data instead.")
        if is_weights_file(root):
            return _weights_of_keras_3(root)
        raise FileRefused("is HDF5 but not a Keras model: it has no 'model_config'.")
    kernel = _last_kernel(root)
    if not set(deepid.WEIGHTED) <= set(names) or kernel is None:
        raise FileRefused(WEIGHTS_ONLY)
    writer = _writer(root)
    architecture, feeds = _checked(deepid.deepid_config(kernel.shape[1]), writer)
    return Network("weights", writer, architecture, h5_weights(root, architecture.nodes, feeds), 0)


def is_weights_file(root: h5py.File) -> bool:
    """Whether Keras 3 wrote a file, which then holds weights by class and number: `.weights.h5`."""
    return isinstance(child(root, "layers"), h5py.Group) or child(root, "_layer_checkpoint_dependencies") is not None


def _weights_of_keras_3(root: h5py.File) -> Network:
    """The lab's network from weights alone. Raises FileRefused for those of any other."""
    kernel = descend(root, ["layers", f"dense_{deepid.DENSE - 1}", "vars", "0"])
    if not isinstance(kernel, h5py.Dataset) or len(kernel.shape or ()) != 2:
        raise FileRefused(WEIGHTS_ONLY)
    architecture, feeds = _checked(deepid.deepid_config(kernel.shape[1]), "")
    try:
        return Network("weights.h5", "", architecture, keras_weights(root, architecture.nodes, feeds), 0)
    except FileRefused as finding:
        raise FileRefused(WEIGHTS_ONLY) from finding


def _last_kernel(root: h5py.File) -> h5py.Dataset | None:
    """The kernel of the layer that gives the classes: as wide as there are classes."""
    group = child(root, deepid.WEIGHTED[-1])
    names = names_attribute(group, "weight_names") if isinstance(group, h5py.Group) else None
    kernel = descend(group, names[0].split("/")) if names else None
    return kernel if isinstance(kernel, h5py.Dataset) and len(kernel.shape or ()) == 2 else None

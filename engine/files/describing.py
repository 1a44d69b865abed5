"""The inspector's part for people: what a file holds, as a Description."""

from math import prod

import numpy as np

from engine.api.inspection import Description
from engine.api.protocol import LayerInfo
from engine.api.textsafe import escape
from engine.files.content import content_kind
from engine.files.description import ModelSpec
from engine.files.finding import Finding
from engine.files.graph import default_layer, output_shapes, prunable, ranking_feature
from engine.files.hdf5 import child, member_names, open_descriptor
from engine.files.images import DataSet, images_in, read_labels
from engine.files.networks import Network, network_in, open_network

NO_CONVOLUTION = "is no convolution"


def describe_file(descriptor: int, name: str) -> Description:
    """`name`: escaped. Raises Finding for what is neither a model nor a data set that would be opened."""
    if content_kind(descriptor) == "zip":
        return _model(open_network(descriptor), name)
    root = open_descriptor(descriptor)
    if "model_config" in root.attrs or "layer_names" in root.attrs:
        return _model(network_in(root), name)
    if child(root, "data") is None and child(root, "label") is None:
        raise Finding(f"is HDF5, but neither a Keras model nor a data set; it contains {member_names(root)}.")
    return _data(images_in(root, None), name)


def _model(network: Network, name: str) -> Description:
    spec = network.spec()
    for _ in network.arrays():  # each is checked as it is read
        pass
    shapes = output_shapes(spec.layers)
    height, width, channels = shapes[spec.layers[0].name]
    layer = default_layer(spec) if None in prunable(spec).values() else None
    return Description(
        name=name,
        kind="model",
        format=spec.format,
        writer=spec.writer,
        image=(channels, height, width),
        classes=shapes[spec.output][0],
        parameters=sum(prod(weight.shape) for weight in spec.weights),
        layers=layer_infos(spec),
        layer=escape(layer) if layer else None,
        feature=escape(ranking_feature(spec, layer)) if layer else None,
        notes=spec.notes,
    )


def layer_infos(spec: ModelSpec) -> tuple[LayerInfo, ...]:
    """Every layer, escaped, with its output shape and why its channels cannot be pruned."""
    shapes, refusals = output_shapes(spec.layers), prunable(spec)
    return tuple(
        LayerInfo(escape(layer.name), layer.kind, (None, *shapes[layer.name]), refusals.get(layer.name, NO_CONVOLUTION))
        for layer in spec.layers
    )


def _data(data: DataSet, name: str) -> Description:
    spec, labels = data.spec(), read_labels(data.labels, None)
    return Description(
        name=name,
        kind="data",
        image=spec.shape[1:],
        images=spec.shape[0],
        dtype=np.dtype(spec.dtype).name,
        stored="plain" if spec.offset is not None else "chunks",
        pixels=(spec.low, spec.high),
        labels=(int(labels.min()), int(labels.max())),
        distinct_labels=len(set(labels.tolist())),
        notes=spec.notes,
    )

"""A description as a Keras model made of Keras's own layers and operations alone, fit to be saved and sent away.

What the engine computes with has activations apart and operations of its own (`engine.network.build`); a file for
others has neither: every layer as in the file it came from, arithmetic as Keras's own operations.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from engine.architecture.description import LayerSpec, ModelSpec
from engine.network.graph_operations import OPERATIONS

Tensor = Any
Arrays = Mapping[str, Sequence[np.ndarray]]  # by layer name, in Keras's order
NAME = re.compile(r"[^A-Za-z0-9_.]+")


class Shelf:
    """Layers already made, so that two networks that begin alike share what they have in common.

    `taken` are the names in use. A layer of a file keeps its name where Keras 3 allows it.
    """

    def __init__(self) -> None:
        self.tensors: dict[tuple[Any, ...], Tensor] = {}
        self.taken: set[str] = set()

    def name(self, wanted: str) -> str:
        plain = NAME.sub("_", wanted).strip("_.") or "layer"
        name, count = plain[:60], 1
        while name in self.taken:
            count += 1
            name = f"{plain[:60]}_{count}"
        self.taken.add(name)
        return name


def scores(spec: ModelSpec, arrays: Arrays, images: Tensor, shelf: Shelf) -> Tensor:
    """The network's output (n, classes) for the tensor `images` (n, H, W, C), as the file's last layer gives it."""
    start = spec.layers[0]
    kind = start.config.get("dtype", "float32")
    tensors = {start.name: images if images.dtype == kind else keras.ops.cast(images, kind)}
    layers: dict[str, Any] = {}
    for layer in spec.layers[1:]:
        feeds = [tensors[name] for name in layer.inputs]
        owner = layer.again or layer.name
        held = arrays.get(owner, ())
        key = (layer.kind, repr(layer.config), tuple(map(id, feeds)), *(array.tobytes() for array in held))
        if key not in shelf.tensors:
            shelf.tensors[key] = called(layer, owner, feeds, held, layers, shelf)
        tensors[layer.name] = shelf.tensors[key]
    return tensors[spec.output]


def called(
    layer: LayerSpec, owner: str, feeds: list[Tensor], held: Sequence[np.ndarray], layers: dict[str, Any], shelf: Shelf
) -> Tensor:
    """The output of one layer; a further use of a layer is one of the same Keras layer."""
    inputs = feeds if len(feeds) > 1 else feeds[0]
    if layer.kind in OPERATIONS:
        return OPERATIONS[layer.kind](shelf.name("operation"), **layer.config).call(inputs)
    if owner not in layers:
        layers[owner] = getattr(keras.layers, layer.kind)(**layer.config, name=shelf.name(owner))
    made = layers[owner]
    tensor = made(inputs)
    if len(held):
        made.set_weights([np.asarray(array) for array in held])
    return tensor


def image_input(spec: ModelSpec, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """The input of a model, images (n, H, W, C), and the pixels times `scale` that the network takes."""
    config = spec.layers[0].config
    images = keras.Input(tuple(config["shape"]), dtype=config.get("dtype", "float32"), name="images")
    return images, images if scale == 1.0 else keras.layers.Rescaling(scale, name="pixels")(images)


def plain_model(spec: ModelSpec, arrays: Arrays, scale: float = 1.0) -> Any:
    """The whole network as a plain Keras model."""
    shelf = Shelf()
    shelf.taken |= {"images", "pixels"}
    images, pixels = image_input(spec, scale)
    return keras.Model(images, scores(spec, arrays, pixels, shelf), name="network")

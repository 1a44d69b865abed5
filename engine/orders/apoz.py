"""Order by the average percentage of zeros on clean validation images, the highest first (APoZ, Hu et al. 2016)."""

from contextlib import closing
from typing import Any

import keras
import numpy as np

from engine.architecture.graph import channel_chain
from engine.architecture.layers import CHANNELS_APART
from engine.network.build import Network, wire
from engine.network.features import with_pixels
from engine.network.model_runner import Forward
from engine.network.pipeline import map_threaded, prefetch
from engine.orders.evidence import Evidence


def scores(material: Evidence) -> np.ndarray:
    """Share of zeros among the numbers of the pruned layer after its activation: (channels,)."""
    forward = Forward(zeros_model(material.network, material.at.layer, material.scale), 1, material.halved)
    size = forward.fitting(material.batch)

    def zeros(batch: np.ndarray) -> np.ndarray:
        found: np.ndarray = forward([batch])[0].astype("int64").sum(axis=0)
        return found

    total = np.zeros(material.channels, "int64")
    with (
        prefetch(material.images("valid", size)) as batches,
        closing(map_threaded(zeros, batches, forward.threads)) as counts,
    ):
        for found in counts:
            material.check()
            total += found
    rows = material.rows["valid"]
    shares: np.ndarray = total / ((rows.stop - rows.start) * positions(material.network, material.at.layer))
    return shares


def zeros_model(network: Network, layer: str, scale: float) -> Any:
    """A model from images (n, C, H, W) to the number of zeros in each channel (n, channels)."""
    images, pixels = with_pixels(network, scale)
    name = activation(network, layer)
    values = wire(network.spec, network.layers, {network.spec.layers[0].name: pixels}, [name])[name]
    space = tuple(range(1, len(values.shape) - 1))
    zeros = keras.ops.cast(keras.ops.equal(values, 0.0), "int32")
    return keras.Model([images], keras.ops.sum(zeros, axis=space) if space else zeros)


def positions(network: Network, layer: str) -> int:
    """Numbers that one image has in a channel after the activation."""
    return int(np.prod(network.layers[activation(network, layer)].output.shape[1:-1]))


def activation(network: Network, layer: str) -> str:
    """The first activation that the pruned layer's output comes to; the layer itself where there is none."""
    for link in (network.layer(layer), *channel_chain(network.spec, layer)):
        if link.kind in CHANNELS_APART or (link.kind == "Activation" and link.config["activation"] != "linear"):
            return link.name
    return layer

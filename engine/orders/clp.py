"""Order by channel Lipschitzness, the highest first (CLP: Zheng, Tang, Li, Liu 2022).

CLP as published prunes a set, not an order: the channels whose score is beyond the layer's mean by u standard
deviations, with u = 3. Published code pairs a batch normalisation with the last convolution seen, which is wrong where
it stands in front of the convolution: here the network's graph tells which one is behind.
"""

from typing import Any

import numpy as np

from engine.architecture.graph import channel_chain
from engine.architecture.layers import CHANNELS_APART
from engine.network.build import Network
from engine.orders.evidence import Evidence

EACH_NUMBER_ALONE = ("Activation", *CHANNELS_APART, "Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout",
                     "GaussianNoise", "Identity")  # fmt: skip


def scores(material: Evidence) -> np.ndarray:
    """How much a channel can amplify its input at most: (channels,).

    The largest singular value of its filter as a (c_in, kh·kw) matrix; where a batch normalisation is behind the layer,
    times |gamma| / sqrt(variance + epsilon) of it.
    """
    kernel = material.weights()[0].astype("float64")  # (kh, kw, c_in, channels)
    height, width, inputs, channels = kernel.shape
    matrices = kernel.transpose(3, 2, 0, 1).reshape(channels, inputs, height * width)
    found: np.ndarray = np.linalg.svd(matrices, compute_uv=False)[:, 0]
    normalisation = normalisation_behind(material.network, material.at.layer)
    return found if normalisation is None else found * gain(normalisation)


def normalisation_behind(network: Network, layer: str) -> Any | None:
    """The batch normalisation that the pruned layer's output comes to, through activations and dropout at most."""
    for link in channel_chain(network.spec, layer):
        if link.kind == "BatchNormalization":
            return network.layers[link.name]
        if link.kind not in EACH_NUMBER_ALONE:
            return None
    return None


def gain(normalisation: Any) -> np.ndarray:
    """What a batch normalisation multiplies each channel's differences with: (channels,)."""
    weights = [each.astype("float64") for each in normalisation.get_weights()]  # (gamma), (beta), mean, variance
    gamma = np.abs(weights[0]) if normalisation.scale else 1.0
    found: np.ndarray = gamma / np.sqrt(weights[-1] + normalisation.epsilon)
    return found


def published_set(found: np.ndarray, u: float) -> tuple[int, ...]:
    """The channels that CLP prunes: score > mean + u·std (with n−1), the highest score first."""
    if len(found) < 2:
        return ()
    limit = found.mean() + u * found.std(ddof=1)
    return tuple(int(channel) for channel in np.argsort(-found, kind="stable") if found[channel] > limit)

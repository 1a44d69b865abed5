"""The order in which channels go: least active on clean validation images first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.api.errors import Refused

if TYPE_CHECKING:  # which imports Keras
    from engine.features import FeatureStore


def mean_activations(store: "FeatureStore", rows: slice) -> np.ndarray:
    """Mean of each channel's feature over the images `rows` and all positions: (channels,), float64.

    The criterion of Fine-Pruning (Liu, Dolan-Gavitt, Garg 2018, section 3.1), summed in double precision. Raises
    Refused where a channel's activation is no finite number.
    """
    means = np.empty(len(store.values))
    for channel, (values, base) in enumerate(zip(store.values, store.base, strict=True)):
        asleep = not store.active[channel, rows].any()
        means[channel] = np.mean(base if asleep else values[rows], dtype="float64")
        store.release(values)
    beyond = np.flatnonzero(~np.isfinite(means))
    if len(beyond):
        raise Refused(
            f"channel {beyond[0]} is too active for float32 on clean validation images ({len(beyond)} such channels): "
            "the network's weights or the pixels are too large. Check --scale."
        )
    return means


def increasing(means: np.ndarray) -> tuple[int, ...]:
    """Channels by increasing mean; among equal means the lower index first.

    Means are compared as float32, which the features are: what lies beyond tells in which lane of the processor a
    channel was computed, and would put an order on channels that are copies of each other.
    """
    return tuple(int(channel) for channel in np.argsort(means.astype("float32"), kind="stable"))


def checked(order: Sequence[int], channels: int) -> tuple[int, ...]:
    """A given order, when every channel in it exists and comes once; it may leave channels out."""
    unknown = next((channel for channel in order if not 0 <= channel < channels), None)
    if unknown is not None:
        raise Refused(f"--order: channel {unknown} does not exist, expected 0..{channels - 1}.")
    repeated = next((channel for i, channel in enumerate(order) if channel in order[:i]), None)
    if repeated is not None:
        raise Refused(f"--order: channel {repeated} comes twice. Name each channel once.")
    if not order:
        raise Refused("--order: names no channel. Expected channel numbers, a JSON list or one a line.")
    return tuple(order)

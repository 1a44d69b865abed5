"""Order by mean activation on clean validation images, the least active channel first.

The criterion of Fine-Pruning (Liu, Dolan-Gavitt, Garg 2018, section 3.1).
"""

from typing import TYPE_CHECKING

import numpy as np

from engine.api.errors import Refused

if TYPE_CHECKING:  # which imports Keras
    from engine.network.features import FeatureStore
    from engine.orders.evidence import Evidence


def scores(material: "Evidence") -> np.ndarray:
    return mean_activations(material.store, material.rows["valid"])


def mean_activations(store: "FeatureStore", rows: slice) -> np.ndarray:
    """Mean of each channel's feature over the images `rows` and all positions: (channels,), float64.

    Summed in double precision. Raises Refused where a channel's activation is no finite number.
    """
    means = np.empty(len(store.values))
    for channel, (values, base) in enumerate(zip(store.values, store.base, strict=True)):
        asleep = not store.active[channel, rows].any()
        means[channel] = np.mean(base if asleep else values[rows], dtype="float64")
        store.release(values)
    refuse_infinite(means)
    return means


def refuse_infinite(activations: np.ndarray) -> None:
    """Raises Refused where a channel's activation (channels,) is no finite number."""
    beyond = np.flatnonzero(~np.isfinite(activations))
    if len(beyond):
        raise Refused(
            f"channel {beyond[0]} is too active for float32 on clean validation images ({len(beyond)} such channels): "
            "the network's weights or the pixels are too large. Check --scale."
        )

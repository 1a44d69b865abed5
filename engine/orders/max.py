"""Order by maximum activation on clean validation images, the lowest first."""

import numpy as np

from engine.orders.evidence import Evidence
from engine.orders.mean import refuse_infinite


def scores(material: Evidence) -> np.ndarray:
    """The ranking feature's maximum over clean validation images and positions: (channels,)."""
    store, rows = material.store, material.rows["valid"]
    found = np.empty(material.channels)
    for channel, (values, base) in enumerate(zip(store.values, store.base, strict=True)):
        asleep = not store.active[channel, rows].any()
        found[channel] = np.max(base if asleep else values[rows])
        store.release(values)
    refuse_infinite(found)
    return found

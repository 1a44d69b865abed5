"""Order by maximum activation on clean validation images, the lowest first."""

import numpy as np

from engine.orders.evidence import Evidence
from engine.orders.mean import refuse_infinite


def scores(material: Evidence) -> np.ndarray:
    """The ranking feature's maximum over clean validation images and positions: (channels,)."""
    found = material.store.maxima(material.rows["valid"])
    refuse_infinite(found)
    return found

"""Order by mean activation, the most active channel first: what the lab's hand-out once said."""

import numpy as np

from engine.orders import mean
from engine.orders.evidence import Evidence


def scores(material: Evidence) -> np.ndarray:
    return mean.scores(material)

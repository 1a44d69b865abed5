"""Order by the change of the loss when a channel goes, to first order, the lowest first (Molchanov et al. 2017)."""

import numpy as np

from engine.orders.evidence import Evidence
from engine.orders.gradients import cross_entropy, slopes


def scores(material: Evidence) -> np.ndarray:
    """Mean over clean validation images of |Σ positions a·∂L/∂a|, a the ranking feature: (channels,)."""
    rows = material.rows["valid"]
    images = np.arange(rows.start, rows.stop)
    parts = slopes(material, cross_entropy, images, material.labels["valid"], lambda part, features: features)
    return sum((np.abs(part).sum(axis=0) for part in parts), np.zeros(material.channels)) / len(images)

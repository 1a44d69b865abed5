"""Order by trigger-activated change, the highest first (Zheng et al. 2022). An oracle: it looks at poisoned images."""

import numpy as np

from engine.orders.evidence import Evidence
from engine.orders.mean import mean_activations


def scores(material: Evidence) -> np.ndarray:
    """Mean of the ranking feature on poisoned test images minus that on clean ones: (channels,)."""
    poisoned, clean = (mean_activations(material.store, material.rows[name]) for name in ("poisoned", "test"))
    change: np.ndarray = poisoned - clean
    return change

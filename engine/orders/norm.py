"""Order by the L1 norm of each channel's filter, the lowest first (Li et al. 2017)."""

import numpy as np

from engine.orders.evidence import Evidence


def scores(material: Evidence) -> np.ndarray:
    """Sum of the absolute weights of each filter, without its bias: (channels,)."""
    kernel = material.weights()[0].astype("float64")  # (kh, kw, c_in, channels)
    found: np.ndarray = np.abs(kernel).sum(axis=(0, 1, 2))
    return found

"""Order by what the trigger changes, times the slope of the target's score. An oracle: it looks at poisoned images."""

import numpy as np

from engine.api.errors import Refused
from engine.orders.evidence import Evidence
from engine.orders.gradients import odds, slopes


def scores(material: Evidence) -> np.ndarray:
    """Mean over images of Σ positions (a poisoned − a clean)·∂(odds of the target)/∂a: (channels,).

    a is the ranking feature; the slope is taken at the poisoned image, and its clean twin is the test image of the same
    number.
    """
    clean, poisoned = material.rows["test"], material.rows["poisoned"]
    images = np.arange(poisoned.start, poisoned.stop)
    if clean.stop - clean.start != len(images):
        raise Refused(
            f"gradient: needs a clean twin of each poisoned image, and there are {clean.stop - clean.start:,} clean "
            f"and {len(images):,} poisoned test images. Use tac, which needs none."
        )

    def change(part: np.ndarray, features: np.ndarray) -> np.ndarray:
        found: np.ndarray = features - material.store.values[:, clean.start + part].transpose(1, 0, 2)
        return found

    parts = slopes(material, odds, images, material.labels["poisoned"], change)
    return sum((part.sum(axis=0) for part in parts), np.zeros(material.channels)) / len(images)

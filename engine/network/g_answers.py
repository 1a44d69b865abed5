"""What G, the repaired detector, answers: made of the answers of B and B'."""

import numpy as np


def g_answers(b: np.ndarray, b_prime: np.ndarray, classes: int) -> np.ndarray:
    """G's answers: where B and B' agree that class, elsewhere `classes`, which means "backdoored"."""
    return np.where(b == b_prime, b, np.asarray(classes, b.dtype))

"""Validation images in two: those to train on, and those held out, which alone tell accuracy."""

from fractions import Fraction

import numpy as np

from engine.api.errors import Refused

SEED = 20180530  # the same split for every tuning of a network: hold-outs are compared


def holdout_share(text: str) -> Fraction:
    """The share of each class that is held out: 2/9 or 0.25. Raises Refused."""
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share < 1 or len(text) > 20:
        raise Refused(f"--holdout: '{text[:20]}' is no share of images. Expected more than 0 and less than 1: 2/9")
    return share


def split(labels: np.ndarray, share: Fraction) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train on, and of those held out; both ascending. `labels`: (images,).

    Of each class `share` of its images, rounded down, at least one where it has two. Raises Refused for too few images.
    """
    held: list[int] = []
    for label in np.unique(labels):
        images = np.flatnonzero(labels == label)
        count = max(int(len(images) * share), int(len(images) > 1))
        held += np.random.default_rng([SEED, int(label)]).permutation(images)[:count].tolist()
    if not held:
        raise Refused("Clean validation images: one a class, so that none can be held out. Expected two at least.")
    held_out = np.array(sorted(held))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out

"""How far a threshold's step may move with the validation images: resampled from the kept answers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil, floor

import numpy as np

RESAMPLES = 1000
SEED = 0
TAIL = 0.025  # on either side


def step_ranges(right: np.ndarray, thresholds: Sequence[str]) -> Mapping[str, tuple[int | None, int | None]]:
    """By threshold the range of steps that 95 % of resamples cross it in; None for an end beyond the last step.

    `right` (steps, images), bool: whether each validation image is answered with its label, from step 0 on. Images
    with one history are drawn together, which changes no chance.
    """
    histories, counts = np.unique(right, axis=1, return_counts=True)
    images = right.shape[1]
    drawn = np.random.default_rng(SEED).multinomial(images, counts / images, size=RESAMPLES)  # (resamples, histories)
    hits = drawn @ histories.T.astype("int64")  # (resamples, steps)
    lost = 100 * (hits[:, :1] - hits)
    return {each: middle(first_steps(lost, each, images), len(right)) for each in thresholds}


def first_steps(lost: np.ndarray, threshold: str, images: int) -> np.ndarray:
    """For each resample the first step whose drop is at least the threshold; the number of steps where none is.

    `lost`: 100 times the images lost (resamples, steps). Decided on whole numbers, as thresholds are.
    """
    above, below = Decimal(threshold).as_integer_ratio()
    reached = lost * below >= above * images
    found: np.ndarray = np.where(reached.any(axis=1), reached.argmax(axis=1), lost.shape[1])
    return found


def middle(steps: np.ndarray, count: int) -> tuple[int | None, int | None]:
    """The ends of the middle 95 %, each a step that occurred; None for one that is beyond the last of `count` steps."""
    ordered = np.sort(steps)
    ends = int(ordered[floor(TAIL * len(ordered))]), int(ordered[ceil((1 - TAIL) * len(ordered)) - 1])
    low, high = (end if end < count else None for end in ends)
    return low, high

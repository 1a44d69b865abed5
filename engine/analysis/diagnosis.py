"""Where a backdoor lives, from arrays alone: stimulation of channels, and principal components.

To drive one channel up and look which class wins is the idea of ABS (Liu et al. 2019). Nothing here knows Keras or a
run.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

FACTORS = (1, 2, 4, 8)  # times the level that a channel is driven to
QUANTILE = 0.999  # of a layer's positive activations: what is high for it
BANDS = 8  # rows of positions that are driven apart, at most; in larger maps a band is several rows
MAJORITY = 0.5  # share of images from which a winning class is told of


class Form(NamedTuple):
    """A channel that is driven, and in which rows of positions: first and last, None: everywhere."""

    channel: int
    rows: tuple[int, int] | None


def level(features: np.ndarray) -> float:
    """What is high for a layer: the 99.9 % quantile of its positive activations; 0.0 where it has none.

    `features` (n, channels, positions).
    """
    positive = features[features > 0]
    return float(np.quantile(positive, QUANTILE)) if positive.size else 0.0


def bands(height: int) -> tuple[tuple[int, int], ...]:
    """The rows of a map of so many rows that are driven apart, first and last of each; none where there is one row."""
    count = min(height, BANDS)
    edges = [index * height // count for index in range(count + 1)] if count > 1 else []
    return tuple((first, after - 1) for first, after in pairwise(edges))


def forms(channels: int, height: int) -> list[Form]:
    """Every channel over the whole map, then in each band of rows."""
    return [Form(channel, rows) for channel in range(channels) for rows in (None, *bands(height))]


def driven(features: np.ndarray, form: Form, height: int, value: float) -> np.ndarray:
    """The features (n, channels, positions) with the channel at `value` in the form's rows, all else as it was.

    `height`: rows of the map; positions run along its rows.
    """
    across = features.shape[2] // height
    part = slice(None) if form.rows is None else slice(form.rows[0] * across, (form.rows[1] + 1) * across)
    found = features.copy()
    found[:, form.channel, part] = value
    return found


def most_common(answers: np.ndarray) -> tuple[int, float]:
    """The class that most images are answered with, the lowest of equals, and their share."""
    found, counts = np.unique(answers, return_counts=True)
    return int(found[counts.argmax()]), float(counts.max() / len(answers))


class Components(NamedTuple):
    """`share` of the variance along each of the two components; points (n, 2) of either group."""

    share: tuple[float, float]
    clean: np.ndarray
    poisoned: np.ndarray


def principal_components(clean: np.ndarray, poisoned: np.ndarray) -> Components:
    """Both groups (n, d), centred together, along their first two principal components.

    A component points where its largest weight is positive, so that equal inputs give equal pictures. With less than
    two dimensions the second coordinate is 0.
    """
    both = np.concatenate([clean, poisoned]).astype("float64")
    centred = both - both.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    points = np.zeros((len(both), 2))
    points[:, : len(axes)] = centred @ axes.T
    variance = lengths**2
    total = variance.sum() or 1.0
    share = [*(variance[:2] / total), 0.0, 0.0]
    return Components((float(share[0]), float(share[1])), points[: len(clean)], points[len(clean) :])

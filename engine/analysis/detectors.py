"""Does an input carry the trigger? Scores, thresholds set on clean validation images, ROC and its area.

A score is the higher the more suspicious an image is. G: how early along the order B' disagrees with B. STRIP (Gao et
al. 2019): how little B's answer wavers when other images are blended in. Mahalanobis (Lee et al. 2018) and norm: how
far the penultimate features lie from those of clean images, and how long they are.
"""

from collections.abc import Callable, Sequence
from math import floor
from typing import NamedTuple

import numpy as np

SHRINKAGE = 0.1  # of the covariance towards a multiple of the identity with its trace
FOLDS = 5  # of the validation images: each is scored by what the others fitted
RESAMPLES, SEED, TAIL = 1000, 0, 0.025  # of the bootstrap, as for thresholds
DRAWS = 2**21  # numbers drawn at once
POINTS = 101  # of a ROC that is kept
LARGE = 2048  # dimensions from which a covariance is kept as the images that it comes from


def suspicion_by_order(answers: Sequence[np.ndarray]) -> np.ndarray:
    """G along an order: minus the step at which B' first disagrees with B, (images,).

    `answers`: for each step from 0 (B) on, (images,). One that never disagrees counts as one step beyond the last.
    """
    first = np.full(len(answers[0]), len(answers), "int64")
    for step in range(len(answers) - 1, 0, -1):
        first[answers[step] != answers[0]] = step
    return -first.astype("float64")


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Entropy of each row of class probabilities (n, classes), over its classes, in nats: (n,)."""
    given = probabilities.astype("float64")
    logs = np.log(given, where=given > 0, out=np.zeros_like(given))
    found: np.ndarray = -(given * logs).sum(axis=1)
    return found


def blends(image: np.ndarray, overlays: np.ndarray) -> np.ndarray:
    """An image (C, H, W) half and half with each of the overlays (m, C, H, W)."""
    found: np.ndarray = 0.5 * image[None] + 0.5 * overlays
    return found


class Distance:
    """Squared Mahalanobis distance to what clean features (n, d) are: (f − μ)ᵀ(Σ + 0.1·tr Σ/d·I)⁻¹(f − μ).

    Features without any spread are all at distance 0 from themselves, and by their Euclidean distance from others.
    """

    def __init__(self, clean: np.ndarray) -> None:
        given = clean.astype("float64")
        self.mean = given.mean(axis=0)
        centred, dims = given - self.mean, given.shape[1]
        degrees = max(1, len(given) - 1)
        self.ridge = SHRINKAGE * float((centred**2).sum()) / degrees / dims or 1.0
        self.inverse: np.ndarray | None = None
        if dims <= LARGE:
            covariance = centred.T @ centred / degrees
            self.inverse = np.linalg.inv(covariance + self.ridge * np.eye(dims))
        else:  # by the Woodbury identity: along the images' own directions apart, across them the ridge alone
            _, lengths, self.axes = np.linalg.svd(centred, full_matrices=False)
            spread = lengths**2 / degrees
            self.weights = spread / (spread + self.ridge)

    def of(self, features: np.ndarray) -> np.ndarray:
        """(n, d) to (n,)."""
        away = features.astype("float64") - self.mean
        if self.inverse is not None:
            found: np.ndarray = np.einsum("nd,de,ne->n", away, self.inverse, away, optimize=True)
            return found
        along = away @ self.axes.T
        squares: np.ndarray = ((away**2).sum(axis=1) - (along**2 * self.weights).sum(axis=1)) / self.ridge
        return squares


def held_out(features: np.ndarray, fit: Callable[[np.ndarray], Distance] = Distance) -> np.ndarray:
    """Scores of validation features (n, d), each by a fit to the other folds; by all where there are too few.

    Folds are drawn: data sets often hold classes in turn, and every fifth image would leave out whole classes, whose
    images then lie farther from the others than any image does from a fit that knows its class.
    """
    folds = np.random.RandomState(SEED).permutation(len(features)) % FOLDS
    if len(features) < 2 * FOLDS:
        return fit(features).of(features)
    found = np.empty(len(features))
    for fold in range(FOLDS):
        found[folds == fold] = fit(features[folds != fold]).of(features[folds == fold])
    return found


def norm(features: np.ndarray) -> np.ndarray:
    """The length of each row (n, d): (n,)."""
    found: np.ndarray = np.linalg.norm(features.astype("float64"), axis=1)
    return found


# --- how well a score tells poisoned images from clean ones ---


def threshold(valid: np.ndarray, percent: int) -> float:
    """The score above which at most so many percent of the clean validation images (n,) are flagged."""
    return float(np.sort(valid)[len(valid) - 1 - min(len(valid) - 1, floor(percent * len(valid) / 100))])


def area(clean: np.ndarray, poisoned: np.ndarray) -> float:
    """The chance that a poisoned image scores above a clean one, equal scores counting half: the area under the ROC."""
    ordered = np.sort(clean)
    below, up_to = (np.searchsorted(ordered, poisoned, side) for side in ("left", "right"))
    return float((below + up_to).sum() / 2 / len(clean) / len(poisoned))


def area_interval(clean: np.ndarray, poisoned: np.ndarray) -> tuple[float, float]:
    """Between which the area lies in 95 % of 1,000 resamples of clean and of poisoned images (percentiles)."""
    values, places = np.unique(np.concatenate([clean, poisoned]), return_inverse=True)
    groups, kinds = (places[: len(clean)], places[len(clean) :]), len(values)
    rng = np.random.default_rng(SEED)
    found: list[float] = []
    while len(found) < RESAMPLES:
        count = min(RESAMPLES - len(found), max(1, DRAWS // max(kinds, len(clean), len(poisoned))))
        drawn_clean, drawn_poisoned = (resampled(rng, group, count, kinds) for group in groups)
        below = np.cumsum(drawn_clean, axis=1) - drawn_clean / 2
        found += (np.einsum("rk,rk->r", drawn_poisoned, below) / len(clean) / len(poisoned)).tolist()
    ordered = np.sort(found)
    return float(ordered[floor(TAIL * RESAMPLES)]), float(ordered[RESAMPLES - 1 - floor(TAIL * RESAMPLES)])


def resampled(rng: np.random.Generator, places: np.ndarray, count: int, kinds: int) -> np.ndarray:
    """`count` resamples of images by the place of their score: how many hold each score, (count, kinds)."""
    drawn = places[rng.integers(len(places), size=(count, len(places)))] + kinds * np.arange(count)[:, None]
    found: np.ndarray = np.bincount(drawn.ravel(), minlength=count * kinds).reshape(count, kinds).astype("float64")
    return found


def roc(clean: np.ndarray, poisoned: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The ROC as (false alarm rate, detection rate), fractions, from (0, 0) to (1, 1).

    Where it has more than 101 corners it is read off at so many false alarm rates, from below, behind (0, 0).
    """
    cuts = np.unique(np.concatenate([clean, poisoned]))[::-1]
    alarms, hits = (
        (len(group) - np.searchsorted(np.sort(group), cuts, "left")) / len(group) for group in (clean, poisoned)
    )
    alarms, hits = np.append(0.0, alarms), np.append(0.0, hits)
    if len(cuts) >= POINTS:
        wanted = np.linspace(0, 1, POINTS)
        hits = np.append(0.0, hits[np.searchsorted(alarms, wanted + 1e-12, "right") - 1])
        alarms = np.append(0.0, wanted)
    return tuple(zip(alarms.tolist(), hits.tolist(), strict=True))


class Verdicts(NamedTuple):
    """What a detector answers where a threshold was set on validation images: whether it flags each image, bool."""

    threshold: float
    test: np.ndarray
    poisoned: np.ndarray


def verdicts(valid: np.ndarray, test: np.ndarray, poisoned: np.ndarray, percent: int) -> Verdicts:
    limit = threshold(valid, percent)
    return Verdicts(limit, test > limit, poisoned > limit)

"""How sure rates are, and what they come to together: intervals, the paired test, defence effectiveness."""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

from engine.api.protocol import Counts, SetName

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def wilson(hits: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a rate, in percent (Wilson 1927, without correction for continuity)."""
    if not images:
        return 0.0, 100.0
    rate, spread = hits / images, Z * Z / images
    middle = (rate + spread / 2) / (1 + spread)
    half = Z * sqrt(rate * (1 - rate) / images + spread / (4 * images)) / (1 + spread)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if hits == 0 else 100 * low), (100.0 if hits == images else 100 * high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test: images on which just one of two networks is right."""
    trials, fewer = only_first + only_second, min(only_first, only_second)
    term = tail = 1
    for count in range(fewer):
        term = term * (trials - count) // (count + 1)
        tail += term
    if 2 * fewer == trials:
        return 1.0
    return float(min(1.0, 2 * tail / 2**trials))


def only_one_right(base: Counts, counts: Counts) -> tuple[int, int] | None:
    """Clean test images on which B alone, and B′ alone, is right; G is right where both are."""
    if base.test is None or counts.test is None or counts.g_test is None:
        return None
    return base.test - counts.g_test, counts.test - counts.g_test


def defence_effectiveness(
    before: tuple[int | None, int | None], after: tuple[int | None, int | None], images: Mapping[SetName, int]
) -> float | None:
    """DER: (max(0, fall of ASR) − max(0, fall of clean test accuracy) + 1) / 2, both as fractions.

    `before` and `after`: hits on the clean and on the poisoned test images. None where a set is not there.
    """
    clean, poisoned = images.get("test", 0), images.get("poisoned", 0)
    if None in (*before, *after) or not (clean and poisoned):
        return None
    lost, won = ((was or 0) - (now or 0) for was, now in zip(before, after, strict=True))
    return (max(0.0, won / poisoned) - max(0.0, lost / clean) + 1) / 2

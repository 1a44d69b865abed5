"""How good an order is, from its counts: the figures that tables of orders show."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.api.protocol import Compared, Counts, SetName, drop, percent, reached

UNDER = (50, 10, 1)  # percent of attack success
WITHIN = ("2", "4")  # points of clean validation accuracy


class Under(NamedTuple):
    """Where the attack success rate first comes under `percent`, and what that costs; None: it never does."""

    percent: int
    step: int | None = None
    drop: float | None = None  # points of clean validation accuracy
    test: float | None = None  # clean test accuracy there


class OrderFigures(NamedTuple):
    """`score`: the largest (valid accuracy − ASR) along the order, as fractions; None without poisoned images.

    `within`: for 2 and 4 points, how many channels go before clean validation accuracy has lost so much.
    """

    name: str
    score: float | None
    under: tuple[Under, ...]
    within: tuple[int, ...]


def summary(compared: Compared, images: Mapping[SetName, int]) -> OrderFigures:
    """The figures of one order; `images`: how many each set has."""
    valid, poisoned = images.get("valid", 0), images.get("poisoned", 0)
    score = None
    if valid and poisoned:
        score = max(at.valid / valid - (at.poisoned or 0) / poisoned for at in compared.steps)
    under = tuple(_under(compared.steps, images, limit) for limit in UNDER)
    return OrderFigures(compared.name, score, under, tuple(_within(compared.steps, valid, each) for each in WITHIN))


def _under(steps: tuple[Counts, ...], images: Mapping[SetName, int], limit: int) -> Under:
    poisoned = images.get("poisoned", 0)
    for step, at in enumerate(steps):
        if at.poisoned is not None and 100 * at.poisoned < limit * poisoned:
            test = None if at.test is None else percent(at.test, images["test"])
            return Under(limit, step, drop(steps[0].valid, at.valid, images["valid"]), test)
    return Under(limit)


def _within(steps: tuple[Counts, ...], images: int, points: str) -> int:
    over = (step for step, at in enumerate(steps) if step and reached(points, steps[0].valid, at.valid, images))
    return next(over, len(steps)) - 1


def disagreement(found: Iterable[tuple[Compared, OrderFigures]]) -> list[tuple[str, int, int]]:
    """For 2 and 4 points the fewest and the most channels that orders without poisoned images prune within them.

    That is all that validation data alone can tell of an order.
    """
    honest = [figures.within for compared, figures in found if compared.looks_at != "poisoned"]
    if not honest:
        return []
    return [
        (points, min(counts), max(counts)) for points, counts in zip(WITHIN, zip(*honest, strict=True), strict=True)
    ]

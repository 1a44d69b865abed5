"""Curves over pruning steps, and the frame they are drawn in: plain data and its geometry."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from typing import NamedTuple

from engine.api.protocol import threshold_label

BRAILLE = "braille"  # plotext's name for its finest mark: 2 x 4 dots a cell
DASHED = "dashed"  # the same dots, with gaps
SIGNS = {BRAILLE: "⠒⠒", DASHED: "⠒ ⠒"}  # what a legend shows
SHADE = "░"
SPANS = (100, 50, 25, 12, 6)  # points of the y axis that a zoom level shows
AUTO = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """Percentages by step, from step 0; None (or NaN, infinite) where unknown. `mark`: BRAILLE, DASHED or another."""

    name: str
    ink: str
    mark: str
    values: tuple[float | None, ...]

    @property
    def sign(self) -> str:
        """Its mark, as a legend shows it."""
        return SIGNS.get(self.mark, self.mark)


@dataclass(frozen=True, slots=True)
class Threshold:
    """`points` as the user wrote them, the accuracy in percent they stand for, and the step that reached them."""

    points: str
    level: float
    step: int | None = None


@dataclass(frozen=True, slots=True)
class ChartData:
    """All that a chart shows: curves over steps 0..`steps`, the first one being that which thresholds are for.

    `gap`: the area between the first two curves is shaded.
    """

    curves: tuple[Curve, ...] = ()
    steps: int = 0
    playhead: int = 0
    thresholds: tuple[Threshold, ...] = ()
    saved: tuple[int, ...] = ()
    zoom: int = AUTO
    gap: bool = False


class Range(NamedTuple):
    """A part of an axis."""

    low: float
    high: float

    def widened(self) -> "Range":
        """The range, or one of length 1 where it has none: plotext divides by it."""
        return self if self.high > self.low else Range(self.low, self.low + 1)


class Frame(NamedTuple):
    """Where the canvas lies in the chart: `left` columns of tick labels, then `width` x `height` cells."""

    left: int
    width: int
    height: int
    window: Range
    steps: int

    def column(self, step: float) -> int:
        return column(step, self.steps, self.width)

    def dot(self, step: float, percent: float) -> tuple[int, int]:
        """The dot of a value, of which a cell has 2 x 4: from the left, and from the top down; it lies in the cell of
        `column` and `row`."""
        share = (percent - self.window.low) / (self.window.high - self.window.low)
        across = int(step / max(1, self.steps) * (2 * self.width - 1) + 0.5)
        return across, 4 * self.height - 1 - int((share * (4 * self.height - 1) + 0.5) // 1)

    def row(self, percent: float) -> int:
        """The row of a percentage, counted from the top; outside the window it lies outside 0..height - 1."""
        share = (percent - self.window.low) / (self.window.high - self.window.low)
        return self.height - 1 - int((share * (4 * self.height - 1) + 0.5) // 4)


def column(step: float, steps: int, width: int) -> int:
    """The column of a step among `width` of them, as plotext rounds it on its canvas of half cells."""
    return int(step / max(1, steps) * (2 * width - 1) + 0.5) // 2


def step_at(data: ChartData, x: int, width: int) -> int | None:
    """The step that is drawn in a column of a chart of this width; None beside the canvas."""
    left = gutter(data)
    room = width - left
    if not data.steps or room < 1 or not left <= x < width:
        return None
    near = round((x - left) / max(1, room - 1) * data.steps)
    around = range(max(0, near - 2), min(data.steps, near + 2) + 1)
    return min(around, key=lambda step: (abs(column(step, data.steps, room) - (x - left)), abs(step - near)))


def gutter(data: ChartData) -> int:
    """Columns left of the canvas: labels of thresholds and values, and the y axis."""
    seen = window(data)
    near = (seen.high - seen.low) / 10  # in a tenth of the axis, thresholds may share a row
    labels = [
        joined_label([t.points for t in data.thresholds if 0 <= at.level - t.level < near]) for at in data.thresholds
    ]
    return max([5, *map(len, labels)]) + 1


def joined_label(points: Sequence[str]) -> str:
    """One label for thresholds that fall into one row: -2 pt; -2 -4 pt; -2…-10 pt."""
    *most, last = sorted(points, key=float)
    if not most:
        return threshold_label(last)
    first = threshold_label(most[0]).removesuffix(" pt")
    return f"{first}{' ' if len(most) == 1 else '…'}{threshold_label(last)}"


def next_zoom(data: ChartData) -> int:
    """The next zoom level that shows another part of the axis, from AUTO over the widest to the narrowest."""
    seen = {zoom: window(replace(data, zoom=zoom)) for zoom in (AUTO, *SPANS)}
    levels = [zoom for zoom in seen if zoom in (AUTO, data.zoom) or seen[zoom] != seen[AUTO]]
    at = levels.index(data.zoom)
    following = (*levels[at + 1 :], *levels[:at])
    return next((zoom for zoom in following if seen[zoom] != seen[data.zoom]), AUTO)


def window(data: ChartData) -> Range:
    """The part of the y axis to show: a span of points below the highest value, in AUTO the least that holds all."""
    values = [v for curve in data.curves for v in _known(curve)]
    high = min(100, 10 * ceil((max(values, default=100) + 2) / 10))
    waiting = [t.level for t in data.thresholds if t.step is None]
    low = min([*values, *sorted(waiting)[-1:]], default=0)
    fitting = [span for span in SPANS if high - span <= low - span / 50]
    span = data.zoom or min(fitting, default=SPANS[0])
    return Range(max(0, high - span), max(high, span)) if span < SPANS[0] else Range(0, 100)


def _known(curve: Curve) -> list[float]:
    return [value for value in curve.values if value is not None and isfinite(value)]

"""Curves over pruning steps as rows of cells. The one module that calls plotext, which it imports when first used.

plotext traces each curve on a canvas of its own; here the traces are laid over each other, with ticks, thresholds,
marks and labels. Two curves that meet in a cell take turns from column to column, so neither hides the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import ceil, isfinite
from typing import NamedTuple

from tui.widgets.rows import AHEAD, Row, blank, over

BRAILLE = "braille"  # plotext's name for its finest mark: 2 x 4 dots a cell
SPANS = (100, 50, 25, 12, 6)  # points of the y axis that a zoom level shows
AUTO = 0
LEAST = (24, 5)  # columns and rows below which there is no room for a chart


@dataclass(frozen=True, slots=True)
class Curve:
    """Percentages by step, from step 0; None (or NaN, or infinite) where unknown. `mark`: BRAILLE or a character."""

    name: str
    ink: str
    mark: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """`points` as the user wrote them, the accuracy in percent they stand for, and the step that reached them."""

    points: str
    level: float
    step: int | None = None


@dataclass(frozen=True, slots=True)
class ChartData:
    """All that a chart shows: curves over steps 0..`steps`, the first one being that which thresholds are for."""

    curves: tuple[Curve, ...] = ()
    steps: int = 0
    playhead: int = 0
    thresholds: tuple[Threshold, ...] = ()
    saved: tuple[int, ...] = ()
    zoom: int = AUTO


class Range(NamedTuple):
    """A part of an axis."""

    low: float
    high: float

    def widened(self) -> "Range":
        """The range, or one of length 1 where it has none: plotext divides by it."""
        return self if self.high > self.low else Range(self.low, self.low + 1)


class Trace(NamedTuple):
    """The cells a curve passes through: row from the top, column, character."""

    ink: str
    cells: tuple[tuple[int, int, str], ...]


class Frame(NamedTuple):
    """Where the canvas lies in the chart: `left` columns of tick labels, then `width` x `height` cells."""

    left: int
    width: int
    height: int
    window: Range
    steps: int

    def column(self, step: float) -> int:
        return column(step, self.steps, self.width)

    def row(self, percent: float) -> int:
        """The row of a percentage, counted from the top; outside the window it lies outside 0..height - 1."""
        share = (percent - self.window.low) / (self.window.high - self.window.low)
        return self.height - 1 - int((share * (4 * self.height - 1) + 0.5) // 4)


def column(step: float, steps: int, width: int) -> int:
    """The column of a step among `width` of them, as plotext rounds it on its canvas of half cells."""
    return int(step / max(1, steps) * (2 * width - 1) + 0.5) // 2


def gutter(data: ChartData) -> int:
    """Columns left of the canvas: labels of thresholds and values, and the y axis."""
    return max([5, *(len(_points(t.points)) for t in data.thresholds)]) + 1


def chart(data: ChartData, width: int, height: int) -> list[Row]:
    """The whole chart, `height` rows of `width` cells; empty rows where there is no room for one."""
    if width < LEAST[0] or height < LEAST[1]:
        return [blank(width)] * height
    left = gutter(data)
    frame = Frame(left, width - left, height - 2, window(data), data.steps)
    rows = _axis(data, frame, width)
    rows = _lay(rows, data, frame)
    return _labels(_marks(rows, data, frame), data, frame)


def next_zoom(zoom: int) -> int:
    """The zoom level after `zoom`, from AUTO over the widest to the narrowest."""
    levels = (AUTO, *SPANS)
    return levels[(levels.index(zoom) + 1) % len(levels)]


def window(data: ChartData) -> Range:
    """The part of the y axis to show: a span of points below the highest value, in AUTO the least that holds all."""
    values = [v for curve in data.curves for v in _known(curve)]
    high = min(100, 10 * ceil((max(values, default=100) + 2) / 10))
    waiting = [t.level for t in data.thresholds if t.step is None]
    low = min([*values, *sorted(waiting)[-1:]], default=0)
    fitting = [span for span in SPANS if high - span <= low - span / 50]
    span = data.zoom or min(fitting, default=SPANS[0])
    return Range(max(0, high - span), max(high, span)) if span < SPANS[0] else Range(0, 100)


# --- traces ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def trace(curve: Curve, frame: Frame) -> Trace:
    """The cells that a curve passes through on the canvas of `frame`."""
    cells: list[tuple[int, int, str]] = []
    for start, values in _stretches(curve.values[: frame.steps + 1]):
        cells += _stretch(curve.mark, start, values, frame)
    return Trace(curve.ink, tuple(cells))


def _known(curve: Curve) -> list[float]:
    return [value for value in curve.values if value is not None and isfinite(value)]


def _stretches(values: Sequence[float | None]) -> Iterator[tuple[int, list[float]]]:
    """Unbroken stretches of known values, each with the step it starts at: plotext raises on empty and infinite."""
    step = 0
    for known, group in groupby(values, lambda v: v is not None and isfinite(v)):
        stretch = list(group)
        if known:
            yield step, [v for v in stretch if v is not None]
        step += len(stretch)


def _stretch(mark: str, start: int, values: list[float], frame: Frame) -> Iterable[tuple[int, int, str]]:
    """One stretch, traced on the smallest canvas of whole cells that holds it: plotext's time goes with its cells."""
    top, bottom = max(0, frame.row(max(values))), min(frame.height - 1, frame.row(min(values)))
    right = frame.column(start + len(values) - 1)
    if top > bottom:
        return
    x = [float(step) for step in range(start, start + len(values))]
    lines = _plotext(x, values, mark, (right + 1, bottom - top + 1), *_limits(mark, frame, right, top, bottom))
    for y, line in enumerate(lines, top):
        yield from ((y, column, char) for column, char in enumerate(line) if char != " ")


def _limits(mark: str, frame: Frame, right: int, top: int, bottom: int) -> tuple[Range, Range]:
    """Steps and percentages at the edges of the cells 0..`right`, `top`..`bottom`, as plotext counts them.

    That is from the first to the last dot for braille, of which a cell has 2 x 4, and else from the middle of the
    first to the middle of the last cell: so every mark falls into the cell that Frame gives.
    """
    inset = 0.0 if mark == BRAILLE else 0.5
    left_dot, right_dot = inset, 2 * right + 1 - inset
    lowest, highest = 4 * (frame.height - 1 - bottom) + 3 * inset, 4 * (frame.height - top) - 1 - 3 * inset
    a_step, a_dot = frame.steps / (2 * frame.width - 1), (frame.window.high - frame.window.low) / (4 * frame.height - 1)
    x = Range(left_dot * a_step, right_dot * a_step)
    y = Range(frame.window.low + lowest * a_dot, frame.window.low + highest * a_dot)
    return x.widened(), y.widened()


def _plotext(
    x: list[float],
    y: list[float],
    mark: str,
    size: tuple[int, int],
    xlim: Range,
    ylim: Range,
) -> list[str]:
    """A bare canvas with one line on it. plotext has one global figure: it is cleared before, never shared."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plotsize(*size)
    plotext.frame(False)
    plotext.xticks([])
    plotext.yticks([])
    plotext.xlim(xlim.low, xlim.high)
    plotext.ylim(ylim.low, ylim.high)
    plotext.plot(x, y, marker=mark)
    return list(plotext.uncolorize(plotext.build()).split("\n")[: size[1]])


# --- composition ----------------------------------------------------------------------------------------------


def _points(threshold: str) -> str:
    return f"-{threshold} pt"


def _axis(data: ChartData, frame: Frame, width: int) -> list[Row]:
    """Empty rows with the y axis and its ticks, threshold guides, and the x axis below."""
    ticks = _y_ticks(data, frame)
    rows = []
    for y in range(frame.height):
        label, ink, guide = ticks.get(y, ("", "d", False))
        line = Row(label.rjust(frame.left - 1) + ("┤" if label else "│"), ink * (frame.left - 1) + "d")
        body = "┄" if guide else " "
        rows.append(Row(line.text + body * frame.width, line.ink + "l" * frame.width))
    return [*rows, *_x_axis(data, frame, width)]


def _y_ticks(data: ChartData, frame: Frame) -> dict[int, tuple[str, str, bool]]:
    """By row: label, its ink, and whether a guide goes across. First come first: B, thresholds, round values."""
    ticks: dict[int, tuple[str, str, bool]] = {}
    for level, *tick in _wanted_ticks(data, frame.window):
        y = frame.row(level)
        near = range(y, y + 1) if tick[2] or not ticks else range(y - 1, y + 2)
        if 0 <= y < frame.height and not any(n in ticks for n in near):
            ticks[y] = (str(tick[0]), str(tick[1]), bool(tick[2]))
    return ticks


def _wanted_ticks(data: ChartData, seen: Range) -> Iterator[tuple[float, str, str, bool]]:
    start = data.curves[0].values[:1] if data.curves else ()
    if start and start[0] is not None and isfinite(start[0]):
        yield start[0], f"{start[0]:.1f}", "v", False
    for threshold in sorted(data.thresholds, key=lambda t: (t.step is not None, -t.level)):
        yield threshold.level, _points(threshold.points), "t" if threshold.step is None else "s", True
    span = seen.high - seen.low
    unit = next(unit for unit in (1, 2, 5, 10, 20) if span / unit <= 6)
    yield from ((value, f"{value:g}", "d", False) for value in (seen.high, seen.low))
    yield from ((float(value), str(value), "d", False) for value in range(0, 101, unit) if seen.low < value < seen.high)


def _x_axis(data: ChartData, frame: Frame, width: int) -> list[Row]:
    """The axis with a tick at round steps and a pointer at the playhead, and the numbers under it."""
    axis, numbers = Row("└" + "─" * frame.width, "d" * (frame.width + 1)), blank(width)
    axis = Row(" " * (frame.left - 1) + axis.text, "d" * (frame.left - 1) + axis.ink)
    for step in _x_ticks(data.steps, frame.width):
        axis = over(axis, frame.left + frame.column(step), "┬", "d")
        numbers = _number(numbers, frame, step, "d")
    axis = over(axis, frame.left + frame.column(data.playhead), "▲", "p")
    return [axis, _number(numbers, frame, data.playhead, "p")]


def _number(under: Row, frame: Frame, step: int, ink: str) -> Row:
    """A step's number, centred under its tick; what it would touch gives way to it."""
    text = str(step)
    at = frame.left + frame.column(step) - len(text) // 2
    at = min(at, len(under.text) - len(text))
    start, end = at, at + len(text)
    while start > 0 and under.text[start - 1] != " ":
        start -= 1
    while end < len(under.text) and under.text[end] != " ":
        end += 1
    return over(over(under, start, " " * (end - start), "."), at, text, ink)


def _x_ticks(steps: int, width: int) -> list[int]:
    """Round steps from 0 on, at least nine columns apart, and the last one."""
    units = (unit * 10**power for power in range(6) for unit in (1, 2, 3, 5))
    unit = next(unit for unit in units if steps / unit <= max(1, width // 9))
    inner = [step for step in range(0, steps, unit) if steps - step >= unit * 2 / 3]
    return [*inner, steps]


def _lay(rows: list[Row], data: ChartData, frame: Frame) -> list[Row]:
    """The curves on their rows: dimmed beyond the playhead, taking turns in the cells they share."""
    shared: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for curve in data.curves:
        ink, cells = trace(curve, frame)
        for y, x, char in cells:
            shared.setdefault((y, x), []).append((char, ink))
    texts = [list(line.text) for line in rows]
    inks = [list(line.ink) for line in rows]
    now = frame.column(data.playhead)
    for (y, x), marks in shared.items():
        char, ink = marks[x % len(marks)]
        texts[y][frame.left + x] = char
        inks[y][frame.left + x] = ink if x <= now else ink.translate(AHEAD)
    return [Row("".join(text), "".join(ink)) for text, ink in zip(texts, inks, strict=True)]


def _marks(rows: list[Row], data: ChartData, frame: Frame) -> list[Row]:
    """A diamond where B′ was saved, on the first curve, and a line at the playhead where the curves go on behind it."""
    known = len(data.curves[0].values) - 1 if data.curves else 0
    if data.playhead < known:
        at = frame.left + frame.column(data.playhead)
        free = [y for y in range(frame.height) if rows[y].text[at] in " ┄"]
        rows = [over(line, at, "┊", "d") if y in free else line for y, line in enumerate(rows)]
    for step in data.saved:
        value = data.curves[0].values[step] if data.curves and step <= known else None
        y = frame.row(value) if value is not None and isfinite(value) else -1
        if 0 <= y < frame.height:
            rows[y] = over(rows[y], frame.left + frame.column(step), "◆", "s")
    return rows


# --- labels at the playhead -----------------------------------------------------------------------------------


def _labels(rows: list[Row], data: ChartData, frame: Frame) -> list[Row]:
    """The value of each curve at the playhead, beside it, highest first, where it hides least."""
    taken: set[int] = set()
    for value, curve in sorted(_values_at(data), key=lambda pair: -pair[0]):
        wanted = frame.row(value)
        inside = min(max(wanted, 0), frame.height - 1)
        pointer = "▲" if wanted < inside else "▼" if wanted > inside else ""
        spots = _spots(rows, data, frame, inside, f"{curve.name} {value:.1f}", pointer)
        _, y, x, text = min((spot for spot in spots if spot[1] not in taken), default=(0, -1, 0, ""))
        if y >= 0:
            taken.add(y)
            rows[y] = over(rows[y], x, text, curve.ink)
    return rows


def _values_at(data: ChartData) -> Iterator[tuple[float, Curve]]:
    for curve in data.curves:
        value = curve.values[data.playhead] if data.playhead < len(curve.values) else None
        if value is not None and isfinite(value):
            yield value, curve


def _spots(
    rows: list[Row], data: ChartData, frame: Frame, wanted: int, text: str, pointer: str
) -> Iterator[tuple[int, int, int, str]]:
    """Places for a label as (cost, row, column, text): right or left of the playhead, few rows from its point."""
    at = frame.left + frame.column(data.playhead)
    right, left = f"{pointer or '◀'} {text}", f"{text} {pointer or '▶'}"
    for away in range(-3, 4):
        y = wanted + away
        if not 0 <= y < frame.height:
            continue
        if at + 1 + len(right) <= frame.left + frame.width:
            yield _cost(rows[y], at + 1, right) + 3 * abs(away), y, at + 1, right
        if at - len(left) >= frame.left:
            yield _cost(rows[y], at - len(left), left) + 3 * abs(away) + 2, y, at - len(left), left


def _cost(under: Row, column: int, text: str) -> int:
    """How much a label hides there: cells of curves, twice as much for those that are not dimmed."""
    hidden = under.ink[column : column + len(text)]
    return sum(2 if ink in "vagxs" else 1 if ink in "VAGX" else 0 for ink in hidden)

"""A curve as the cells it passes through. The one module that calls plotext, which it imports when first used.

plotext draws each curve on a bare canvas of its own; axes, labels and colours come later. It knows no dashes: those are
drawn here, on the same dots.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from math import isfinite
from typing import NamedTuple

from tui.widgets.curves import BRAILLE, DASHED, Curve, Frame, Range

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bits of a braille character, by row and column
BLANK = 0x2800  # the braille character without a dot
DASH, GAP = 4, 4  # dots along a dashed line


class Trace(NamedTuple):
    """The cells a curve passes through: row from the top, column, character."""

    ink: str
    cells: tuple[tuple[int, int, str], ...]


@lru_cache(maxsize=64)
def trace(curve: Curve, frame: Frame) -> Trace:
    """The cells that a curve passes through on the canvas of `frame`."""
    cells: list[tuple[int, int, str]] = []
    for start, values in _stretches(curve.values[: frame.steps + 1]):
        cells += _dashed(start, values, frame) if curve.mark == DASHED else _stretch(curve.mark, start, values, frame)
    return Trace(curve.ink, tuple(cells))


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


def _dashed(start: int, values: list[float], frame: Frame) -> Iterator[tuple[int, int, str]]:
    """One stretch as dashes of braille, on the straight lines from value to value."""
    bits: dict[tuple[int, int], int] = {}
    corners = [frame.dot(step, value) for step, value in enumerate(values, start)]
    for number, dot in enumerate(_line(corners)):
        if number % (DASH + GAP) < DASH:
            _set(bits, dot)
    inside = ((y, x) for y, x in bits if 0 <= y < frame.height and 0 <= x < frame.width)
    yield from ((y, x, chr(BLANK | bits[y, x])) for y, x in inside)


def _set(bits: dict[tuple[int, int], int], dot: tuple[int, int]) -> None:
    across, down = dot
    at = down // 4, across // 2
    bits[at] = bits.get(at, 0) | DOTS[down % 4][across % 2]


def _line(corners: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Every dot on the straight lines from corner to corner, each once."""
    yield from corners[:1]
    for (x, y), (to_x, to_y) in pairwise(corners):
        parts = max(abs(to_x - x), abs(to_y - y))
        yield from ((x + round((to_x - x) * i / parts), y + round((to_y - y) * i / parts)) for i in range(1, parts + 1))


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

"""The value of each curve at the playhead, beside it."""

from collections.abc import Iterator
from math import isfinite

from tui.widgets.cell_rows import Row, over
from tui.widgets.curves import ChartData, Curve, Frame


def labels(rows: list[Row], data: ChartData, frame: Frame) -> list[Row]:
    """The value of each curve at the playhead, on the row of its point, on the side where it hides least.

    Highest first. Where two points share a row, the lower one's takes the nearest row that is free.
    """
    taken: set[int] = set()
    for value, curve in sorted(_values_at(data), key=lambda pair: -pair[0]):
        wanted = frame.row(value)
        inside = min(max(wanted, 0), frame.height - 1)
        pointer = "▲" if wanted < inside else "▼" if wanted > inside else ""
        spots = _spots(rows, data, frame, inside, f"{curve.name} {value:.1f}", pointer)
        _, _, y, x, text = min((spot for spot in spots if spot[2] not in taken), default=(0, 0, -1, 0, ""))
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
) -> Iterator[tuple[float, int, int, int, str]]:
    """Places for a label as (rows away, cost, row, column, text): right or left of the playhead; below before above."""
    at = frame.left + frame.column(data.playhead)
    right, left = f"{pointer or '◀'} {text}", f"{text} {pointer or '▶'}"
    for away in range(-3, 4):
        y = wanted + away
        if not 0 <= y < frame.height:
            continue
        far = abs(away) + (0.5 if away < 0 else 0)
        if at + 1 + len(right) <= frame.left + frame.width:
            yield far, _cost(rows[y], at + 1, right), y, at + 1, right
        if at - len(left) >= frame.left:
            yield far, _cost(rows[y], at - len(left), left) + 2, y, at - len(left), left


def _cost(under: Row, column: int, text: str) -> int:
    """How much a label hides there: cells of curves, twice as much for those that are not dimmed."""
    hidden = under.ink[column : column + len(text)]
    return sum(2 if ink in "vagxs" else 1 if ink in "VAGX" else 0 for ink in hidden)

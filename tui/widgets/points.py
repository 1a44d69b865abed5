"""Points in a frame of cells, with ticks on both axes: scatters, and curves that are sampled column by column."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tui.widgets.cell_rows import Row, blank, over, row

GAP = 2  # cells between two labels below the axis


class Point(NamedTuple):
    """A mark at (x, y); of two in one cell the later one is seen. `label` stands beside it where there is room."""

    x: float
    y: float
    mark: str
    ink: str
    label: str = ""


class Axis(NamedTuple):
    """An axis from `low` to `high`; `ticks` are values with what is written there. `scale` bends it, monotonically."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    scale: Callable[[float], float] = float

    def place(self, value: float, cells: int) -> int | None:
        """The cell of a value among so many, the first at `low`; None outside."""
        low, high, at = self.scale(self.low), self.scale(self.high), self.scale(value)
        share = (at - low) / (high - low) if high > low else 0.0
        return round(share * (cells - 1)) if -1e-9 <= share <= 1 + 1e-9 else None


def points_rows(points: Sequence[Point], x: Axis, y: Axis, width: int, height: int) -> list[Row]:
    """The points in `height` rows: a canvas with the y axis at its left, and below it the x axis with its ticks."""
    left = max((len(label) for _, label in y.ticks), default=0) + 1
    across, down = width - left - 1, height - 2
    if across < 4 or down < 2:
        return [blank(width)] * height
    marks = {down - 1 - at: label for value, label in y.ticks if (at := y.place(value, down)) is not None}
    rows = [
        row(width, (marks.get(line, "").rjust(left - 1) + ("┤" if line in marks else "│"), "d")) for line in range(down)
    ]
    labels = []
    for point in points:
        column, up = x.place(point.x, across), y.place(point.y, down)
        if column is not None and up is not None:
            line = down - 1 - up
            rows[line] = over(rows[line], left + column, point.mark, point.ink)
            if point.label:
                labels.append((line, left + column, point))
    for line, column, point in labels:
        rows[line] = labelled(rows[line], column, point.label, point.ink)
    return [*rows, axis_row(x, left, across, width), tick_row(x, left, across, width)]


def labelled(line: Row, column: int, label: str, ink: str) -> Row:
    """The label right of its mark, or left of it, where nothing else is in the way."""
    for start in (column + 1, column - len(label)):
        room = line.text[start : start + len(label)]
        if start > 0 and len(room) == len(label) and not room.strip():
            return over(line, start, label, ink)
    return line


def axis_row(x: Axis, left: int, across: int, width: int) -> Row:
    line = "└".rjust(left) + "─" * across
    for value, _ in x.ticks:
        if (column := x.place(value, across)) is not None:
            line = line[: left + column] + "┬" + line[left + column + 1 :]
    return row(width, (line, "d"))


def tick_row(x: Axis, left: int, across: int, width: int) -> Row:
    line, end = blank(width), 0
    for value, label in x.ticks:
        column = x.place(value, across)
        if column is None:
            continue
        start = min(max(0, left + column - len(label) // 2), width - len(label))
        if start >= end:
            line = over(line, start, label, "d")
            end = start + len(label) + GAP
    return line


def rounded_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """The ends of an axis and its zero, where that lies between."""
    values = [low, *([0.0] if low < 0 < high else []), high]
    return tuple((value, f"{value:.3g}") for value in values)

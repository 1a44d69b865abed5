"""A chart as rows of cells: axes, then the traces over each other, then marks and labels.

Two curves that meet in a cell take turns from column to column, so neither hides the other.
"""

from math import isfinite

from tui.widgets.axes import axes
from tui.widgets.cell_rows import AHEAD, Row, blank, over
from tui.widgets.curves import ChartData, Frame, gutter, window
from tui.widgets.labels import labels
from tui.widgets.plot import trace

LEAST = (24, 5)  # columns and rows below which there is no room for a chart


def chart(data: ChartData, width: int, height: int) -> list[Row]:
    """The whole chart, `height` rows of `width` cells; empty rows where there is no room for one."""
    if width < LEAST[0] or height < LEAST[1]:
        return [blank(width)] * height
    left = gutter(data)
    frame = Frame(left, width - left, height - 2, window(data), data.steps)
    rows = axes(data, frame, width)
    rows = _lay(rows, data, frame)
    return labels(_marks(rows, data, frame), data, frame)


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

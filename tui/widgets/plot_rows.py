"""A chart as rows of cells: axes, then the traces over each other, then marks and labels.

Lines that meet in a cell share its dots, in the ink of the later one, which is dashed; so neither hides the other.
Other marks take turns from column to column.
"""

from math import isfinite, nan

from tui.widgets.axes import axes
from tui.widgets.cell_rows import AHEAD, Row, blank, over
from tui.widgets.curves import SHADE, ChartData, Curve, Frame, gutter, window
from tui.widgets.labels import labels
from tui.widgets.plot import BLANK, trace

LEAST = (24, 5)  # columns and rows below which there is no room for a chart


def chart(data: ChartData, width: int, height: int) -> list[Row]:
    """The whole chart, `height` rows of `width` cells; empty rows where there is no room for one."""
    if width < LEAST[0] or height < LEAST[1]:
        return [blank(width)] * height
    left = gutter(data)
    frame = Frame(left, width - left, height - 2, window(data), data.steps)
    rows = axes(data, frame, width)
    if data.gap and len(data.curves) > 1:
        rows = _shaded(rows, data.curves[0], data.curves[1], frame)
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
        char, ink = _shared(marks) if len(marks) > 1 else marks[0]
        char, ink = (char, ink) if char else marks[x % len(marks)]
        texts[y][frame.left + x] = char
        inks[y][frame.left + x] = ink if x <= now else ink.translate(AHEAD)
    return [Row("".join(text), "".join(ink)) for text, ink in zip(texts, inks, strict=True)]


def _shared(marks: list[tuple[str, str]]) -> tuple[str, str]:
    """The dots of all lines in a cell, in the ink of the last; nothing where not all of them are lines of dots."""
    bits = 0
    for char, _ in marks:
        if not BLANK <= ord(char) < BLANK + 256:
            return "", ""
        bits |= ord(char) - BLANK
    return chr(BLANK | bits), marks[-1][1]


def _shaded(rows: list[Row], one: Curve, other: Curve, frame: Frame) -> list[Row]:
    """The area between two curves, in the faint ink of the upper one, as far as both are known."""
    texts, inks = [list(line.text) for line in rows], [list(line.ink) for line in rows]
    for column in range(frame.width):
        step = column / max(1, frame.width - 1) * frame.steps
        low, high = sorted((_value(at, step), at.ink) for at in (one, other))
        if not (isfinite(low[0]) and isfinite(high[0])):
            continue
        for y in range(max(0, frame.row(high[0]) + 1), min(frame.height, frame.row(low[0]))):
            if texts[y][frame.left + column] == " ":
                texts[y][frame.left + column], inks[y][frame.left + column] = SHADE, high[1].translate(AHEAD)
    return [Row("".join(text), "".join(ink)) for text, ink in zip(texts, inks, strict=True)]


def _value(curve: Curve, step: float) -> float:
    """A curve's value between two steps; NaN where one of them is not known."""
    left = int(step)
    ends = curve.values[left : left + 2]
    if not ends or ends[0] is None or (step > left and (len(ends) < 2 or ends[1] is None)):
        return nan
    return ends[0] if step == left else ends[0] + (step - left) * ((ends[1] or 0.0) - ends[0])


def _marks(rows: list[Row], data: ChartData, frame: Frame) -> list[Row]:
    """A diamond where B′ was saved, on the first curve, and a line at the playhead where the curves go on behind it."""
    known = len(data.curves[0].values) - 1 if data.curves else 0
    if data.playhead < known:
        at = frame.left + frame.column(data.playhead)
        free = [y for y in range(frame.height) if rows[y].text[at] in " ┄" + SHADE]
        rows = [over(line, at, "┊", "d") if y in free else line for y, line in enumerate(rows)]
    for step in data.saved:
        value = data.curves[0].values[step] if data.curves and step <= known else None
        y = frame.row(value) if value is not None and isfinite(value) else -1
        if 0 <= y < frame.height:
            rows[y] = over(rows[y], frame.left + frame.column(step), "◆", "s")
    return rows

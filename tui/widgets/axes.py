"""The axes of a chart: ticks, thresholds, and a pointer at the playhead."""

from collections.abc import Iterator
from math import isfinite

from tui.widgets.cell_rows import Row, blank, over
from tui.widgets.curves import ChartData, Frame, Range, Threshold, joined_label


def axes(data: ChartData, frame: Frame, width: int) -> list[Row]:
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
    """By row: label, its ink, and whether a guide goes across. First come first: thresholds, of which several may share
    a row, then B, then round values."""
    ticks: dict[int, tuple[str, str, bool]] = {}
    rows: dict[int, list[Threshold]] = {}
    for threshold in data.thresholds:
        rows.setdefault(frame.row(threshold.level), []).append(threshold)
    for y, here in rows.items():
        if 0 <= y < frame.height:
            label = joined_label([t.points for t in here])
            label = label if len(label) < frame.left else label.removesuffix(" pt")[: frame.left - 1]
            ticks[y] = (label, "t" if any(t.step is None for t in here) else "s", True)
    for level, label, ink in _values(data, frame.window):
        y = frame.row(level)
        near = (y,) if ink != "d" else range(y - 1, y + 2)
        if 0 <= y < frame.height and not any(n in ticks for n in near):
            ticks[y] = (label, ink, False)
    return ticks


def _values(data: ChartData, seen: Range) -> Iterator[tuple[float, str, str]]:
    """Where the first curve begins, then the ends of the axis, then round values between them."""
    start = data.curves[0].values[:1] if data.curves else ()
    if start and start[0] is not None and isfinite(start[0]) and start[0]:
        yield start[0], f"{start[0]:.1f}", data.curves[0].ink
    span = seen.high - seen.low
    unit = next(unit for unit in (1, 2, 5, 10, 20) if span / unit <= 6)
    yield from ((value, f"{value:g}", "d") for value in (seen.high, seen.low))
    yield from ((float(value), str(value), "d") for value in range(0, 101, unit) if seen.low < value < seen.high)


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

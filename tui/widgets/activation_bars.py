"""Mean activation by channel, in pruning order: what has gone, what goes next, what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from tui.model.run_state import RunState
from tui.widgets.cell_rows import Part, Row, blank, over, row
from tui.widgets.curves import column
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside

EIGHTHS = " ▁▂▃▄▅▆▇█"
DORMANT = "·"


@dataclass(frozen=True, slots=True)
class BarsData:
    """`channels` in pruning order with their mean activation; the first `step` of them are pruned.

    `left`: columns before the first bar, so that bars stand under the steps of a chart above.
    """

    channels: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    step: int = 0
    left: int = 6


def bars_data(state: RunState, left: int = 6) -> BarsData:
    """The bars of a run; under a chart, `left` is the chart's `gutter`."""
    means = state.ranked.means if state.ranked else ()
    return BarsData(state.order, tuple(means[c] for c in state.order), state.step, left)


def bars(data: BarsData, width: int, height: int) -> list[Row]:
    """Bars in `height` - 1 rows, and under them a pointer at the playhead with the channel that goes next."""
    room = width - data.left
    if room < 8 or height < 2 or not data.channels:
        return [blank(width)] * height
    peak = max(data.means) or 1.0
    levels = [_level(mean, peak, height - 1) for mean in data.means]
    owners = _owners(levels, room)
    rows = [_bar_row(data, levels, owners, height - 2 - y) for y in range(height - 1)]
    labels = [f"{peak:.3g}", *[""] * (height - 3), "0"][-(height - 1) :]
    lines = [
        row(width, (label.rjust(data.left - 1) + ("┤" if label else "│"), "d"), *line)
        for label, line in zip(labels, rows, strict=True)
    ]
    return [*lines, _pointer(data, width, room)]


def _level(mean: float, peak: float, height: int) -> int:
    """Eighths of a cell that a bar is high: at least one for a channel that is not dormant."""
    return max(1, round(8 * height * mean / peak)) if mean > 0 else 0


def _owners(levels: Sequence[int], room: int) -> list[int | None]:
    """By column, the rank (from 0) whose bar stands there: the highest of those that share it, None in step 0's."""
    at = [column(rank + 1, len(levels), room) for rank in range(len(levels))]
    owners: list[int | None] = [None] * room
    start = 1
    for rank, end in enumerate(at):
        for x in range(min(start, end), end + 1):
            other = owners[x]
            if other is None or levels[rank] > levels[other]:
                owners[x] = rank
        start = end + 1
    return owners


def _bar_row(data: BarsData, levels: Sequence[int], owners: Sequence[int | None], up: int) -> list[Part]:
    """One row of all bars, `up` rows above the lowest."""
    parts = []
    for rank in owners:
        level = 0 if rank is None else min(8, max(0, levels[rank] - 8 * up))
        dormant = rank is not None and not levels[rank] and not up
        ink = "." if rank is None else "C" if rank < data.step else "k" if rank == data.step else "c"
        parts.append((DORMANT if dormant else EIGHTHS[level], ink))
    return parts


def _pointer(data: BarsData, width: int, room: int) -> Row:
    at = data.left + column(data.step, len(data.channels), room)
    line = over(blank(width), at, "▲", "p")
    for text in _captions(data):
        for start in (at + 2, at - 1 - len(text)):
            if start >= 0 and start + len(text) <= width:
                return over(line, start, text, "d")
    return line


def _captions(data: BarsData) -> tuple[str, ...]:
    """What the pointer points at, from long to short."""
    if data.step >= len(data.channels):
        return ("every channel is pruned", "all pruned")
    name = f"channel {data.channels[data.step]}"
    return f"next: {name}, mean {data.means[data.step]:.4g}", f"next: {name}", name


class MeanBars(Panel):
    """Shows BarsData."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, data: BarsData | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._data = data or BarsData()

    @property
    def data(self) -> BarsData:
        return self._data

    @data.setter
    def data(self, data: BarsData) -> None:
        if data != self._data:
            self._data = data
            self._entitle()
            self.redraw()

    def on_mount(self) -> None:
        self._entitle()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return bars(self._data, width, height)

    def _entitle(self) -> None:
        dormant = sum(mean == 0 for mean in self._data.means)
        below = f"{dormant} of {len(self._data.means)} dormant" if self._data.means else ""
        self.entitle((("mean activation by channel, in pruning order", "."),), ((below, "d"),) if below else ())

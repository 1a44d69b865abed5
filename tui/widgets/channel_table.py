"""The channel table: rank, mean activation, how often each channel is active, and what has become of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textual.events import Click, MouseScrollDown, MouseScrollUp

from tui.model.run_state import RunState, images
from tui.widgets.cell_rows import Part, Row, fit, row
from tui.widgets.mouse import WHEEL, place
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside

STATES = ("next", "kept", "dormant", "pruned")
INK = {"next": "k", "kept": ".", "dormant": "d", "pruned": "d"}
SIGN = {"next": "▸", "kept": " ", "dormant": "·", "pruned": "✕"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One line. `rank`: the step that prunes it, None where the order does not. Shares in percent of the images."""

    rank: int | None
    channel: int
    mean: float
    clean: float | None
    poisoned: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, its width, the field's text, and the key that sorts by it: the most interesting first."""

    name: str
    width: int
    text: Callable[[Channel], str]
    key: Callable[[Channel], Any]


COLUMNS = (
    Column("step", 4, lambda c: "–" if c.rank is None else str(c.rank), lambda c: c.rank or 1 << 30),
    Column("channel", 8, lambda c: str(c.channel), lambda c: c.channel),
    Column("mean", 7, lambda c: _mean(c.mean), lambda c: -c.mean),
    Column("clean", 6, lambda c: _share(c.clean), lambda c: -(c.clean or 0)),
    Column("poisoned", 9, lambda c: _share(c.poisoned), lambda c: -(c.poisoned or 0)),
)
BY_STATE = len(COLUMNS)  # the last column; its order changes with the playhead


def channels(state: RunState) -> list[Channel]:
    """Every channel of the layer, by number."""
    if state.ranked is None:
        return []
    rank = {channel: i for i, channel in enumerate(state.order, 1)}
    clean, poisoned = images(state, "valid"), images(state, "poisoned")
    active = state.ranked.active_poisoned
    return [
        Channel(
            rank.get(c),
            c,
            mean,
            100 * state.ranked.active_valid[c] / clean if clean else None,
            100 * active[c] / poisoned if active and poisoned else None,
        )
        for c, mean in enumerate(state.ranked.means)
    ]


def fate(line: Channel, step: int) -> str:
    """What has become of a channel when the playhead stands at `step`."""
    if line.rank is not None and line.rank <= step:
        return "pruned"
    if line.rank == step + 1:
        return "next"
    return "dormant" if line.mean == 0 else "kept"


def ordered(lines: Sequence[Channel], column: int, step: int) -> list[Channel]:
    """Sorted by a column, equal ones by rank."""
    key = COLUMNS[column].key if column < BY_STATE else lambda line: STATES.index(fate(line, step))
    return sorted(lines, key=lambda line: (key(line), line.rank or 1 << 30, line.channel))


def heading(width: int, column: int) -> Row:
    """The names of the columns; the mark of the one that sorts stands in the gap behind it."""
    parts: list[Part] = [(" ", "d")]
    for i, c in enumerate(COLUMNS):
        parts.append((c.name.rjust(c.width) + ("▾" if i == column else " "), "b" if i == column else "d"))
    parts.append(("state" + ("▾" if column == BY_STATE else ""), "b" if column == BY_STATE else "d"))
    return row(width, *parts)


def column_at(x: int) -> int:
    """The column whose heading is in this cell."""
    end = 1
    for number, column in enumerate(COLUMNS):
        end += column.width + 1
        if x < end:
            return number
    return BY_STATE


def channel_row(line: Channel, step: int, width: int, highlighted: bool) -> Row:
    """A channel's line in a table that is one cell wider, for its scrollbar."""
    state = fate(line, step)
    text = "".join(fit(c.text(line).rjust(c.width), c.width) + " " for c in COLUMNS)
    parts = ((SIGN[state], INK[state]), (text, INK[state]), (state, INK[state]))
    return row(width, *parts, back="cursor" if highlighted else "")


def _mean(mean: float) -> str:
    """Three digits where they fit, else a power of ten."""
    digits = f"{mean:#.3g}"
    return "0" if not mean else digits if len(digits) <= COLUMNS[2].width else f"{mean:.1e}"


def _share(percent: float | None) -> str:
    return "–" if percent is None else f"{percent:.1f}" if percent else "0"


class ChannelTable(Panel):
    """Never takes the focus: a screen's actions call `move`, `sort` and `follow`."""

    DEFAULT_CSS = css_beside(__file__)
    can_focus = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._state = RunState()
        self._lines: list[Channel] = []
        self._column = 0
        self._top = 0
        self._highlighted: int | None = None

    def on_mount(self) -> None:
        self.entitle((("channels", "."), (", active on % of images", "d")))

    @property
    def highlighted(self) -> int | None:
        """The channel that the user has highlighted; until then the one that goes next, once all are gone the last."""
        if self._highlighted is not None:
            return self._highlighted
        order = self._state.order
        return order[min(self._state.step, len(order) - 1)] if order else None

    def show(self, state: RunState) -> None:
        before, self._state = self._state, state
        if (before.ranked, before.order) != (state.ranked, state.order):
            self._lines = ordered(channels(state), self._column, state.step)
        elif self._column == BY_STATE and before.step != state.step:
            self._lines = ordered(self._lines, self._column, state.step)
        self.redraw()

    def move(self, lines: int) -> None:
        """Move the highlight down (up, where negative); it stays on its channel when rows move."""
        if self._lines:
            at = min(len(self._lines) - 1, max(0, self._at() + lines))
            self._highlighted = self._lines[at].channel
            self.flush()

    def sort(self, column: int | None = None) -> None:
        """Sort by a column (0..5), or by the one after the present one."""
        self._column = (self._column + 1) % (BY_STATE + 1) if column is None else column
        self._lines = ordered(self._lines, self._column, self._state.step)
        self._top = 0
        self.flush()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self._lines:
            return []
        room = height - 1
        self._scroll(room)
        seen = self._lines[self._top : self._top + room]
        bar = scrollbar(self._top, room, len(self._lines))
        now = self.highlighted
        rows = [channel_row(c, self._state.step, width - 1, c.channel == now) for c in seen]
        marked = [Row(r.text + mark, r.ink + "d", r.back) for r, mark in zip(rows, bar, strict=False)]
        return [heading(width, self._column), *marked]

    def on_click(self, event: Click) -> None:
        """A click on a heading sorts by its column, one on a row highlights it."""
        at = place(event, self)
        if at is None:
            return
        x, y = at
        if y == 0:
            self.sort(column_at(x))
        elif 0 <= (line := self._top + y - 1) < len(self._lines):
            self._highlighted = self._lines[line].channel
            self.flush()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(WHEEL)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-WHEEL)

    def _at(self) -> int:
        now = self.highlighted
        return next((i for i, line in enumerate(self._lines) if line.channel == now), 0)

    def _scroll(self, room: int) -> None:
        """Keep the highlight in view, moving by a third of the table: each move repaints all of it."""
        at = self._at()
        if not self._top <= at < self._top + room or (at == self._top + room - 1 and at + 1 < len(self._lines)):
            self._top = at - room // 3
        self._top = max(0, min(self._top, len(self._lines) - room))


def scrollbar(top: int, room: int, total: int) -> list[str]:
    """A character for each visible row: a thumb where there is more than fits."""
    if total <= room:
        return [" "] * room
    size = max(1, room * room // total)
    start = round(top / (total - room) * (room - size))
    return ["▐" if start <= y < start + size else " " for y in range(room)]

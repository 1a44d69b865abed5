"""The event log: what happened, newest at the bottom."""

from collections.abc import Sequence
from typing import ClassVar

from textual.events import MouseScrollDown, MouseScrollUp

from tui.model.cells import cells
from tui.model.formatting import within
from tui.model.run_state import Kind, Line, RunState
from tui.widgets.cell_rows import Row, row
from tui.widgets.mouse import WHEEL
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside

MARKS: dict[Kind, tuple[str, str]] = {
    "info": ("·", "d"),
    "step": (" ", "d"),
    "tuned": (" ", "d"),
    "threshold": ("◇", "t"),
    "saved": ("◆", "s"),
    "warning": ("!", "w"),
    "error": ("✖", "e"),
}
MARGIN = 6  # cells before the text: the step, and a mark


def log_rows(lines: Sequence[Line], width: int, height: int, back: int = 0) -> list[Row]:
    """The last lines that fit, leaving out the newest `back` rows; long lines are folded under themselves."""
    rows: list[Row] = []
    for line in reversed(lines):
        rows[:0] = log_line(line, width)
        if len(rows) >= height + back:
            break
    end = len(rows) - back
    return rows[max(0, end - height) : max(0, end)]


def log_line(line: Line, width: int) -> list[Row]:
    """A line of the log as rows: the step, a mark for its kind, the text."""
    mark, ink = MARKS[line.kind]
    room = max(8, width - MARGIN)
    text_ink = "." if line.kind in ("info", "step", "tuned") else ink
    pieces = fold(line.text, room)
    first = row(width, (f"{line.step:>3} ", "d"), (f"{mark} ", ink), (pieces[0], text_ink))
    return [first, *(row(width, (" " * MARGIN, "."), (piece, text_ink)) for piece in pieces[1:])]


def fold(text: str, width: int) -> list[str]:
    """Text in pieces of at most `width` cells, broken at spaces where there are any."""
    pieces, rest = [], text
    while len(cells(rest)) > width:
        fitting = next(n for n in range(len(rest), 0, -1) if len(cells(rest[:n])) <= width)
        cut = rest.rfind(" ", 1, fitting + 1)
        cut = cut if cut > 0 else fitting
        pieces.append(rest[:cut])
        rest = rest[cut:].lstrip(" ")
    return [*pieces, rest]


class EventLog(Panel):
    """The newest lines. Two redraws a second at most: each moves every row."""

    DEFAULT_CSS = css_beside(__file__)
    INTERVAL: ClassVar[float] = 0.5

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._root = ""  # paths are written from the lab's folder on
        self._back = 0

    def on_mount(self) -> None:
        self.entitle((("log", "."),))

    def show(self, state: RunState) -> None:
        if state.log is not self._lines:
            self._lines = state.log
            self._root = state.settings.root if state.settings else ""
            self.redraw()

    def scroll(self, rows: int) -> None:
        """Look `rows` further back (forward, where negative)."""
        total = sum(len(log_line(line, self.content_size.width)) for line in self._lines)
        self._back = min(max(0, self._back + rows), max(0, total - self.content_size.height))
        self.flush()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.scroll(WHEEL)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.scroll(-WHEEL)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        newest = self._lines[-height - self._back :]
        return log_rows(
            [line._replace(text=within(line.text, self._root)) for line in newest], width, height, self._back
        )

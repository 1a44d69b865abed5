"""The log: what happened in this run, or what the engine's libraries printed."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from engine.api.engine_log import LOG_NAME, tail
from engine.api.escape import printable
from tui.model.actions import bindings
from tui.model.formatting import short_path, within
from tui.model.run_state import Kind, RunState
from tui.screens.run_screen import RunScreen
from tui.widgets.event_log import fold
from tui.widgets.page import Page

MARKS: dict[Kind, str] = {
    "info": "·",
    "step": "↓",
    "tuned": "↓",
    "threshold": "┄",
    "saved": "◆",
    "warning": "!",
    "error": "✖",
}
STYLES: dict[Kind, str] = {"threshold": "yellow", "saved": "green", "warning": "yellow", "error": "red", "info": "dim"}
LINES = 500
EARLIER = "earlier"  # what the journal tells, which notes when a run began and no other time of day
TIME = 9  # cells of the time of day, and a blank
MARGIN = 7 + TIME  # cells before the text of a line: time, step, and a mark
BESIDE = 3  # cells of padding and scrollbar


def lines(state: RunState, width: int) -> Text:
    """The event log, newest last, each line folded under itself; paths begin in the lab's folder."""
    text = Text()
    root = state.settings.root if state.settings else ""
    for line in state.log:
        pieces = fold(printable(within(line.text, root)), max(MARGIN, width - MARGIN))
        told = ("\n" + " " * MARGIN).join(pieces)
        text.append(f" {line.at or EARLIER:<{TIME}}{line.step:>3} ", "dim").append(
            f"{MARKS[line.kind]} {told}\n", STYLES.get(line.kind, "")
        )
    return text


class LogScreen(RunScreen):
    """Follows the newest line until its reader scrolls up."""

    CSS_PATH: ClassVar = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]
    SCOPES = ("log",)

    def __init__(self) -> None:
        super().__init__()
        self._engines = False

    def body(self) -> Iterator[Widget]:
        yield Static(id="log-title", markup=False)
        with Page(id="log"):
            yield Static(id="lines", markup=False)

    def show(self, state: RunState) -> None:
        scroll = self.query_one("#log", Page)
        at_end = scroll.scroll_offset.y >= scroll.max_scroll_y
        title, text = self._engine(state) if self._engines else self._happened(state)
        self.query_one("#log-title", Static).update(title)
        self.query_one("#lines", Static).update(text)
        if at_end:
            scroll.scroll_end(animate=False)

    def action_engine_log(self) -> None:
        self._engines = not self._engines
        self.show(self.lab.state)
        self.query_one("#log", Page).scroll_end(animate=False)

    def action_close_log(self) -> None:
        self.app.pop_screen()

    def on_resize(self) -> None:
        self.show(self.lab.state)

    def _happened(self, state: RunState) -> tuple[str, Text]:
        title = " What happened, when, and at which step"
        if state.began and any(not line.at for line in state.log):
            title += f"; earlier: since this run began, {state.began.started[:16].replace('T', ' ')}"
        return title, lines(state, self.size.width - BESIDE)

    def _engine(self, state: RunState) -> tuple[str, Text]:
        if state.opened is None:
            return " The engine has no run folder yet", Text()
        path = Path(state.opened.run) / LOG_NAME
        words = "\n".join(map(printable, tail(path, LINES)))
        return f" {short_path(str(path), self.size.width - BESIDE)}", Text(words or "Nothing was printed.")

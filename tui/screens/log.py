"""The log: what happened in this run, or what the engine's libraries printed."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from engine.api.enginelog import LOG_NAME, tail
from tui.actions import bindings
from tui.screens.looking import Looking
from tui.state import Kind, RunState

MARKS: dict[Kind, str] = {"info": "·", "step": "↓", "threshold": "┄", "saved": "◆", "warning": "!", "error": "✖"}
STYLES: dict[Kind, str] = {"threshold": "yellow", "saved": "green", "warning": "yellow", "error": "red", "info": "dim"}
LINES = 500


def lines(state: RunState) -> Text:
    """The event log, newest last."""
    text = Text()
    for line in state.log:
        text.append(f" {line.step:>3} ", "dim").append(f"{MARKS[line.kind]} {line.text}\n", STYLES.get(line.kind, ""))
    return text


class LogScreen(Looking):
    """Follows the newest line until its reader scrolls up."""

    CSS_PATH: ClassVar = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("log")]
    SCOPES = ("log",)

    def __init__(self) -> None:
        super().__init__()
        self._engines = False

    def body(self) -> Iterator[Widget]:
        yield Static(id="log-title", markup=False)
        with VerticalScroll(id="log"):
            yield Static(id="lines", markup=False)

    def show(self, state: RunState) -> None:
        scroll = self.query_one("#log", VerticalScroll)
        at_end = scroll.scroll_offset.y >= scroll.max_scroll_y
        title, text = self._engine(state) if self._engines else (" What happened, and at which step", lines(state))
        self.query_one("#log-title", Static).update(title)
        self.query_one("#lines", Static).update(text)
        if at_end:
            scroll.scroll_end(animate=False)

    def action_engine_log(self) -> None:
        self._engines = not self._engines
        self.show(self.lab.state)
        self.query_one("#log", VerticalScroll).scroll_end(animate=False)

    def _engine(self, state: RunState) -> tuple[str, Text]:
        if state.opened is None:
            return " The engine has no run folder yet", Text()
        path = Path(state.opened.run) / LOG_NAME
        return f" {path}", Text("\n".join(tail(path, LINES)) or "Nothing was printed.")

"""Runs that can go on, newest first."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from engine.api.journal import RunSummary
from tui.widgets.cell_rows import Row, row
from tui.widgets.mouse import place
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside


class RunsList(Panel, can_focus=True):
    """Up and down choose, enter goes on with the chosen one."""

    DEFAULT_CSS = css_beside(__file__)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("enter", "choose", "Go on", show=False),
    ]

    class Chosen(Message):
        """Go on with this run."""

        def __init__(self, run: RunSummary) -> None:
            super().__init__()
            self.run = run

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[RunSummary] = []
        self._at = 0

    def show(self, runs: list[RunSummary]) -> None:
        self._runs, self._at = runs, 0
        self.display = bool(runs)
        self.styles.height = min(5, len(runs)) + 2
        self.entitle((("runs to go on with", "."), ("  ⏎ goes on", "d")))
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        top = max(0, self._at - height + 1)
        return [self._row(i, width) for i in range(top, min(len(self._runs), top + height))]

    def _row(self, i: int, width: int) -> Row:
        run = self._runs[i]
        chosen = i == self._at and self.has_focus
        state = "finished" if run.finished else f"step {run.step} of {run.steps}" if run.steps else "just begun"
        when = run.started[:16].replace("T", " ")
        parts = ((f" {when}  ", "d"), (f"{run.model or 'no network yet'}  ", "."), (state, "v"))
        return row(width, *parts, back="cursor" if chosen else "")

    def on_click(self, event: Click) -> None:
        """A click highlights a run, a second one there goes on with it."""
        at = place(event, self)
        top = max(0, self._at - self.content_size.height + 1)
        if at is not None and 0 <= (line := top + at[1]) < len(self._runs):
            again, self._at = line == self._at and event.chain > 1, line
            self.redraw()
            if again:
                self.action_choose()

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def action_move(self, by: int) -> None:
        if 0 <= self._at + by < len(self._runs):
            self._at += by
            self.redraw()
        elif by < 0:
            self.screen.focus_previous()
        else:
            self.screen.focus_next()

    def action_choose(self) -> None:
        if self._runs:
            self.post_message(self.Chosen(self._runs[self._at]))

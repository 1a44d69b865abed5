"""The screen of a sweep: cells by state, what each worker does, and the best so far. Leaving it stops nothing."""

from collections.abc import Callable, Sequence
from time import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen

from tui.model.sweep_state import SweepState
from tui.screens.dialogs import Choice, Choose
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView
from tui.widgets.sweep_grid import SweepCellView, SweepGrid, SweepHead, SweepWorkers

EVERY = 0.25  # seconds between two looks at the record
KEYS = (("←→↑↓", "Choose"), ("⏎", "Open"), ("b", "Best"), ("s", "Stop"), ("r", "Go on"), ("q", "Leave"))


class SweepKeys(RowsView):
    """One row of keys."""

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        parts: list[Part] = []
        for key, label in KEYS:
            parts += [("  " if parts else " ", "."), (key, "k"), (f" {label}", ".")]
        return [row(width, *parts)]


class SweepScreen(Screen[None]):
    """`read` gives the sweep as it stands, and whether its process lives; the rest is what keys ask for."""

    CSS_PATH: ClassVar = ["sweep.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "best", show=False),
        Binding("s", "stop", show=False),
        Binding("r", "go_on", show=False),
        Binding("q,escape", "leave", show=False),
        Binding("ctrl+c", "leave", show=False, priority=True),
    ]

    def __init__(
        self,
        read: Callable[[], tuple[SweepState, bool]],
        open_run: Callable[[str], None],
        stop: Callable[[], None],
        go_on: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__()
        self._read, self._open_run, self._stop, self._go_on, self._leave = read, open_run, stop, go_on, leave
        self.state, self.alive = SweepState(), True

    def compose(self) -> ComposeResult:
        yield SweepHead()
        with Vertical(id="main"):
            yield SweepGrid()
            with Vertical(id="beside"):
                yield SweepCellView()
                yield SweepWorkers()
        yield SweepKeys()

    def on_mount(self) -> None:
        self.query_one(SweepGrid).focus()
        self.look()
        self.set_interval(EVERY, self.look)

    def look(self) -> None:
        """Show what has happened."""
        self.state, self.alive = self._read()
        grid = self.query_one(SweepGrid)
        self.query_one(SweepHead).show(self.state, time(), self.alive)
        grid.show(self.state)
        self.query_one(SweepCellView).show(self.state, grid.chosen)
        self.query_one(SweepWorkers).show(self.state)

    @on(SweepGrid.Chosen)
    def _chosen(self, message: SweepGrid.Chosen) -> None:
        self.query_one(SweepCellView).show(self.state, message.cell)
        if message.opened:
            self.open_cell(message.cell)

    def open_cell(self, cell: int) -> None:
        """A cell that is done opens in the workbench; of others there is nothing to see yet."""
        at = self.state.of(cell)
        if at.run:
            self._open_run(at.run)
        else:
            self.notify(NOT_YET.get(at.state, at.state), severity="warning", markup=False)

    def action_best(self) -> None:
        best = self.state.best
        if best is not None:
            self.query_one(SweepGrid).choose(best.number)

    def action_stop(self) -> None:
        """Ask, then end the sweep in order."""
        if not self.alive:
            self.notify("The sweep does not run; r goes on with it.", markup=False)
            return
        text = "Cells that are done stay done; those under way go on later where they were."
        choices = [Choice("x", "Stop it", "stop")]

        def answer(result: str | None) -> None:
            if result == "stop":
                self._stop()

        self.app.push_screen(Choose("Stop the sweep?", text, choices, "Let it run"), answer)

    def action_go_on(self) -> None:
        if self.alive:
            self.notify("The sweep is running.", markup=False)
        else:
            self._go_on()

    def action_leave(self) -> None:
        self._leave()


NOT_YET = {
    "waiting": "This cell was not begun yet.",
    "running": "This cell is being computed; it opens when it is done.",
    "refused": "This cell was refused: there is no run to open.",
    "failed": "This cell failed: there is no finished run to open.",
}

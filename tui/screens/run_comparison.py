"""Two runs laid over each other: ASR over the accuracy that it costs, the curves, and a line a run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from engine.api import protocol as p
from tui.model.actions import bindings
from tui.model.orders_view import OrderLine, run_line, sizes
from tui.model.run_comparison import beside, opened_of, read_run, run_name
from tui.model.run_state import RunState
from tui.screens.base import LabScreen
from tui.screens.keybar import KeyBar
from tui.screens.orders import OrderFacts, OrderTable
from tui.screens.run_screen import Hint
from tui.widgets.order_charts import SPANS, curves, tradeoff
from tui.widgets.path_chart import PathPanel

NAMES = ("A", "B")
HINTS = (
    "Under each limit of ASR: step, drop of clean validation accuracy (pt), clean test accuracy.",
    "Under each limit of ASR: step, drop (pt), clean test accuracy.",
    "Per limit: step, drop (pt), test accuracy.",
)


def compared(folders: Sequence[Path]) -> "ComparisonScreen":
    """The screen for these two runs. Raises Refused where they cannot be compared."""
    first, second = (read_run(folder) for folder in folders)
    mine, _ = beside(second, first)
    theirs, told = beside(first, second)
    opened = opened_of(first)
    about = f"Run {run_name(first)}: {opened.model.name}, layer {opened.layer}, order {mine.name}."
    return ComparisonScreen(first, [(mine, about), (theirs, told)])


class ComparisonScreen(LabScreen):
    """Looks at two journals; nothing is computed, and no engine is asked."""

    CSS_PATH: ClassVar = ["orders.tcss", "runs.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("comparison")]
    SCOPES = ("comparison",)

    def __init__(self, first: RunState, runs: Sequence[tuple[p.Compared, str]]) -> None:
        super().__init__()
        self._state, self._span = first, SPANS[0]
        self._lines = [run_line(first, name, at, told) for name, (at, told) in zip(NAMES, runs, strict=True)]

    def compose(self) -> ComposeResult:
        yield Static(Text.assemble(("lab3", "bold"), "  two runs of one lab"), id="title")
        yield from self._charts()
        yield OrderTable()
        yield OrderFacts()
        yield Hint(self.lab.actions, HINTS)
        yield KeyBar(self.lab.actions, "comparison", "app")

    def _charts(self) -> Iterator[Widget]:
        with Horizontal(id="order-charts"):
            yield PathPanel(id="tradeoff")
            yield PathPanel(id="curves")

    def on_mount(self) -> None:
        self.query_one(OrderTable).styles.height = 1 + len(self._lines)
        self.set_class("poisoned" not in sizes(self._state), "-curves")
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        table = self.query_one(OrderTable)
        table.show(self._state, self._lines)
        chosen = next((line for line in self._lines if line == table.chosen), None)
        first, second = (f"{line.run}  {line.about.removeprefix('Run ')}" for line in self._lines)
        self.query_one(OrderFacts).show(first, (second, ""))
        self._draw(chosen)

    def _draw(self, chosen: OrderLine | None) -> None:
        images = sizes(self._state)
        if "poisoned" in images:
            title = (("ASR over the drop of clean validation accuracy", "."),)
            self.query_one("#tradeoff", PathPanel).show(tradeoff(self._lines, chosen, images, self._span, 0), title)
        name = chosen.run if chosen else ""
        self.query_one("#curves", PathPanel).show(
            curves(self._lines, chosen, images), (("accuracy and ASR over channels pruned: ", "."), (name, "k"))
        )

    # --- what keys do ---

    @on(OrderTable.Clicked)
    def _clicked(self) -> None:
        self._show()

    def action_compared_down(self) -> None:
        self._move(1)

    def action_compared_up(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        self.query_one(OrderTable).move(by)
        self._show()

    def action_compared_curves(self) -> None:
        self.toggle_class("-curves")
        self._show()

    def action_compared_zoom(self) -> None:
        self._span = SPANS[(SPANS.index(self._span) + 1) % len(SPANS)]
        self._show()

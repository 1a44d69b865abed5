"""The workbench: one screen that shows everything, with more panes where there is more room."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from tui.model.actions import bindings
from tui.model.first_fall import first_fall
from tui.model.formatting import key_of
from tui.model.hints import hint
from tui.model.run_state import RunState
from tui.screens.base import LabScreen
from tui.screens.header import Header
from tui.screens.keybar import KeyBar
from tui.screens.panes import SavedLine, Side, ThresholdStrip
from tui.widgets.activation_bars import MeanBars, bars_data
from tui.widgets.channel_table import ChannelTable
from tui.widgets.chart import AUTO, Chart, chart_data, next_zoom
from tui.widgets.curves import gutter
from tui.widgets.event_log import EventLog


class Workbench(LabScreen):
    """Watches the state; holds only what is about looking: zoom, curves, highlight."""

    CSS_PATH: ClassVar = "workbench.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tabs", "workbench")]
    SCOPES = ("workbench",)

    def __init__(self, show_g: bool = False) -> None:
        super().__init__()
        self._zoom = AUTO
        self._show_g = show_g

    def compose(self) -> ComposeResult:
        yield Header(self.lab.actions, "workbench")
        with Horizontal(id="main"):
            with Vertical(id="charts"):
                yield Chart()
                yield MeanBars()
                yield EventLog()
            yield Side(self.lab.actions)
        yield ThresholdStrip()
        yield SavedLine()
        yield KeyBar(self.lab.actions, "run", "workbench", "app")

    def may_leave(self) -> bool:
        return False

    def on_mount(self) -> None:
        self.watch(self.app, "state", self.show)

    def show(self, state: RunState) -> None:
        """Put the state on every pane; each repaints only what changed."""
        self.query_one(Header).show(state)
        chart = self.query_one(Chart)
        data = chart.data = chart_data(state, self._zoom, self._show_g)
        chart.show_verdict(first_fall(state))
        self.query_one(MeanBars).data = bars_data(state, gutter(data))
        self.query_one(Side).show(state)
        self.query_one(ThresholdStrip).show(state)
        self.query_one(SavedLine).show(state)
        self.query_one(EventLog).show(state)
        self.query_one(KeyBar).show(state)
        self.query_one(SavedLine).show_notice(hint(state, self.lab.actions))

    @on(Chart.Clicked)
    def _clicked(self, event: Chart.Clicked) -> None:
        self.lab.go_to(event.step)

    @property
    def table(self) -> ChannelTable:
        return self.query_one(ChannelTable)

    @property
    def table_shown(self) -> bool:
        return self.table.size.height > 0

    def action_zoom(self) -> None:
        self._zoom = next_zoom(self.query_one(Chart).data)
        self.show(self.lab.state)

    def action_curves(self) -> None:
        self._show_g = not self._show_g
        self.show(self.lab.state)

    def action_bars(self) -> None:
        """Bars in place of the chart where there is no room for both."""
        self.toggle_class("-bars")

    def action_highlight_down(self) -> None:
        if self._seen():
            self.table.move(1)

    def action_highlight_up(self) -> None:
        if self._seen():
            self.table.move(-1)

    def action_sort(self) -> None:
        if self._seen():
            self.table.sort()

    def _seen(self) -> bool:
        """Whether the channel table is on the screen; says where the channels are if it is not."""
        if not self.table_shown:
            key = key_of(self.lab.actions, "prune")
            self.lab.show_notice(f"No room for the channel table here: {key} lists the channels.")
        return self.table_shown

    def chosen_channel(self) -> int | None:
        return self.table.highlighted if self.table_shown else None

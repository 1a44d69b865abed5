"""How the panels look together, at three sizes, dark, light, in sixteen colours and in none."""

from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical

from tests.support.widget_runs import run
from tui.app.themes import THEMES
from tui.model.run_state import RunState
from tui.widgets.activation_bars import MeanBars, bars_data
from tui.widgets.channel_table import ChannelTable
from tui.widgets.chart import Chart, chart_data
from tui.widgets.curves import gutter
from tui.widgets.event_log import EventLog

pytestmark = pytest.mark.tui
SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)


class Board(App[None]):
    """The workbench's panels, as many as the size has room for."""

    CSS = "#side { width: 50; } EventLog { height: 8; }"

    def __init__(self, state: RunState, width: int, theme: str = "lab3-dark", of_g: bool = False) -> None:
        super().__init__()
        self._state, self._wide, self._theme, self._of_g = state, width >= 110, theme, of_g

    def compose(self) -> ComposeResult:
        data = chart_data(self._state, of_g=self._of_g)
        with Horizontal():
            with Vertical():
                yield Chart(data)
                if self._wide:
                    yield MeanBars(bars_data(self._state, gutter(data)))
                    yield EventLog()
            if self._wide:
                with Vertical(id="side"):
                    yield ChannelTable()

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._theme
        for panel in (*self.query(ChannelTable), *self.query(EventLog)):
            panel.show(self._state)
            panel.flush()


Compare = Callable[..., bool]


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x40", "200x60"])
def test_while_running(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(Board(run(47), size[0]), terminal_size=size)


@pytest.mark.parametrize("theme", ["lab3-light", "ansi-dark"])
def test_looking_back(snap_compare: Compare, theme: str) -> None:
    assert snap_compare(Board(run(60, 50), MIDDLE[0], theme, of_g=True), terminal_size=MIDDLE)


def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(Board(run(60, 50), MIDDLE[0], of_g=True), terminal_size=MIDDLE)

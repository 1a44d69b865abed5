"""The mouse, for those who have one: the chart, rows, heads of columns, the wheel."""

import pytest
from textual.widget import Widget

from engine.api import protocol as p
from tests.support.pilot import Bench, measured
from tui.screens.orders import OrderTable
from tui.screens.orders import column_at as order_column_at
from tui.screens.repair import Tunings
from tui.screens.results import ResultsTable
from tui.widgets.channel_table import BY_STATE, ChannelTable, column_at, heading
from tui.widgets.chart import Chart
from tui.widgets.curves import ChartData, column, gutter, step_at
from tui.widgets.event_log import EventLog

pytestmark = pytest.mark.tui


async def wheel(it: Bench, widget: Widget, down: bool = True) -> None:
    """A notch of the wheel over a widget."""
    from textual.events import MouseScrollDown, MouseScrollUp

    kind = MouseScrollDown if down else MouseScrollUp
    x, y = widget.region.x + 2, widget.region.y + 2
    widget.post_message(kind(widget, x=2, y=2, delta_x=0, delta_y=1, button=0, shift=False, meta=False, ctrl=False,
                             screen_x=x, screen_y=y))  # fmt: skip
    await it.pilot.pause()


@pytest.mark.parametrize("width", [30, 79, 120, 198])
@pytest.mark.parametrize("steps", [1, 7, 60, 512])
def test_each_column_of_the_chart_is_a_step_and_each_step_its_column(width: int, steps: int) -> None:
    data = ChartData(steps=steps)
    left = gutter(data)
    room = width - left
    for step in range(steps + 1):
        found = step_at(data, left + column(step, steps, room), width)
        assert found is not None and column(found, steps, room) == column(step, steps, room)
    assert step_at(data, left, width) == 0 and step_at(data, width - 1, width) == steps
    assert step_at(data, left - 1, width) is None and step_at(data, width, width) is None
    assert step_at(ChartData(steps=0), left, width) is None


async def test_a_click_on_the_chart_goes_to_that_step() -> None:
    async with measured() as it:
        chart = it.app.screen.query_one(Chart)
        data, width = chart.data, chart.content_size.width
        x = gutter(data) + column(20, data.steps, width - gutter(data))
        step = step_at(data, x, width)
        await it.pilot.click(chart, offset=(x + 1, 5))
        await it.until(lambda: it.state.step == step and not it.state.busy)
        assert step in (19, 20, 21) and it.commands(p.Goto) == [p.Goto(step)]
        await it.pilot.click(chart, offset=(0, 5))  # its frame
        await it.pilot.click(chart, offset=(2, 5))  # the labels of its axis
        assert it.commands(p.Goto) == [p.Goto(step)]


@pytest.mark.parametrize("sorted_by", range(BY_STATE))
def test_the_heads_of_the_channel_table_are_where_they_are_drawn(sorted_by: int) -> None:
    text = heading(48, sorted_by).text
    for number, name in enumerate(("step", "channel", "mean", "clean", "poisoned", "state")):
        assert column_at(text.index(name) + 1) == number
        assert text.index(name) == heading(48, -1).text.index(name), "the mark of sorting moves no name"
    assert column_at(46) == BY_STATE


async def test_a_click_highlights_a_channel_a_head_sorts_the_wheel_scrolls() -> None:
    async with measured(size=(120, 40)) as it:
        table = it.app.screen.query_one(ChannelTable)
        first = table.highlighted
        await it.pilot.click(table, offset=(8, 4))
        assert table.highlighted != first
        chosen = table.highlighted
        await wheel(it, table)
        assert table.highlighted != chosen
        await wheel(it, table, down=False)
        assert table.highlighted == chosen
        before = [line.channel for line in table._lines]
        await it.pilot.click(table, offset=(9, 1))
        assert [line.channel for line in table._lines] == sorted(before)


async def test_the_wheel_looks_back_in_the_log() -> None:
    async with measured(size=(200, 60)) as it:
        await it.press("r")
        await it.until(lambda: it.state.complete and not it.state.busy)
        log = it.app.screen.query_one(EventLog)
        before = it.text()
        await wheel(it, log, down=False)
        assert it.text() != before
        await wheel(it, log)
        assert it.text() == before


async def test_a_click_highlights_a_result() -> None:
    async with measured(size=(100, 40)) as it:
        await it.press("r")
        await it.until(lambda: it.state.complete and not it.state.busy)
        await it.press("m")
        table = it.app.screen.query_one(ResultsTable)
        await it.shows("model_prune_4.h5")
        y = next(y for y, line in enumerate(it.text().splitlines()) if "-4 pt" in line)
        await it.pilot.click(offset=(10, y))
        await it.until(lambda: table.chosen is not None and table.chosen.name == "-4 pt")
        await it.shows("/lab/models/model_prune_4.h5")
        await wheel(it, table)
        await it.until(lambda: table.chosen is not None and table.chosen.name == "-10 pt")


async def test_a_click_highlights_an_order_and_a_head_sorts() -> None:
    async with measured(size=(100, 40)) as it:
        await it.press("O")
        await it.until(lambda: it.state.compared and not it.state.busy)
        table = it.app.screen.query_one(OrderTable)
        await it.pilot.click(table, offset=(5, 3))
        await it.until(lambda: table.chosen is not None and table.chosen is table._lines[2])
        await it.pilot.click(table, offset=(24, 0))
        await it.until(lambda: table._column == 2)
        assert [order_column_at(x) for x in (3, 15, 25, 40, 55, 90)] == [0, 1, 2, 3, 4, 5]


async def test_a_click_highlights_a_tuning() -> None:
    async with measured(size=(100, 40)) as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        await it.press("F", "space")
        await it.until(lambda: len(it.state.tunings) == 3 and not it.state.busy)
        view = it.app.screen.query_one(Tunings)
        for row in (4, 2, 3):
            await it.pilot.click(view, offset=(5, row))
            await it.until(lambda row=row: view._chosen == row - 1)
        await wheel(it, view)
        await it.until(lambda: view._chosen == 3)

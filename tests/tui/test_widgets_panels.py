"""Chart, bars, channel table and log, made from a run's state."""

from typing import get_args

import pytest
from msgspec.structs import replace
from textual.app import App, ComposeResult

from engine.api import protocol as p
from tests.support.widget_runs import CHANNELS, IMAGES, ORDER, hits, mean, run
from tui.model.first_fall import first_fall
from tui.model.run_state import Kind, Line, RunState, reduce
from tui.widgets.activation_bars import BarsData, MeanBars, bars, bars_data
from tui.widgets.channel_table import BY_STATE, COLUMNS, ChannelTable, channels, fate, ordered, scrollbar
from tui.widgets.chart import Chart, chart_data
from tui.widgets.curves import gutter
from tui.widgets.event_log import EventLog, fold, log_rows
from tui.widgets.panel import Panel
from tui.widgets.plot_rows import chart

pytestmark = pytest.mark.tui


class Panels(App[None]):
    def __init__(self, *panels: Panel) -> None:
        super().__init__()
        self.panels = panels

    def compose(self) -> ComposeResult:
        yield from self.panels


def titles(panel: Panel) -> tuple[str, str]:
    """What stands in the frame, above and below."""
    assert panel._border_title is not None
    return panel._border_title.plain, panel._border_subtitle.plain if panel._border_subtitle else ""


# --- chart ----------------------------------------------------------------------------------------------------


def test_chart_data_is_the_run_in_percent() -> None:
    data = chart_data(run(47))
    valid, asr = data.curves
    assert (data.steps, data.playhead) == (CHANNELS, 47)
    assert valid.values == tuple(p.percent(hits(k), IMAGES) for k in range(48))
    assert set(asr.values) == {100.0}
    assert [(t.points, t.level, t.step) for t in data.thresholds] == [
        ("2", pytest.approx(96.6), 45), ("4", pytest.approx(94.6), None), ("10", pytest.approx(88.6), None),
        ("30", pytest.approx(68.6), None),
    ]  # fmt: skip
    assert data.saved == (45,)


def test_chart_data_can_be_compared_and_hashed() -> None:
    assert chart_data(run(20)) == chart_data(run(20))
    assert hash(chart_data(run(20))) == hash(chart_data(run(20)))
    assert chart_data(run(20)) != chart_data(run(21))


def test_what_g_is_for_is_drawn_when_asked_for() -> None:
    data = chart_data(run(60), of_g=True)
    assert [curve.name for curve in data.curves] == ["detection", "false alarms"]
    assert data.curves[0].values[60] == 100.0 and data.curves[1].values[60] == pytest.approx(98.6 - hits(60) / 10)
    assert data.thresholds == (), "they are levels of accuracy"


def test_without_a_run_the_chart_is_empty() -> None:
    data = chart_data(RunState())
    assert (data.steps, data.playhead, data.thresholds, data.saved) == (0, 0, (), ())
    assert all(not curve.values for curve in data.curves)


def test_a_save_of_channels_since_reordered_is_not_marked() -> None:
    state = reduce(run(47), p.Reordered((*ORDER[:40], *reversed(ORDER[40:])), 40))
    state = reduce(state, p.Moved(40))
    for step in range(41, 46):
        state = reduce(state, p.Stepped(step, state.order[step - 1], p.Counts(hits(0), hits(0), 1000)))
    assert chart_data(state).saved == ()


async def test_the_title_of_the_chart_is_its_legend() -> None:
    chart = Chart(chart_data(run(20)))
    async with Panels(chart).run_test(size=(80, 20)):
        assert titles(chart) == ("⠒⠒ valid accuracy  ⠒ ⠒ test ASR  y 94 to 100 %", "")
        chart.data = chart_data(run(20), zoom=50)
        assert titles(chart)[0] == "⠒⠒ valid accuracy  ⠒ ⠒ test ASR  y 50 to 100 %"
        chart.data = chart_data(run(60), of_g=True)
        assert titles(chart)[0] == "⠒⠒ G: detection  ⠒ ⠒ false alarms  y 0 to 100 %"
        chart.show_verdict(first_fall(run(60)))
        assert titles(chart)[1] == "accuracy fell first: -4.50 pt at step 48, ASR 100.00 %"


async def test_equal_data_draws_nothing() -> None:
    chart = Chart(chart_data(run(20)))
    async with Panels(chart).run_test(size=(80, 20)):
        drawn = chart._rows
        chart.data = chart_data(run(20))
        chart.flush()
        assert all(a == b for a, b in zip(drawn, chart._rows, strict=True))


# --- bars -----------------------------------------------------------------------------------------------------


def test_bars_stand_under_their_steps() -> None:
    data = BarsData((5, 3, 8), (0.0, 1.0, 2.0), 1, left=6)
    rows = [row.text for row in bars(data, 6 + 31, 5)]
    assert rows[0].startswith("    2┤") and rows[3].startswith("    0┤")
    assert rows[3][6:] == " " + "·" * 10 + "█" * 10 + "█" * 10
    assert rows[0][6:].rstrip() == " " * 21 + "█" * 10
    assert rows[4][6 + 10] == "▲" and rows[4].endswith("▲ next: channel 3    ")


def test_bars_tell_pruned_next_and_kept_apart() -> None:
    ink = bars(BarsData((5, 3, 8), (1.0, 1.0, 1.0), 1, left=6), 6 + 31, 3)[0].ink
    assert ink[6:] == "." + "C" * 10 + "k" * 10 + "c" * 10


def test_more_channels_than_columns_show_the_highest_of_each_column() -> None:
    means = tuple(0.1 if i != 500 else 1.0 for i in range(1024))
    top = bars(BarsData(tuple(range(1024)), means, 0, left=6), 70, 9)[0].text[6:]
    assert top.count("█") == 1


def test_a_channel_that_is_hardly_active_can_be_seen() -> None:
    rows = bars(BarsData((0, 1), (1e-9, 1.0), 0), 40, 6)
    assert "▁" in rows[4].text and "·" not in rows[4].text


def test_after_the_last_channel_the_pointer_says_so() -> None:
    assert "every channel is pruned" in bars(BarsData((0, 1), (0.5, 1.0), 2), 60, 5)[-1].text


@pytest.mark.parametrize(("width", "height"), [(3, 5), (40, 1), (14, 2), (200, 30)])
def test_bars_fill_their_room(width: int, height: int) -> None:
    rows = bars(bars_data(run(10)), width, height)
    assert len(rows) == height and all(len(row.text) == len(row.ink) == width for row in rows)


def test_bars_follow_the_order_of_the_run() -> None:
    data = bars_data(run(10))
    assert data.channels == ORDER and data.step == 10
    assert data.means == tuple(mean(rank) for rank in range(CHANNELS))


# --- channel table --------------------------------------------------------------------------------------------


def test_channels_know_rank_mean_and_shares() -> None:
    line = channels(run(0))[ORDER[40]]
    assert (line.rank, line.channel, line.mean) == (41, ORDER[40], mean(40))
    assert (line.clean, line.poisoned) == (40.0, 20.0)


def test_fates() -> None:
    lines = {line.rank: line for line in channels(run(0))}
    assert [fate(lines[rank], 2) for rank in (1, 2, 3, 4, 40)] == ["pruned", "pruned", "next", "dormant", "kept"]


@pytest.mark.parametrize("column", range(BY_STATE + 1))
def test_sorting_keeps_every_channel(column: int) -> None:
    lines = ordered(channels(run(0)), column, 10)
    assert {line.channel for line in lines} == set(range(CHANNELS))
    if column < BY_STATE:
        keys = [COLUMNS[column].key(line) for line in lines]
        assert keys == sorted(keys)
    else:
        assert [fate(line, 10) for line in lines[:2]] == ["next", "kept"]


async def test_the_table_shows_rows_around_the_channel_that_goes_next() -> None:
    table = ChannelTable()
    async with Panels(table).run_test(size=(50, 12)):
        table.show(run(30))
        table.flush()
        assert table.highlighted == ORDER[30]
        line = next(row for row in table._rows if row.back == "cursor")
        assert line.text.split()[:3] == ["▸", "31", str(ORDER[30])]


async def test_the_highlight_moves_and_stays_on_its_channel() -> None:
    table = ChannelTable()
    async with Panels(table).run_test(size=(50, 12)):
        table.show(run(30))
        table.move(3)
        assert table.highlighted == ORDER[33]
        table.show(run(31))
        assert table.highlighted == ORDER[33]
        table.sort(2)
        assert table.highlighted == ORDER[33]
        table.move(-1000)
        assert table.highlighted == ORDER[-1]  # by mean, the most active one comes first


async def test_the_table_never_takes_the_focus() -> None:
    table = ChannelTable()
    async with Panels(table).run_test(size=(50, 12)) as pilot:
        table.show(run(3))
        await pilot.press("tab")
        await pilot.click(ChannelTable)
        assert pilot.app.focused is None


async def test_a_step_repaints_the_rows_of_two_channels() -> None:
    table = ChannelTable()
    async with Panels(table).run_test(size=(50, 14)):
        table.show(run(2))
        table.flush()
        before = list(table._rows)
        table.show(run(3))
        table.flush()
        assert sum(a != b for a, b in zip(before, table._rows, strict=True)) == 2


async def test_a_layer_of_two_thousand_channels() -> None:
    state = run(0)
    assert state.ranked
    many = tuple(range(2000))
    ranked = replace_ranked(state.ranked, many)
    state = replace(state, order=many, ranked=ranked)
    table = ChannelTable()
    async with Panels(table).run_test(size=(50, 14)):
        table.show(state)
        table.move(1999)
        table.flush()
        assert table.highlighted == 1999
        assert len(table._rows) == 12 and table._rows[-1].text.split()[0] == "2000"


def replace_ranked(ranked: p.Ranked, order: tuple[int, ...]) -> p.Ranked:
    size = len(order)
    return p.Ranked(order, False, tuple(1.0 + c for c in order), (5,) * size, None)


def test_without_poisoned_data_the_column_is_empty() -> None:
    state = run(0)
    assert state.ranked
    lines = channels(replace(state, ranked=replace_ranked(state.ranked, tuple(range(60)))))
    assert {line.poisoned for line in lines} == {None}


def test_the_scrollbar_shows_where_the_rows_are() -> None:
    assert scrollbar(0, 5, 5) == [" "] * 5
    assert scrollbar(0, 5, 10) == ["▐", "▐", " ", " ", " "]
    assert scrollbar(5, 5, 10) == [" ", " ", " ", "▐", "▐"]


# --- log ------------------------------------------------------------------------------------------------------


def test_the_newest_lines_are_at_the_bottom() -> None:
    lines = [Line(k, "step", f"step {k}") for k in range(50)]
    assert [row.text.strip() for row in log_rows(lines, 30, 3)] == ["47   step 47", "48   step 48", "49   step 49"]
    assert [row.text.strip() for row in log_rows(lines, 30, 2, back=47)] == ["1   step 1", "2   step 2"]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_lines_of_every_kind_can_be_shown(kind: Kind) -> None:
    assert "what happened" in log_rows([Line(3, kind, "what happened")], 40, 3)[0].text


def test_long_lines_are_folded_at_spaces() -> None:
    assert fold("saved the model in a folder", 12) == ["saved the", "model in a", "folder"]
    assert fold("/a/very/long/path", 6) == ["/a/ver", "y/long", "/path"]
    assert fold("", 5) == [""]
    assert [row.text for row in log_rows([Line(7, "error", "one two three")], 14, 5)] == [
        "  7 ✖ one two ",
        "      three   ",
    ]


async def test_the_log_can_be_scrolled_back() -> None:
    log = EventLog()
    async with Panels(log).run_test(size=(60, 8)):
        log.show(replace(RunState(), log=tuple(Line(k, "info", f"line {k}") for k in range(20))))
        log.flush()
        assert "line 19" in log._rows[-1].text
        log.scroll(100)
        assert "line 0" in log._rows[0].text
        log.scroll(-100)
        assert "line 19" in log._rows[-1].text


async def test_names_from_files_are_plain_text() -> None:
    log = EventLog()
    async with Panels(log).run_test(size=(60, 8)) as pilot:
        log.show(replace(RunState(), log=(Line(0, "info", "[bold]not markup[/b] 日本"),)))
        log.flush()
        await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips()
        assert any("[bold]not markup[/b] 日本" in "".join(s.text for s in strip) for strip in strips)


async def test_bars_show_how_many_are_dormant() -> None:
    panel = MeanBars(bars_data(run(10)))
    async with Panels(panel).run_test(size=(60, 10)):
        assert titles(panel)[1] == "31 of 60 dormant"


def test_bars_begin_where_the_chart_does() -> None:
    state = replace(run(10), thresholds=("2.125", "30"))
    data = chart_data(state)
    chart_axis = chart(data, 80, 20)[-2].text.index("└")
    bar_axis = bars(bars_data(state, gutter(data)), 80, 8)[3].text.index("│")
    assert chart_axis == bar_axis

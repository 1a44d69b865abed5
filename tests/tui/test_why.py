"""The screen that says why: one highlighted channel in every pane, panes for every size, and its keys."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.api import protocol as p
from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import LAUNCH, Bench, measured
from tests.tui.test_screen_snapshots import settled
from tui.app.app import LabApp
from tui.model.config import Config
from tui.screens.channel import ChannelScreen
from tui.screens.images import ImagesScreen
from tui.screens.why import WhyScreen
from tui.screens.why_panes import PANES, bar_of, found_at
from tui.widgets.points import Axis, Point, points_rows, rounded_ticks

pytestmark = pytest.mark.tui
SIZES = {"60x16": (60, 16), "80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}
TITLES = [pane.title for pane in PANES]


async def explained(it: Bench) -> None:
    await it.press("w", "x")
    await it.until(lambda: it.state.layers_pruned and not it.state.busy)


async def test_it_says_what_it_is_for_until_somebody_asks() -> None:
    async with measured() as it:
        await it.press("3")
        assert isinstance(it.app.screen, WhyScreen) and "Nobody has looked" in it.text()
        assert not it.commands(p.Explain)
        await it.press("x")
        await it.shows("pruning-aware")
        assert it.commands(p.Explain) == [p.Explain()]
        await it.press("x")
        assert it.commands(p.Explain) == [p.Explain()]  # all of it is known
        await it.press("escape")
        assert not isinstance(it.app.screen, WhyScreen)


async def test_while_the_engine_does_something_else_it_says_what_and_how_to_go_on() -> None:
    async with measured(size=(120, 40)) as it:
        it.engine.pause_answers()
        await it.press("2")
        await it.until(lambda: bool(it.state.comparing))
        await it.press("3")
        await it.shows("x looks for the reasons, once the engine is free: it is comparing orders")
        await it.press("x")
        await it.shows("The engine is not free: it is comparing orders.")
        assert not it.commands(p.Explain)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_tab_leads_through_every_pane_at_every_size(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await explained(it)
        for title in [*TITLES[1:], TITLES[0]]:
            await it.press("tab")
            await it.shows(f"▸{title}")
        await it.press("shift+tab")
        await it.shows(f"▸{TITLES[-1]}")


async def test_all_panes_are_there_where_there_is_room() -> None:
    async with measured(size=(200, 60)) as it:
        await explained(it)
        for title in TITLES:
            await it.shows(title)


async def test_the_highlighted_channel_is_the_same_in_every_pane() -> None:
    async with measured(size=(200, 60)) as it:
        await explained(it)
        for text in ("◆11", "▸     11", "channel 11, highlighted"):
            await it.shows(text)
        await it.press("j")
        for text in ("◆7", "▸      7", "channel 7, highlighted"):
            await it.shows(text)
        await it.press("k")
        await it.shows("◆11")
        await it.press("enter")
        await it.shows("channel 11")
        assert isinstance(it.app.screen, ChannelScreen)
        await it.press("escape")
        assert isinstance(it.app.screen, WhyScreen)
        await it.press("j", "p")
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        assert it.commands(p.PruneNext) == [p.PruneNext(7)]


async def test_panes_say_whether_they_look_at_poisoned_images() -> None:
    async with measured(size=(200, 60)) as it:
        await explained(it)
        await it.shows("clean images alone")

        def oracles() -> int:
            heads = [line for line in it.text().splitlines() if "──" in line]
            return sum(line.count("ORACLE ") for line in heads)

        await it.until(lambda: oracles() == 5)


async def test_what_runs_is_shown_and_can_be_stopped() -> None:
    async with measured() as it:
        it.engine.pause_answers()
        await it.press("w", "x")
        it.engine.say(p.Progress("detectors", 30, 60, 1.0))
        await it.shows("looking whether detectors see the trigger")
        await it.shows("50 %")
        await it.shows("r stops")
        await it.press("r")
        assert it.commands(p.Pause)
        it.engine.go_on_answering()


async def test_pictures_say_what_detectors_flag_and_a_filter_finds_it() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("i")
        for _ in range(5):
            await it.press("f")
        assert "caught by" not in it.text()  # nothing is known of detectors yet
        await it.press("escape")
        await explained(it)
        await it.press("i")
        await it.until(lambda: isinstance(it.app.screen, ImagesScreen))
        for name in ("G order", "STRIP", "Mahalanobis", "norm"):
            while f"▸caught by {name}" not in it.text():
                await it.press("f")
        asked = [command.filter for command in it.commands(p.ShowImages) if isinstance(command, p.ShowImages)]
        assert asked[-4:] == [f"caught by {name}" for name in p.DETECTORS]


# --- the drawings


def test_points_fall_into_their_cells() -> None:
    x, y = Axis(0, 10, rounded_ticks(0, 10)), Axis(-5, 5, rounded_ticks(-5, 5))
    rows = points_rows([Point(0, -5, "a", "v"), Point(10, 5, "b", "a", "12"), Point(5, 0, "c", "v")], x, y, 24, 13)
    text = [row.text for row in rows]
    assert len(rows) == 13 and all(len(line) == 24 for line in text)
    assert text[0].startswith(" 5┤") and text[0].rstrip().endswith("12b") and text[10][3] == "a"
    assert text[5].startswith(" 0┤") and "c" in text[5]
    assert "┬" in text[11] and text[12].split() == ["0", "10"]


def test_points_outside_and_too_little_room_are_left_out() -> None:
    x = y = Axis(0, 1)
    assert not any("z" in row.text for row in points_rows([Point(2, 0.5, "z", "v")], x, y, 30, 8))
    assert [row.text.strip() for row in points_rows([Point(0, 0, "z", "v")], x, y, 5, 3)] == [""] * 3
    flat = points_rows([Point(3, 3, "z", "v")], Axis(3, 3), Axis(3, 3), 30, 8)
    assert "z" in flat[5].text


def test_bars_and_curves_read_their_values() -> None:
    assert bar_of(50, 100, 4) == "██" and bar_of(100, 100, 3) == "███" and bar_of(0, 100, 3) == ""
    assert bar_of(1, 0, 3) == "" and bar_of(5, 16, 2) == "▋"
    points = ((0.0, 0.0), (0.0, 0.4), (0.5, 0.6), (1.0, 1.0))
    assert [found_at(points, at) for at in (0, 0.49, 0.5, 1)] == [0.4, 0.4, 0.6, 1.0]


# --- how it looks

Compare = Callable[..., bool]


def showing(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def press(pilot: Pilot[Any]) -> None:
        await pilot.pause(0.05)
        while not pilot.app.latest.ready:  # type: ignore[attr-defined]
            await pilot.pause(0.01)
        for key in ("w", "x", *keys):
            await settled(pilot)
            await pilot.press(key)
        await settled(pilot)
        pilot.app.clear_notifications()
        await settled(pilot)

    return press


def app(theme: str) -> LabApp:
    return LabApp(LAUNCH, Config(theme=theme), ScriptedEngine, clock=lambda: 0.0, time_of_day=lambda: "14:02:07")


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.mark.parametrize("pane", range(len(PANES)))
def test_at_80x24(snap_compare: Compare, pane: int) -> None:
    assert snap_compare(app("lab3-dark"), terminal_size=(80, 24), run_before=showing(*["tab"] * pane))


@pytest.mark.parametrize("size", ["120x40", "200x60"])
def test_larger(snap_compare: Compare, size: str) -> None:
    assert snap_compare(app("lab3-dark"), terminal_size=SIZES[size], run_before=showing())


@pytest.mark.parametrize("theme", ["lab3-light", "ansi-dark"])
def test_in_other_colours(snap_compare: Compare, theme: str) -> None:
    assert snap_compare(app(theme), terminal_size=(200, 60), run_before=showing())


def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app("lab3-dark"), terminal_size=(200, 60), run_before=showing())

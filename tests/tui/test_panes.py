"""The panes beside the chart: they show the playhead's figures whatever the window did meanwhile."""

import pytest

from tests.support.pilot import Bench, measured
from tui.model.formatting import rate
from tui.model.run_state import figures
from tui.screens.panes import ThresholdStrip

pytestmark = pytest.mark.tui
WIDE = (120, 40)


async def run_through(it: Bench) -> None:
    await it.press("r")
    await it.until(lambda: it.state.complete and it.state.written)


@pytest.mark.parametrize("narrow", [(80, 24), (100, 30)])
async def test_figures_are_those_of_the_playhead_after_the_pane_was_hidden(narrow: tuple[int, int]) -> None:
    async with measured(size=WIDE) as it:
        await run_through(it)
        await it.press("home")
        await it.shows("step 0/")
        await it.pilot.resize_terminal(*narrow)
        await it.until(lambda: it.app.screen.size == narrow)
        await it.press("g", *["delete"] * 3, "4", "8", "enter")
        await it.shows("step 48/")
        await it.pilot.resize_terminal(*WIDE)
        now = figures(it.state)
        assert now

        def shown() -> list[list[str]]:
            lines = [line for line in it.text().splitlines() if "clean valid" in line and "│" in line]
            return [line.split()[-3:-1] for line in lines]

        await it.until(lambda: shown() == [["98.60", rate(now.valid)]])


async def test_thresholds_set_again_are_shown_at_once() -> None:
    async with measured(size=WIDE) as it:
        await run_through(it)
        await it.press("t", "home", *["delete"] * 12, "enter")
        await it.shows("none; t sets them")
        await it.press("t")
        await it.write("2,4,10,30")
        await it.press("enter")
        await it.until(lambda: it.state.thresholds == ("2", "4", "10", "30"))
        await it.shows("◆ -30 pt  step 54  model_prune_30.h5")


async def test_without_thresholds_the_pane_says_how_to_set_them() -> None:
    async with measured(size=WIDE) as it:
        await it.press("t", "home", *["delete"] * 12, "enter")
        await it.until(lambda: it.state.thresholds == ())
        await it.shows("none; t sets them")


@pytest.mark.parametrize("size", [(250, 20), (110, 24), (120, 30), (110, 17)])
async def test_where_the_side_is_short_thresholds_and_channels_are_whole(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await run_through(it)
        it.app.clear_notifications()
        await it.until(lambda: all(f"model_prune_{x}.h5" in it.text() for x in (2, 4, 10, 30)))
        await it.until(lambda: not it.app._notifications and "Saved" not in it.text())
        lines = it.text().splitlines()
        assert sum("╰" in line and line.rstrip().endswith("╯") for line in lines) == 2 + ("figures" in it.text())
        assert sum(line.rstrip(" │▐").endswith("pruned") for line in lines) >= 3


async def test_thresholds_that_do_not_fit_are_counted() -> None:
    async with measured(size=(120, 20)) as it:
        await it.press("t", "home", *["delete"] * 12)
        await it.write("1,2,3,4,5,6,7,8,9,10,11,12")
        await it.press("enter")
        await it.shows("and 6 more")


async def test_a_save_is_told_where_it_happens_and_then_what_to_do_next() -> None:
    async with measured() as it:
        await it.press("g", *["delete"] * 3, "4", "8", "enter")
        await it.shows("saved -4 pt @48 model_prune_4.h5 and 1 more   pending -10  -30 pt")
        await it.press("space")
        await it.shows("m compares B, B′ and G")
        await run_through(it)
        await it.shows("All pruned.")
        await it.shows("saved -30 pt @54 and 3 more")
        await it.pilot.resize_terminal(60, 16)
        await it.shows("All pruned.")


# --- without room for panes


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30)])
async def test_a_strip_stands_for_the_panes_where_they_have_no_room(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await it.shows("┄ -2 pt  ┄ -4 pt  ┄ -10 pt  ┄ -30 pt")
        await it.press("g", *["delete"] * 3, "4", "8", "enter")
        narrow, usual = "◆ -2 @45  ◆ -4 @48  ┄ -10  ┄ -30", "◆ -2 pt @45  ◆ -4 pt @48  ┄ -10 pt  ┄ -30 pt"
        await it.shows(narrow if size[0] == 60 else usual)
        await it.shows("next: channel")


async def test_where_the_panes_are_there_is_no_strip() -> None:
    async with measured(size=(120, 40)) as it:
        assert it.app.screen.query_one(ThresholdStrip).size.height == 0

"""The results screen: every row can be reached, and what is said about files is so."""

import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import Bench, measured
from tui.screens import result_cells
from tui.widgets.chart import Chart

pytestmark = pytest.mark.tui


async def run_through(it: Bench) -> None:
    await it.press("r")
    await it.until(lambda: it.state.finished)


async def test_the_whole_table_and_the_whole_verdict_fit_80x24() -> None:
    async with measured() as it:
        await run_through(it)
        await it.press("m")
        await it.shows("nothing pruned")
        await it.shows("pt).")
        assert all(f"model_prune_{x}.h5" in it.text() for x in (2, 4, 10, 30))
        assert "▐" not in it.text()


@pytest.mark.parametrize("size", [(80, 18), (60, 16)])
async def test_where_rows_are_left_out_there_is_a_scrollbar(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await run_through(it)
        await it.press("m")
        await it.shows("▐")
        assert "-30 pt @54" not in it.text()
        await it.press(*["down"] * 4)
        await it.shows("-30 pt @54")
        await it.shows("▐")


async def test_files_are_said_to_be_there_only_when_they_are() -> None:
    async with measured() as it:
        await it.press("m")
        await it.shows("e writes curve, results, report to /lab/runs/one")
        await it.press("e")
        await it.shows("curve, results, report are in /lab/runs/one")


# --- channel


def with_active(clean: int, poisoned: int | None) -> type[ScriptedEngine]:
    """An engine whose channels are all active on so many of a thousand images."""

    class Active(ScriptedEngine):
        def _say(self, *events: p.AnyEvent) -> None:
            hits = None if poisoned is None else (poisoned,) * 60
            super()._say(
                *(
                    replace(event, active_valid=(clean,) * 60, active_poisoned=hits)
                    if isinstance(event, p.Ranked)
                    else event
                    for event in events
                )
            )

    return Active


@pytest.mark.parametrize(
    ("clean", "poisoned", "said"),
    [
        (0, 1000, "active on all poisoned, no clean images"),
        (810, 830, "active on most images of both sets"),
        (0, 0, "inactive on all images"),
        (120, 900, "active on most poisoned, under half of clean images"),
        (120, None, "active on under half of clean images, poisoned unknown"),
    ],
)
@pytest.mark.parametrize("size", [(60, 16), (120, 40)])
async def test_a_channel_is_said_to_do_what_it_does(
    clean: int, poisoned: int | None, said: str, size: tuple[int, int]
) -> None:
    async with measured(with_active(clean, poisoned), size=size) as it:
        await it.press("enter", *(["enter"] if size[0] < 110 else []))
        await it.shows(said)
        assert not any("…" in line for line in it.text().splitlines()[2:-1] if "Asking" not in line)


async def test_the_ranking_feature_is_explained() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("enter")
        await it.shows("in pool_3 (what becomes of conv_3), clean valid")


@pytest.mark.parametrize("key", ["m", "i", "L", "question_mark", "enter"])
@pytest.mark.parametrize("width", [60, 80, 120])
async def test_every_screen_says_how_to_leave_it(key: str, width: int) -> None:
    async with measured(size=(width, 24)) as it:
        await it.press(key, *(["enter"] if key == "enter" and width < 110 else []))
        await it.shows("esc back")
        await it.press("escape")
        await it.until(lambda: "esc back" not in it.text())


async def test_intervals_of_the_highlighted_rates_on_demand() -> None:
    async with measured() as it:
        await it.press("m")
        await it.shows("nothing pruned")
        assert "95 %:" not in it.text()
        await it.press("v")
        await it.shows("95 %: B valid 97.7-99.2  test 97.7-99.2  ASR 99.6-100.0")
        await it.shows("RA, own label of poisoned images: e looks for it.")
        assert "DER" not in it.text() and "McNemar" not in it.text()
        await it.press("v")
        await it.until(lambda: "95 %:" not in it.text())


TRIGGER = p.TriggerRegion(18, 8, 8, 31, 248, (30.0, 30.0, 34.0))


def found(it: Bench, *robust: tuple[int, int, int]) -> p.Analysed:
    """Findings with (step, hits of B′, hits of G) and the ranges of two thresholds."""
    hits = tuple(p.RobustHits(it.state.order[:step], b_prime, g) for step, b_prime, g in robust)
    return p.Analysed(TRIGGER, "", hits, (p.StepRange("2", 44, 47), p.StepRange("30", 53, None)))


async def test_what_the_highlighted_rates_come_to_stands_below_their_intervals() -> None:
    async with measured() as it:
        await run_through(it)
        it.engine.say(found(it, (0, 0, 0), (45, 12, 11), (54, 25, 20)))
        await it.until(lambda: it.state.analysed)
        await it.press("m", "v")
        await it.shows("RA, own label of poisoned images: B 0.00 (0.0-0.4)")
        await it.press("down")
        await it.shows("95 %: B′ valid 95.3-97.6")
        await it.shows("      G test ")
        await it.shows("RA, own label of poisoned images: B′ 1.20 (0.7-2.1), G 1.10 (0.6-2.0)")
        await it.shows("DER, (ASR's fall - accuracy's fall + 1) / 2: B′ 0.4900, G 0.4890")
        await it.shows("McNemar, clean test: only B right 22, only B′ right 2, p 3.6e-05")
        await it.shows("-2 pt: at step 44 to 47 in 95 % of 1,000 resamples of validation images")
        assert not any("…" in line for line in it.text().splitlines() if "RA," in line or "resamples" in line)


async def test_on_the_smallest_screen_the_highlighted_block_is_still_seen() -> None:
    async with measured(size=(60, 16)) as it:
        await run_through(it)
        it.engine.say(found(it, (45, 12, 11)))
        await it.press("m", "v", "down")
        await it.shows("95 %: B′ valid")
        await it.shows("-2 pt @")


# --- what the table says


async def test_each_file_stands_in_the_row_of_its_network() -> None:
    async with measured(size=(120, 40)) as it:
        await run_through(it)
        await it.press("m")
        await it.shows("model_prune_2.h5")
        lines = it.text().splitlines()
        mine = next(line for line in lines if "model_prune_4.h5" in line and "@" in line)
        theirs = lines[lines.index(mine) + 1]
        assert mine.split()[:5] == ["B′", "-4", "pt", "@48", "model_prune_4.h5"]
        assert theirs.split()[:2] == ["G", "g_prune_4.h5"]


async def test_columns_say_what_they_are_and_cells_what_was_lost_against_b() -> None:
    async with measured(size=(120, 40)) as it:
        await run_through(it)
        await it.press("m")
        await it.shows("change since B")
        lines = it.text().splitlines()
        at = next(y for y, line in enumerate(lines) if "percent" in line)
        ends = [line.rstrip() for line in lines[at - 2 : at + 1]]
        assert [end.split()[-1] for end in ends] == ["alarms", "clean", "test"]
        row = next(line for line in lines if "model_prune_30.h5" in line and "@" in line)
        assert "66.60  -32.00" in row and "52.50  -47.50" in row and "▅" in row


async def test_where_cells_are_small_the_highlighted_changes_stand_below() -> None:
    async with measured() as it:
        await run_through(it)
        await it.press("m", "down")
        await it.shows("since B: B′ valid -2.00, test -2.00, ASR 0.00 · G test -2.20, ASR 0.00")


async def test_enter_goes_to_the_step_of_the_highlighted_result() -> None:
    async with measured() as it:
        await run_through(it)
        await it.press("m", "down", "down", "enter")
        await it.until(lambda: it.state.step == 48 and "▸1 prune" in it.text())


async def test_enter_does_not_go_where_other_channels_are_pruned_now() -> None:
    async with measured() as it:
        await run_through(it)
        await it.press("home")
        await it.until(lambda: it.state.step == 0)
        it.app.playhead.prune_channel(it.state.order[59])
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        await it.press("m", "down")
        await it.shows("other order")
        await it.press("enter")
        await it.shows("That was saved in another order")
        assert it.state.step == 1


@pytest.mark.parametrize(("size", "charts"), [((80, 24), 0), ((120, 40), 1), ((200, 60), 2)])
async def test_curves_stand_where_there_is_room(size: tuple[int, int], charts: int) -> None:
    async with measured(size=size) as it:
        await run_through(it)
        await it.press("m")
        await it.shows("model_prune_2.h5")
        await it.until(lambda: sum(chart.size.height > 0 for chart in it.app.screen.query(Chart)) == charts)
        if charts == 2:
            await it.shows("G: detection")


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("width", range(60, 241, 3))
def test_heads_and_cells_stand_under_each_other(width: int, extra: bool) -> None:
    made = result_cells.layout(width, extra)
    heads = result_cells.head(width, made)
    filled = result_cells.line((), (98.6, 100.0, 0.0, 50.0, 7.5, 3.2), (100.0,) * 6, "vvaagx", width, made, "")
    assert all(len(each.text) == len(each.ink) == width for each in (*heads, filled))
    assert "98.60" in filled.text and "…" not in filled.text and not any("…" in each.text for each in heads)
    assert heads[-1].text.count("valid") == (2 if width >= 100 and extra else 1)


def test_a_bar_shows_its_share_and_never_hides_something_small() -> None:
    assert [result_cells.bar_of(x, 1) for x in (0, 0.01, 50, 100)] == [" ", "▁", "▄", "█"]
    assert [result_cells.bar_of(x, 4) for x in (0, 0.01, 50, 100)] == ["    ", "▏   ", "██  ", "████"]

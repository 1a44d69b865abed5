"""The screen *orders*, and the tabs that lead to it."""

from collections.abc import Mapping
from pathlib import Path as Folder

import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from engine.api.orders import METHODS
from tests.support.engine_stub import CHANNELS, ORDER, ScriptedEngine, compared
from tests.support.pilot import Bench, measured
from tests.support.recorded_runs import IMAGES, record
from tui.model.actions import ACTIONS
from tui.model.orders_view import BAND, RANDOM, order_lines, ordered, published_set, wanted
from tui.model.run_state import RunState, reduce
from tui.model.session_command import headless_command
from tui.model.tabs import TABS, tabs
from tui.screens.orders import DEFENDER, OrdersScreen, OrderTable, about
from tui.screens.results import ResultsScreen
from tui.screens.workbench import Workbench
from tui.widgets.path_chart import Path, PathChart, PathPanel, band_of, path_chart

pytestmark = pytest.mark.tui


# --- tabs ---


def test_a_tab_is_there_when_the_action_is_that_leads_to_its_screen() -> None:
    there = [tab.label for tab in tabs(ACTIONS)]
    assert [label for label in there if label in ("prune", "orders", "results", "images")] == [
        "prune", "orders", "results", "images",
    ]  # fmt: skip
    without = [action for action in ACTIONS if action.id != "orders"]
    assert "orders" not in [tab.label for tab in tabs(without)]
    new = next(action for action in ACTIONS if action.id == "orders")._replace(id="why", keys=("w", "3"))
    assert next(tab for tab in tabs([*ACTIONS, new]) if tab.name == "why") == TABS[2]


def test_a_tab_shows_a_key_that_leads_there() -> None:
    table = [a._replace(keys=("n",)) if a.id == "results" else a for a in ACTIONS]
    assert [tab.digit for tab in tabs(table) if tab.name == "results"] == ["n"]


async def test_digits_go_from_screen_to_screen_and_the_one_in_front_is_marked() -> None:
    async with measured() as it:
        await it.shows("▸1 prune")
        await it.press("2")
        await it.shows("▸2 orders")
        assert isinstance(it.app.screen, OrdersScreen)
        await it.press("5")
        await it.shows("▸5 results")
        assert isinstance(it.app.screen, ResultsScreen)
        await it.press("6")
        await it.shows("▸6 images")
        await it.press("1")
        await it.shows("▸1 prune")
        assert isinstance(it.app.screen, Workbench)


async def test_a_click_on_a_tab_leads_there() -> None:
    async with measured() as it:
        line = it.text().splitlines()[1]
        await it.pilot.click(offset=(line.index("5 results") + 3, 1))
        await it.shows("▸5 results")


# --- the screen ---


async def opened(it: Bench) -> None:
    """The orders screen, with everything computed that it asks for."""
    await it.press("O")
    await it.until(lambda: isinstance(it.app.screen, OrdersScreen) and len(it.state.compared) > len(RANDOM))
    await it.until(lambda: not it.state.busy)


async def test_the_screen_computes_by_itself_all_but_the_long_order_and_only_once() -> None:
    async with measured() as it:
        await opened(it)
        (asked,) = it.commands(p.Compare)
        assert set(asked.orders) == {name for name in METHODS if name not in ("greedy", "random")} | set(RANDOM)
        assert asked.orders[0] == "mean"
        await it.press("escape", "O")
        await it.until(lambda: isinstance(it.app.screen, OrdersScreen))
        assert len(it.commands(p.Compare)) == 1
        await it.shows(DEFENDER)


async def test_looking_sends_nothing_that_changes_the_run() -> None:
    async with measured() as it:
        await opened(it)
        before = it.state.order, it.state.step, it.state.steps
        await it.press("j", "S", "v", "z", "plus", "minus", "j", "k", "v")
        kinds = {type(command) for command in it.engine.commands}
        assert kinds <= {p.Open, p.Compare}
        assert (it.state.order, it.state.step, it.state.steps) == before


async def test_enter_takes_the_order_and_undo_brings_the_old_one_back() -> None:
    async with measured() as it:
        await opened(it)
        await it.press("j")
        await it.press("enter")
        await it.until(lambda: it.state.taken == "max" and not it.state.busy)
        assert it.commands(p.TakeOrder) == [p.TakeOrder("max")]
        assert "--order-by max" in headless_command(it.state)
        await it.press("1")
        await it.shows("order max")
        await it.press("u")
        await it.until(lambda: it.state.taken == "" and not it.state.busy)
        assert it.commands(p.TakeOrder)[-1] == p.TakeOrder() and it.state.order == ORDER
        assert "--order-by" not in headless_command(it.state)


async def test_an_oracle_that_is_taken_is_named_as_one() -> None:
    async with measured(size=(120, 40)) as it:
        await opened(it)
        chosen = it.app.screen.query_one(OrderTable)
        while chosen.chosen is None or chosen.chosen.name != "tac":
            await it.press("j")
        await it.press("enter", "1")
        await it.shows("tac (ORACLE)")


async def test_an_order_is_left_out_and_the_others_go_on() -> None:
    class Slow(ScriptedEngine):
        held_back = ("norm",)

        async def _answer(self, command: p.AnyCommand) -> None:
            if isinstance(command, p.Compare):
                self.pause_answers()
                self.say(p.Progress("orders", 0, CHANNELS, 0.0, "mean"))
                await self._reading.wait()
            await super()._answer(command)

    async with measured(Slow) as it:
        await it.press("O")
        await it.shows("computing")
        while it.app.screen.query_one(OrderTable).chosen.name != "norm":
            await it.press("j")
        await it.press("x")
        assert it.commands(p.CancelOrder) == [p.CancelOrder("norm")]
        assert "norm" not in it.state.comparing and "taylor" in it.state.comparing
        it.engine.go_on_answering()
        await it.until(lambda: not it.state.busy)
        assert "norm" not in it.state.compared and "taylor" in it.state.compared
        await it.shows("not computed: c computes it")
        await it.press("c")
        await it.until(lambda: it.commands(p.Compare)[-1] == p.Compare(("norm",)))


async def test_a_step_while_orders_are_compared_stops_the_comparison_and_is_done() -> None:
    async with measured() as it:
        await it.press("O")
        await it.press("space")
        await it.until(lambda: it.state.step == 1 and not it.state.busy)


# --- another run laid over this one ---

SAME = {name: f"{len(name):064x}" for name in IMAGES}  # the digests that a recorded run has


def in_folder(root: Folder, sha256: Mapping[str, str]) -> type[ScriptedEngine]:
    """An engine whose run lies in ROOT/runs, on images with these digests."""

    class Elsewhere(ScriptedEngine):
        def _say(self, *events: p.AnyEvent) -> None:
            super()._say(
                *(replace(each, sha256=dict(sha256)) if isinstance(each, p.Began) else each for each in events)
            )

        def say_opened(self, opened: p.Opened) -> p.Opened:
            return replace(opened, run=str(root / "runs" / "one"))

    return Elsewhere


def told(it: Bench, text: str) -> bool:
    """Whether a notice says so; on the screen its words are broken into lines."""
    return any(text in each.message for each in it.app._notifications)


async def test_another_run_is_laid_over_this_one_and_taken_away_again(tmp_path: Folder) -> None:
    record(tmp_path, "two", layer="conv_2")
    async with measured(in_folder(tmp_path, SAME), size=(120, 40)) as it:
        await opened(it)
        await it.press("a")
        await it.shows("other runs of this lab")
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, OrdersScreen))
        table = it.app.screen.query_one(OrderTable)
        await it.until(lambda: any(line.run == "two" for line in table._lines))
        await it.press(*["j"] * table._lines.index(next(line for line in table._lines if line.run)))
        await it.shows("Run two: network bd_net.h5, layer conv_2, order mean, 4 steps.")
        await it.press("enter")
        await it.until(lambda: told(it, "This is another run; only an order of this network can be taken."))
        await it.press("a")
        await it.until(lambda: not any(line.run for line in table._lines))
        assert not it.commands(p.TakeOrder)


async def test_a_run_on_other_images_is_refused_with_its_reason_and_is_not_laid_over(tmp_path: Folder) -> None:
    async with measured(in_folder(tmp_path, SAME | {"valid": "f" * 64})) as it:
        await opened(it)
        await it.press("a")
        await it.until(lambda: told(it, "There is no other run of this lab with a step pruned."))
        record(tmp_path, "two")
        await it.press("a")
        await it.shows("other runs of this lab")
        await it.press("enter")
        await it.until(lambda: told(it, "were made on different clean validation images (SHA-256 differs)"))
        assert not any(line.run for line in it.app.screen.query_one(OrderTable)._lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (60, 16)])
async def test_every_line_of_the_screen_has_room(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await opened(it)
        screen = it.app.screen
        for kind in (PathPanel, OrderTable):
            assert any(view.region.height > 3 for view in screen.query(kind)), kind
        assert "score" in it.text() and "▸mean" in it.text().replace(" ", "")


# --- pure parts ---


def state_of(*names: str) -> RunState:
    sets = {name: p.SetInfo(name, 1000, "") for name in ("valid", "test", "poisoned")}
    state = RunState(
        opened=p.Opened("/run", p.SetInfo("b", 0, ""), "conv", "pool", CHANNELS, 10, (), sets, "0", "", "", False)
    )
    for event in (p.Ranked(ORDER, False, (0.0,) * CHANNELS, (0,) * CHANNELS), *map(compared, names)):
        state = reduce(state, event)
    return state


def test_random_orders_share_a_line() -> None:
    state = state_of("mean", *RANDOM)
    band = next(line for line in order_lines(state, {}, {}) if line.name == BAND)
    assert band.fate == "there" and len(band.curves) == len(RANDOM)
    scores = sorted(line.figures.score for name in RANDOM for line in order_lines(state_of(name), {}, {}) if line.band)
    assert band.figures.score in scores[9:11]


def test_orders_that_need_what_is_not_there_are_not_wanted() -> None:
    state = state_of()
    opened = state.opened
    valid = {"valid": opened.sets["valid"]}
    alone = type(state)(
        opened=p.Opened(*[getattr(opened, f) if f != "sets" else valid for f in opened.__struct_fields__])
    )
    assert {"tac", "gradient"} & set(wanted(state)) and not {"tac", "gradient"} & set(wanted(alone))


@pytest.mark.parametrize("column", range(6))
def test_sorting_keeps_every_line(column: int) -> None:
    lines = order_lines(state_of("mean", "clp", "tac", "norm"), {}, {})
    found = ordered(lines, column)
    assert sorted(line.name for line in found) == sorted(line.name for line in lines)
    if column == 2:
        scores = [line.figures.score for line in found if line.figures]
        assert scores == sorted(scores, reverse=True)


def test_clp_prunes_more_as_a_set_the_smaller_u_is() -> None:
    clp = compared("clp")
    sizes = [len(published_set(clp, u)) for u in (10.0, 3.0, 0.0)]
    assert sizes == sorted(sizes) and published_set(clp, 3.0) == clp.order[: sizes[1]] == clp.chosen
    line = next(line for line in order_lines(state_of("clp"), {}, {}) if line.name == "clp")
    assert about(state_of("clp"), line, 3.0).startswith(
        f"Published, u = 3 (+/-): prunes {', '.join(map(str, clp.chosen))}"
    )
    assert "prunes no channel" in about(state_of("clp"), line, 10.0)


def test_a_path_falls_into_the_cells_of_its_points() -> None:
    data = PathChart((Path("v", ((0, 100), (0, 0), (100, 0)), "one"),))
    rows = path_chart(data, 45, 12)
    canvas = rows[:10]
    assert all(line.text[5] != " " for line in canvas) and set(canvas[-1].text[5:]) & set("⠤⣀⢀⡀⠄")
    assert any("one" in line.text for line in rows)
    assert all(len(line.text) == 45 == len(line.ink) for line in rows)


def test_a_dashed_path_has_gaps() -> None:
    straight = ((0.0, 50.0), (100.0, 50.0))
    whole, dashed = (path_chart(PathChart((Path("v", straight, dashed=d),)), 85, 12) for d in (False, True))
    dots = [
        sum(bin(ord(c) - 0x2800).count("1") for line in rows for c in line.text if "\u2800" < c <= "\u28ff")
        for rows in (whole, dashed)
    ]
    assert 0.4 * dots[0] < dots[1] < 0.7 * dots[0]


def test_the_band_is_what_is_left_for_whoever_pays_no_more() -> None:
    one, two = ((0.0, 100.0), (5.0, 20.0), (2.0, 60.0)), ((0.0, 90.0), (3.0, 50.0))
    assert band_of([one, two]) == ((0, 90, 100), (2, 60, 90), (3, 50, 60), (5, 20, 50))
    assert band_of([one]) == ()


def test_a_band_and_what_lies_outside_the_chart_are_cut() -> None:
    data = PathChart((Path("a", ((-50, 300), (400, -80))),), band=((0, 20, 80), (50, 0, 40)))
    rows = path_chart(data, 60, 14)
    assert len(rows) == 14 and all(len(line.text) == 60 for line in rows)
    assert any("░" in line.text for line in rows)


def test_a_comparison_that_stops_leaves_nothing_waiting() -> None:
    state = changed_sent(state_of("mean"))
    assert state.comparing == ("norm",)
    for event in (p.Idle(0, "paused"), p.Failed("no", 2)):
        assert reduce(state, event).comparing == ()


def changed_sent(state: RunState) -> RunState:
    from tui.model.run_state import Sent

    return reduce(state, Sent(p.Compare(("mean", "norm"))))

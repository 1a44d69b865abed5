"""What keys ask of the engine, and what the screen makes of its answers."""

import re

import pytest
from msgspec.structs import replace
from textual.command import CommandPalette

from engine.api import protocol as p
from tests.support.engine_stub import ORDER, SETTINGS, ScriptedEngine
from tests.support.pilot import bench, measured
from tui.model.actions import ACTIONS
from tui.model.config import Config
from tui.model.run_state import Sent
from tui.screens.help import HelpScreen
from tui.widgets.page import Page

pytestmark = pytest.mark.tui


async def test_it_opens_what_it_was_launched_for() -> None:
    async with measured() as it:
        assert it.commands(p.Open) == [p.Open(SETTINGS)]
        await it.shows("bd_net.h5 · conv_3 · 60 channels")


@pytest.mark.parametrize("key", ["space", "right", "l"])
async def test_step(key: str) -> None:
    async with measured() as it:
        await it.press(key)
        await it.until(lambda: it.state.step == 1)
        assert it.commands(p.Goto) == [p.Goto(1)]
        await it.shows("step 1/60")


@pytest.mark.parametrize("key", ["u", "left", "h"])
async def test_undo_and_redo_show_what_is_known_before_the_engine_answers(key: str) -> None:
    async with measured() as it:
        await it.press("space", "space")
        await it.until(lambda: it.state.step == 2)
        it.engine.pause_answers()
        await it.press(key)
        await it.shows("step 1/60")
        await it.press("U")
        await it.shows("step 2/60")
        it.engine.go_on_answering()
        await it.until(lambda: not it.state.ahead)
        assert it.state.step == 2


async def test_undo_at_b_says_why_not() -> None:
    async with measured() as it:
        await it.press("u")
        await it.shows("nothing to undo")
        assert not it.commands(p.Goto)


async def test_what_is_on_the_screen_is_not_said_again() -> None:
    async with measured() as it:
        await it.press(*["u"] * 10)
        await it.shows("nothing to undo")
        assert it.text().count("nothing to undo") == 1
        for text in ("one", "two", "three", "four"):
            it.app.show_notice(text)
        await it.shows("four")
        assert [said.message for said in it.app._notifications] == ["two\nthree\nfour"]


async def test_what_is_said_in_passing_is_one_box_and_gone_at_the_next_key() -> None:
    async with measured() as it:
        it.app.show_notice("one", "error")
        it.app.show_notice("two")
        await it.shows("two")
        (box,) = it.app._notifications
        assert (box.message, box.severity) == ("one\ntwo", "error")
        lines = it.text().splitlines()
        assert "one" in lines[3] and "two" in lines[4], "below the header: the axis and the answers are at the bottom"
        await it.press("z")
        await it.until(lambda: "one" not in it.text())
        assert not it.app._notifications


async def test_each_box_of_what_is_said_stands_in_the_same_place() -> None:
    async with measured() as it:
        for text in ("one", "two", "three"):
            it.app.show_notice(text)
            await it.shows(text)
            assert "▌ one" in it.text().splitlines()[3]
        await it.press("z")
        it.app.show_notice("four")
        await it.shows("four")
        assert "▌ four" in it.text().splitlines()[3]


@pytest.mark.parametrize("width", [60, 76, 77, 78, 79, 80, 81, 120])
async def test_toasts_are_shown_to_their_last_word(width: int) -> None:
    async with measured(lambda: ScriptedEngine(held_by="process 7"), size=(width, 24)) as it:
        await it.press("space")
        it.app.show_notice("Curve, results and report are in /lab/runs/20240501-140200-bd_net completely.")
        await it.shows("completely.")
        shown = " ".join(re.findall(r"▌ (.*?)[ │─╯┤┄▐\d]*$", it.text(), re.MULTILINE))
        assert "it can only be looked at. Curve, results" in shown and shown.endswith("-bd_net completely.")


async def test_a_key_that_nothing_takes_says_so() -> None:
    async with measured() as it:
        for key, named in (("x", "x"), ("f9", "f9"), ("7", "7")):
            await it.press(key)
            await it.shows(f"{named} does nothing here. ? shows the keys, ^p finds an action.")
        await it.press("escape")
        await it.shows("There is nothing behind this screen; q leaves.")


async def test_without_room_for_the_channel_table_its_keys_say_where_the_channels_are() -> None:
    for key in ("j", "k", "S"):
        async with measured(size=(80, 24)) as it:
            await it.press(key)
            await it.shows("No room for the channel table here: p lists the channels.")


async def test_tab_and_brackets_walk_through_the_screens() -> None:
    async with measured() as it:
        for key, front in (("tab", "▸2"), ("right_square_bracket", "▸3"), ("left_square_bracket", "▸2")):
            await it.press(key)
            await it.shows(front)
        for front in ("▸1", "▸6"):
            await it.press("shift+tab")
            await it.shows(front)


@pytest.mark.parametrize("key", ["colon", "slash"])
async def test_a_colon_and_a_slash_open_the_palette(key: str) -> None:
    async with measured() as it:
        await it.press(key)
        await it.until(lambda: isinstance(it.app.screen, CommandPalette))


async def test_in_the_help_the_keys_of_a_reader_move_the_page_and_not_the_run() -> None:
    async with measured(size=(80, 24)) as it:
        await it.press("question_mark")
        await it.shows("This screen: prune")
        page = it.app.screen.query_one(Page)
        for key in ("space", "j", "G"):
            before = page.scroll_target_y
            await it.press(key)
            await it.until(lambda before=before: page.scroll_target_y > before)  # type: ignore[misc]
        await it.press("g")
        await it.until(lambda: page.scroll_target_y == 0)
        assert it.state.step == 0 and not it.commands(p.Goto)
        await it.press("q")
        await it.until(lambda: not isinstance(it.app.screen, HelpScreen))
        assert it.app.leaving is None


async def test_presses_that_the_engine_keeps_up_with_all_count() -> None:
    """The Idle of a step may come when the next step is asked for already."""
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press("space")
        it.engine.let()
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        it.app.engine.take(Sent(p.ShowChannel(3)))  # a command before, whose Idle is on its way
        await it.press("space")
        it.engine.say(p.Idle(1))
        await it.pilot.pause()
        await it.press("space")
        it.engine.let(2)
        await it.until(lambda: it.state.step == 3)


async def test_a_key_held_down_waits_in_one_place_only() -> None:
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press(*["space"] * 20)
        it.engine.let(60)
        await it.until(lambda: it.state.step == 2 and not it.state.busy)
        assert it.commands(p.Goto) == [p.Goto(1), p.Goto(2)]


async def test_run_goes_to_the_end_saving_and_writing() -> None:
    async with measured() as it:
        await it.press("r")
        await it.until(lambda: it.state.finished and it.state.written and it.state.complete)
        assert it.commands(p.Goto, p.Finish) == [p.Goto(60), p.Finish()]
        assert list(it.state.crossed) == ["2", "4", "10", "30"]
        await it.shows("-30 pt reached")
        assert [saved.threshold for saved in it.state.saved if saved.what == "model"] == ["2", "4", "10", "30"]


async def test_pause_stops_a_run_within_a_step() -> None:
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press("r")
        it.engine.let(5)
        await it.until(lambda: it.state.step == 5)
        await it.shows("running")
        await it.press("r")
        await it.until(lambda: not it.state.busy)
        assert it.state.step == 5 and it.commands(p.Pause)
        await it.shows("● ready")


async def test_undo_during_a_run_pauses_it_first() -> None:
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press("r")
        it.engine.let(5)
        await it.until(lambda: it.state.step == 5)
        await it.press("u")
        await it.until(lambda: it.state.step == 4 and not it.state.busy)
        assert [type(c) for c in it.commands(p.Goto, p.Pause)] == [p.Goto, p.Pause, p.Goto]


async def test_home_end_and_pages_stay_among_the_steps_there_are() -> None:
    async with measured() as it:
        await it.press("pagedown", "pagedown")
        await it.until(lambda: it.state.step == 20)
        await it.press("pageup")
        await it.until(lambda: it.state.step == 10)
        await it.press("end")
        await it.until(lambda: it.state.step == 20)
        await it.press("home")
        await it.until(lambda: it.state.step == 0)
        await it.press("pageup", "home")
        assert it.state.step == 0


async def test_prune_out_of_turn_and_back() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1 and it.app.state.step == 1)
        await it.press("j", "j", "p")
        await it.until(lambda: it.state.step == 2)
        channel = ORDER[3]
        assert it.commands(p.PruneNext) == [p.PruneNext(channel)]
        assert it.state.order[1] == channel


async def test_without_room_for_the_table_p_opens_a_picker() -> None:
    async with measured() as it:
        await it.press("p")
        await it.shows("Prune it next")
        await it.press("down", "p")
        await it.until(lambda: it.commands(p.PruneNext))
        assert it.commands(p.PruneNext) == [p.PruneNext(ORDER[1])]


async def test_with_every_channel_pruned_the_picker_offers_the_last() -> None:
    async with measured() as it:
        await it.press("r")
        await it.until(lambda: it.state.complete and it.state.written and it.state.step == 60)
        await it.press("enter")
        await it.shows("Look inside")
        await it.press("enter")
        await it.until(lambda: it.commands(p.ShowChannel))
        assert it.commands(p.ShowChannel) == [p.ShowChannel(ORDER[-1])]


async def test_zoom_curves_bars_and_sort_change_what_is_seen_only() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("r")
        await it.until(lambda: it.state.complete and it.state.written)
        sent = len(it.engine.commands)
        await it.shows("y 0 to 100 %")
        await it.press("z")
        await it.shows("y 50 to 100 %")
        await it.press("c")
        await it.shows("G: detection")
        await it.press("S")
        await it.shows("channel▾")
        assert len(it.engine.commands) == sent


async def test_bars_take_the_place_of_the_chart_where_there_is_room_for_one() -> None:
    async with measured() as it:
        await it.press("b")
        await it.shows("mean activation by channel")
        assert "valid accuracy" not in it.text()
        await it.press("b")
        await it.shows("valid accuracy")


async def test_every_key_of_the_workbench_can_be_another() -> None:
    async with measured(config=Config(theme="lab3-dark", keys={"step": "n", "run": "x"})) as it:
        await it.press("n")
        await it.until(lambda: it.state.step == 1)
        await it.press("space", "r")
        assert it.commands(p.Goto) == [p.Goto(1)]
        await it.shows("n Step")
        await it.shows("x Run")


async def test_a_dead_run_can_be_looked_at_read_only() -> None:
    async with measured(lambda: ScriptedEngine(held_by="process 7 on host vm since 14:02")) as it:
        await it.shows("read-only")
        await it.shows("process 7 on host vm")


async def test_copying_the_command_shows_it_too() -> None:
    async with measured() as it:
        await it.press("y")
        await it.shows("lab3-tui --headless")
        assert it.app.clipboard == "lab3-tui --headless --root /lab --save-at 2,4,10,30"


async def test_the_palette_finds_actions() -> None:
    async with measured() as it:
        await it.press("ctrl+p")
        await it.shows("Find an action")
        await it.write("prune every")
        await it.shows("Run  (r)")
        await it.press("enter")
        await it.until(lambda: it.commands(p.Goto))
        assert it.commands(p.Goto) == [p.Goto(60)]


async def test_the_palette_changes_the_theme() -> None:
    async with measured() as it:
        await it.press("ctrl+p")
        await it.write("lab3-light")
        await it.shows("Theme: lab3-light")
        await it.press("enter")
        await it.until(lambda: it.app.theme == "lab3-light")


async def test_the_mouse_may_press_the_keys_of_the_footer() -> None:
    async with measured() as it:
        await it.pilot.click("KeyBar", offset=(3, 0))
        await it.until(lambda: it.state.step == 1)


def test_every_action_of_the_table_is_done_somewhere() -> None:
    from tui.app.app import LabApp
    from tui.screens.channel import ChannelScreen
    from tui.screens.engine_died import DiedScreen
    from tui.screens.help import HelpScreen
    from tui.screens.images import ImagesScreen
    from tui.screens.log import LogScreen
    from tui.screens.open_screen import OpenScreen
    from tui.screens.orders import OrdersScreen
    from tui.screens.repair import RepairScreen
    from tui.screens.results import ResultsScreen
    from tui.screens.run_comparison import ComparisonScreen
    from tui.screens.run_screen import RunScreen
    from tui.screens.runs import RunsScreen
    from tui.screens.why import WhyScreen
    from tui.screens.workbench import Workbench

    places = {
        "orders": OrdersScreen,
        "why": WhyScreen,
        "repair": RepairScreen,
        "workbench": Workbench,
        "tabs": RunScreen,
        "channel": ChannelScreen,
        "images": ImagesScreen,
        "results": ResultsScreen,
        "log": LogScreen,
        "open": OpenScreen,
        "runs": RunsScreen,
        "comparison": ComparisonScreen,
        "died": DiedScreen,
        "help": HelpScreen,
    }
    for action in ACTIONS:
        assert hasattr(places.get(action.scope, LabApp), f"action_{action.id}"), action.id


async def test_a_terminal_too_small_says_so_and_recovers() -> None:
    async with measured() as it:
        await it.pilot.resize_terminal(50, 12)
        await it.shows("lab3 needs 60x16")
        await it.pilot.resize_terminal(80, 24)
        await it.shows("saves at")


async def test_notes_and_failures_are_plain_text() -> None:
    async with measured() as it:
        it.engine.say(p.Note("a [b]name[/b] from a file [/]"))
        await it.shows("a [b]name[/b] from a file [/]")
        it.engine.say(p.Failed("could not [red]save", 5))
        await it.shows("could not [red]save")


async def test_the_screen_is_up_before_the_engine() -> None:
    class Never(ScriptedEngine):
        async def start(self) -> None:
            """Says nothing at all."""

    async with bench(Never) as it:
        await it.shows("pruning defence workbench")
        await it.shows("TensorFlow")


async def test_a_run_that_was_killed_while_it_was_finished_is_finished() -> None:
    """Its curve is on disk already, and still the journal does not say that the run is done."""
    async with measured() as it:
        await it.press("r")
        await it.until(lambda: it.state.finished and not it.state.busy)
        it.app.engine.latest = replace(it.app.latest, finished=None)
        it.engine.say(p.Idle(60))
        await it.until(lambda: it.commands(p.Finish) == [p.Finish(), p.Finish()])

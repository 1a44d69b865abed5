"""Every screen beside the workbench: what it shows, and what its keys do."""

from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input, Static

from engine.api import protocol as p
from engine.api.journal import Journal
from engine.api.lab import PLACES
from engine.api.published import MODEL
from tests.faults.labs import make_lab
from tests.support.engine_stub import ORDER, SETTINGS, ScriptedEngine, counts
from tests.support.pilot import LAUNCH, Bench, bench, measured
from tui.model.launch import Launch, demo_launch
from tui.screens.checklist import Checklist

pytestmark = pytest.mark.tui
WIDE = (120, 40)


async def run_through(it: Bench) -> None:
    await it.press("r")
    await it.until(lambda: it.state.complete and it.state.written)


# --- start


async def test_the_checklist_ticks_itself_off() -> None:
    engine = ScriptedEngine()
    async with bench(lambda: engine) as it:
        for phase, done in (("tensorflow", 1), ("features valid", 500)):
            engine.say(p.Progress(phase, done, 1000 if done > 1 else 1, 1.5))
        await it.until(lambda: it.state.opened)
        await it.shows("saves at")
        assert it.state.phases["features valid"].seconds


async def test_seconds_are_counted_from_opening() -> None:
    now = [100.0]

    class Waiting(ScriptedEngine):
        async def start(self) -> None:
            await super().start()
            self.pause_answers()

    async with bench(Waiting, launch=Launch(Path("/nowhere"))) as it:
        checklist = it.app.screen_stack[0].query_one(Checklist)
        checklist._clock = lambda: now[0]
        now[0] = 171.0  # its user chooses
        it.app.open(SETTINGS)
        await it.until(lambda: it.state.busy == "opening")
        await it.shows("0.0 s")
        now[0] = 174.5
        await it.shows("3.5 s")


async def test_the_demo_is_introduced_where_it_covers_nothing() -> None:
    class Waiting(ScriptedEngine):
        async def start(self) -> None:
            await super().start()
            self.pause_answers()

    async with bench(Waiting, launch=demo_launch("plain")) as it:
        await it.shows("Demo, plain attack")
        assert "accuracy or the attack." in it.text() and "▌" not in it.text()


async def test_help_during_the_start_is_not_torn_away() -> None:
    class Waiting(ScriptedEngine):
        async def start(self) -> None:
            await super().start()
            self.pause_answers()

    async with bench(Waiting) as it:
        await it.press("question_mark")
        await it.shows("What you see")
        it.engine.go_on_answering()
        await it.until(lambda: it.state.ready)
        assert "What you see" in it.text()
        await it.press("escape")
        await it.shows("saves at")


# --- results


async def test_results_show_b_and_every_saved_step() -> None:
    async with measured(size=WIDE) as it:
        await run_through(it)
        await it.press("m")
        await it.shows("nothing pruned")
        text = it.text()
        assert "-2 pt @45" in text and "model_prune_30.h5" in text and "detected" in text
        figures = p.percent(counts(45).valid, 1000)
        assert f"{figures:.2f}" in text


async def test_results_of_a_step_that_is_not_saved() -> None:
    async with measured() as it:
        await it.press("space", "m")
        await it.shows("not saved")


async def test_copying_the_path_of_a_result() -> None:
    async with measured() as it:
        await run_through(it)
        await it.press("m", "down", "down", "y")
        await it.until(lambda: it.app.clipboard)
        assert it.app.clipboard == "/lab/models/model_prune_4.h5"
        await it.shows("/lab/models/model_prune_4.h5")


async def test_results_scroll_where_there_is_little_room() -> None:
    async with measured(size=(80, 18)) as it:
        await run_through(it)
        await it.press("m", *["down"] * 5)
        await it.shows("model_prune_30.h5")


async def test_published_values_stand_under_ones_own_where_the_files_are_the_labs() -> None:
    sizes = {"valid": 11547, "test": 12830, "poisoned": 12830}

    class Labs(ScriptedEngine):
        def say_opened(self, opened: p.Opened) -> p.Opened:
            sets = {
                name: msgspec.structs.replace(info, known=PLACES[name], images=sizes[name])
                for name, info in opened.sets.items()
            }
            model = msgspec.structs.replace(opened.model, known=MODEL)
            return msgspec.structs.replace(opened, sets=sets, model=model, lab=True)

    async with measured(Labs, size=WIDE) as it:
        await it.press("m")
        await it.shows("published")
        await it.shows("98.62")  # test accuracy of B, as the lab published it


# --- channel


async def test_looking_inside_a_channel() -> None:
    async with measured(size=WIDE) as it:
        await it.press("enter")
        await it.shows("mean on poisoned test")
        text = it.text()
        assert f"channel {ORDER[0]}" in text and "rank 1 of 60" in text and "pruned alone" in text
        await it.press("right")
        await it.shows(f"channel {ORDER[1]}")
        await it.press("left", "left")
        await it.shows(f"channel {ORDER[-1]}")
        assert it.commands(p.Goto, p.PruneNext) == []


async def test_the_channel_on_the_screen_can_be_pruned() -> None:
    async with measured(size=WIDE) as it:
        await it.press("enter", "right", "right")
        await it.shows(f"channel {ORDER[2]}")
        await it.press("p")
        await it.until(lambda: it.state.pruned == (ORDER[2],))
        await it.shows("pruned at step 1")


async def test_a_channel_waits_until_the_engine_is_free() -> None:
    async with measured(lambda: ScriptedEngine(slow=True), size=WIDE) as it:
        await it.press("r", "enter")
        await it.shows("it answers when it pauses")
        await it.press("r")
        await it.shows("mean on clean valid")


# --- images


async def test_images_show_answers_and_follow_the_playhead() -> None:
    async with measured() as it:
        await it.press("i")
        await it.shows("clean test 1")
        await it.shows("▀")
        await it.shows("B 1  B′ 1")
        await it.press("space")
        await it.shows("image 1 of 1,000, step 1")
        assert [c.offset for c in it.commands(p.ShowImages) if isinstance(c, p.ShowImages)] == [0, 1, 1]


async def test_filters_and_pages_of_images() -> None:
    async with measured() as it:
        await it.press("i")
        await it.shows("clean test 1")
        await it.press("right")
        await it.shows("clean test 2")
        await it.press("f")
        await it.shows("0, 14 in all")
        await it.press("f")
        await it.shows("No image passes the filter 'attack works'")


async def test_many_small_images_at_a_time() -> None:
    async with measured(size=(200, 60)) as it:
        await it.press("i", "z")
        await it.shows("clean test 5")


async def test_no_images_without_a_test_set() -> None:
    class Bare(ScriptedEngine):
        def say_opened(self, opened: p.Opened) -> p.Opened:
            valid = {"valid": opened.sets["valid"]}
            return msgspec.structs.replace(opened, sets=valid)

    async with measured(Bare) as it:
        await it.press("i")
        await it.shows("There is no test set in this run")


# --- log and help


async def test_the_log_tells_what_happened() -> None:
    async with measured() as it:
        await it.press("space", "L")
        await it.shows("channel 3 · valid acc")
        await it.press("tab")
        await it.shows("/lab/runs/one/engine.log")


async def test_help_names_every_key_and_word() -> None:
    async with measured(size=(120, 140)) as it:
        await it.press("question_mark")
        await it.shows("Words")
        await it.shows("Prune the next channel of the order")
        await it.shows("attack success rate")
        await it.press("question_mark")
        await it.shows("saves at")


# --- dialogs


async def test_goto() -> None:
    async with measured() as it:
        await it.press("g")
        await it.write("99")
        await it.shows("A step is 0 to 60")
        await it.press("enter")
        assert not it.commands(p.Goto)
        await it.press("home", *["delete"] * 4)
        await it.write("+7")
        await it.press("enter")
        await it.until(lambda: it.state.step == 7)


async def test_run_until_a_drop() -> None:
    async with measured() as it:
        await it.press("R")
        await it.shows("Drop of clean validation accuracy")
        await it.write("4")
        await it.press("enter")
        await it.until(lambda: not it.state.busy and it.state.step)
        assert it.state.step == 48 and it.commands(p.Goto) == [p.Goto(60, until_drop="4")]


async def test_run_until_asr_says_whose_data_it_looks_at() -> None:
    async with measured() as it:
        await it.press("R")
        await it.shows("looks at poisoned test data")


async def test_saving_here_under_a_name() -> None:
    async with measured() as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1)
        await it.press("s")
        await it.shows("model_step_1.h5")
        await it.write("a/b")
        await it.shows("plain file name")
        await it.press("home", *["delete"] * 5)
        await it.write("mine.h5")
        await it.press("enter")
        await it.shows("Saved /lab/models/mine.h5")
        assert it.commands(p.SaveHere) == [p.SaveHere("mine.h5")]


async def test_a_file_of_somebody_elses_is_replaced_only_when_told() -> None:
    async with measured() as it:
        asked = p.Question("overwrite", "mine.h5 is there already. Replace it?", None, 1, "/lab/models/mine.h5")
        it.engine.say(asked)
        await it.shows("Replace the file?")
        await it.press("s")
        assert "Replace the file?" in it.text()
        await it.press("escape")
        await it.until(lambda: not it.state.questions)
        assert not it.commands(p.SaveHere)
        it.engine.say(asked)
        await it.shows("Replace the file?")
        await it.press("o")
        await it.until(lambda: it.commands(p.SaveHere))
        assert it.commands(p.SaveHere) == [p.SaveHere("mine.h5", overwrite=True, step=1)]


async def test_a_threshold_crossed_again_asks() -> None:
    async with measured() as it:
        it.engine.say(p.Question("threshold", "-2 pt is crossed again. Save B' again?", "2", 46))
        await it.shows("Save again?")
        await it.press("y")
        await it.until(lambda: it.commands(p.SaveThreshold))
        assert it.commands(p.SaveThreshold) == [p.SaveThreshold("2")]


async def test_thresholds_can_be_edited() -> None:
    async with measured() as it:
        await it.press("t")
        await it.write("3, 3")
        await it.shows("3 is there twice")
        await it.press(*["backspace"] * 3)
        await it.write(", 5.50")
        await it.press("enter")
        await it.until(lambda: it.state.thresholds == ("3", "5.5"))


async def test_quit_asks_only_when_something_is_at_stake() -> None:
    async with measured() as it:
        await it.press("q")
        await it.until(lambda: it.app._exit)
        assert it.app.return_value == 0


async def test_quit_with_unwritten_results_offers_to_write_them() -> None:
    async with measured() as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1)
        await it.press("q")
        await it.shows("Leave?")
        await it.press("q")
        await it.until(lambda: "Leave?" not in it.text())
        assert not it.app._exit
        await it.press("q", "w")
        await it.until(lambda: it.app._exit)
        assert it.commands(p.Export) == [p.Export()]


async def test_ctrl_c_twice_leaves_whatever_is_asked() -> None:
    for keys in (["q"], ["g"], ["R"], ["p"], ["ctrl+p"], ["o"], ["m"], []):
        async with measured(lambda: ScriptedEngine(slow=True)) as it:
            await it.press("r", *keys)
            await it.press("ctrl+c", "ctrl+c")
            await it.until(lambda: it.app._exit, str(keys))


async def test_ctrl_c_puts_a_window_away() -> None:
    async with measured() as it:
        await it.press("g")
        await it.shows("Go to step")
        await it.press("ctrl+c")
        await it.until(lambda: "Go to step" not in it.text())
        assert not it.app._exit


async def test_a_window_that_may_only_look_says_so_at_once() -> None:
    for key in ("s", "t", "e", "p", "R"):
        async with measured(lambda: ScriptedEngine(held_by="process 7")) as it:
            await it.press(key)
            await it.shows("be looked at")
            assert not it.app.screen.is_modal and not it.commands(p.SetThresholds, p.SaveHere, p.Export)


async def test_a_window_that_may_only_look_is_left_without_a_question() -> None:
    async with measured(lambda: ScriptedEngine(held_by="process 7")) as it:
        it.engine.say(p.Stepped(1, ORDER[0], counts(1)))
        await it.until(lambda: not it.state.written)
        await it.press("q")
        await it.until(lambda: it.app._exit)


async def test_run_until_wants_one_condition() -> None:
    async with measured() as it:
        await it.press("R", "enter")
        await it.shows("Fill in one of them")
        assert not it.commands(p.Goto)


@pytest.mark.parametrize("key", ["g", "R", "s", "t", "p", "q"])
async def test_windows_are_whole_in_the_least_terminal(key: str) -> None:
    async with measured(size=(60, 16)) as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1 and not it.state.busy)
        await it.press(key)
        await it.until(lambda: it.app.screen.is_modal)
        await it.shows("esc ")
        frame = it.app.screen.query_one(".dialog")
        assert all(frame.region.contains_region(each.region) for each in frame.children)
        assert it.app.screen.region.contains_region(frame.region)


async def test_quit_while_running_offers_to_leave_it_running() -> None:
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press("r")
        await it.until(lambda: it.state.computing)
        await it.press("q")
        await it.shows("Leave it running")
        await it.press("escape")
        await it.shows("running")
        await it.press("q", "k")
        await it.until(lambda: it.app._exit)
        await it.app.link.close()
        assert it.engine.detached


async def test_a_screenshot_is_written_and_named(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))

    class Here(ScriptedEngine):
        def say_opened(self, opened: p.Opened) -> p.Opened:
            return msgspec.structs.replace(opened, run=str(tmp_path))

    async with bench(Here, launch=Launch(tmp_path, settings, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("X")
        await it.shows("Screenshot")
        assert next(tmp_path.glob("*.svg")).read_text().startswith("<svg")


# --- open


async def test_no_lab_folder_says_what_is_missing(tmp_path: Path) -> None:
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("No lab folder here: models/bd_net.h5 and data/cl/valid.h5 are missing")
        await it.press("f5")
        await it.shows("Network is needed")


async def test_paths_are_completed_and_opened(tmp_path: Path) -> None:
    for name in ("nets/badnet.h5", "images/clean.h5", "images/other.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("No lab folder here")
        await it.write("n")
        await it.press("tab", "tab", "tab")
        await it.write("images/c")
        await it.press("tab")
        await it.shows("images/clean.h5")
        await it.press("f5")
        await it.until(lambda: it.engines and it.commands(p.Open))
        opened = it.commands(p.Open)[0]
        assert isinstance(opened, p.Open)
        assert opened.settings.model == str(tmp_path / "nets/badnet.h5")
        assert opened.settings.valid == str(tmp_path / "images/clean.h5")
        await it.shows("saves at")


async def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    (tmp_path / "net.h5").write_bytes(b"x")
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("No lab folder here")
        for name, wrong, what in (("runs", "net.h5", "is a file"), ("model", ".", "is a folder")):
            line = it.app.screen.query_one(f"#{name}", Input)
            line.focus()
            line.value = wrong
            await it.shows(what)
            assert "✗" in str(it.app.screen.query_one(f"#{name}-mark", Static).content)
        it.app.screen.query_one("#runs", Input).value = "made/when/needed"
        await it.until(lambda: "✓" in str(it.app.screen.query_one("#runs-mark", Static).content))


async def test_the_demo_is_one_key_away(tmp_path: Path) -> None:
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("No lab folder here")
        await it.press("f2")
        await it.until(lambda: it.commands(p.Open))
        opened = it.commands(p.Open)[0]
        assert isinstance(opened, p.Open) and opened.demo == "pruning-aware"


async def test_a_refusal_leads_to_the_form_with_its_reason() -> None:
    async with bench(lambda: ScriptedEngine(refuse="bd_net.h5: is a [pickle]. Never opened.")) as it:
        await it.shows("bd_net.h5: is a [pickle]. Never opened.")
        await it.shows("models/bd_net.h5")


async def test_files_of_others_are_replaced_only_after_a_question() -> None:
    made: list[ScriptedEngine] = []

    def engine() -> ScriptedEngine:
        refusal = p.Failed("model_prune_2.h5: there already. Choose another folder.", 2, ("model_prune_2.h5",))
        made.append(ScriptedEngine(refuse="" if made else refusal))
        return made[-1]

    async with bench(engine) as it:
        await it.shows("Replace these files?")
        await it.press("w")
        await it.until(lambda: len(it.engines) == 2 and it.commands(p.Open))
        opened = it.commands(p.Open)[0]
        assert isinstance(opened, p.Open) and opened.settings.overwrite
        await it.shows("saves at")


async def test_opening_another_network_starts_another_engine(tmp_path: Path) -> None:
    lab = make_lab(tmp_path / "lab")
    settings = p.Settings(str(lab), str(lab / "models/bd_net.h5"), str(lab / "data/cl/valid.h5"))
    async with bench(launch=Launch(lab, settings, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("o")
        await it.shows("open a network")
        await it.shows("esc Back")
        await it.press("escape")
        await it.shows("saves at")
        await it.press("o", "f5")
        await it.until(lambda: len(it.engines) == 2)
        await it.shows("saves at")
        assert it.engines[0].closed


def unfinished(root: Path) -> str:
    """A run in `root` that came to step 3."""
    folder = root / "runs" / "20240501-140200-bd_net"
    folder.mkdir(parents=True)
    journal = Journal.create(folder)
    settings = msgspec.structs.replace(SETTINGS, root=str(root))
    journal.append(p.Began(settings, {}, {}, "2024-05-01T14:02:00"))
    for step in range(4):
        journal.append(p.Stepped(step, ORDER[step - 1] if step else None, counts(step)))
    journal.close()
    return str(folder)


async def test_a_folder_with_an_unfinished_run_shows_it_first(tmp_path: Path) -> None:
    folder = unfinished(tmp_path)
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))
    async with bench(launch=Launch(tmp_path, settings)) as it:
        await it.shows("bd_net")
        await it.shows("just begun")
        await it.press("enter")
        await it.until(lambda: it.commands(p.Open))
        assert it.commands(p.Open) == [p.Open(settings, folder)]


async def test_an_unfinished_run_can_be_left_alone(tmp_path: Path) -> None:
    unfinished(tmp_path)
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))
    async with bench(launch=Launch(tmp_path, settings)) as it:
        await it.shows("begins a new run")
        await it.press("escape")
        await it.until(lambda: it.commands(p.Open))
        assert it.commands(p.Open) == [p.Open(settings)]


async def test_a_run_can_be_left_alone_altogether(tmp_path: Path) -> None:
    unfinished(tmp_path)
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))
    for key in ("q", "ctrl+c"):
        async with bench(launch=Launch(tmp_path, settings)) as it:
            await it.shows("begins a new run")
            await it.press(key)
            await it.until(lambda: it.app._exit)
            assert not it.commands(p.Open)


async def test_runs_are_listed_on_the_open_screen(tmp_path: Path) -> None:
    folder = unfinished(tmp_path)
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("runs to go on with")
        await it.press(*["down"] * 8, "enter")
        await it.until(lambda: it.commands(p.Open))
        opened = it.commands(p.Open)[0]
        assert isinstance(opened, p.Open) and opened.run == folder


async def test_a_file_can_be_picked_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "badnet.h5").write_bytes(b"x")
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("No lab folder here")
        await it.press("f3")
        await it.shows("badnet.h5")
        await it.press("down", "enter")
        await it.until(lambda: "open a network" in it.text())
        assert it.app.screen.query_one("#model", Input).value == str(tmp_path / "badnet.h5")


# --- the engine's death

PHASES = [phase for phase in p.PHASES[: p.PHASES.index("steps")] if phase not in ("demo", "features poisoned_valid")]


@pytest.mark.parametrize("phase", PHASES)
async def test_a_death_in_any_phase_is_told_and_survived(phase: str) -> None:
    made: list[ScriptedEngine] = []

    def engine() -> ScriptedEngine:
        made.append(ScriptedEngine(die_in="" if made else phase))
        return made[-1]

    async with bench(engine) as it:
        await it.shows("The engine was killed by SIGKILL")
        await it.shows("out of memory")
        await it.press("r")
        await it.shows("saves at")
        assert len(it.engines) == 2


async def test_a_death_while_pruning_keeps_the_curves_and_goes_on() -> None:
    async with measured(lambda: ScriptedEngine(slow=True)) as it:
        await it.press("r")
        it.engine.let(5)
        await it.until(lambda: it.state.step == 5)
        it.engine.die()
        await it.shows("At step 5. 5 computed steps are in the run's journal")
        await it.press("escape")
        await it.shows("engine died")
        assert it.state.step == 5 and "valid accuracy" in it.text()
        await it.press("space", "m", "escape")
        await it.press("r")
        await it.until(lambda: len(it.engines) == 2 and it.commands(p.Open))
        assert it.commands(p.Open) == [p.Open(SETTINGS, "/lab/runs/one")]


async def test_it_is_started_again_by_itself_once() -> None:
    now = [0.0]
    async with measured() as it:
        it.app.clock = lambda: now[0]
        it.engine.die()
        await it.shows("started again by itself in 10 s")
        now[0] = 11.0
        await it.until(lambda: len(it.engines) == 2)
        await it.shows("saves at")
        it.engine.die()
        await it.shows("The engine was killed")
        assert "by itself" not in it.text()
        await it.press("q")
        await it.until(lambda: it.app._exit)
        assert it.app.return_value == 4


async def test_an_engine_that_cannot_start_is_told(tmp_path: Path) -> None:
    from engine.api.errors import EngineNotStarted

    class Absent(ScriptedEngine):
        async def start(self) -> None:
            raise EngineNotStarted("The engine could not be started: no such file.")

    async with bench(Absent, launch=LAUNCH) as it:
        await it.shows("The engine could not be started: no such file.")

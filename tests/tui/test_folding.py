"""Long texts: help, log, and the last words of an engine are folded or cut where they can be read on."""

import pytest

from engine.api import protocol as p
from engine.api.transport import Ending
from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import bench, measured
from tui.model.actions import ACTIONS
from tui.model.engine_death import last_words
from tui.screens.help import MARGIN, page

pytestmark = pytest.mark.tui
NOISE = (
    "2026-11-27 15:04:40.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    "2026-11-27 15:04:41.123456: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:31] Could not find cuda drivers.",
)
FATAL = "2026-11-27 15:04:42.9: F tensorflow/core/framework/tensor.cc:852] Check failed: out of memory, " + "x" * 90


@pytest.mark.parametrize("width", [55, 75, 100])
def test_definitions_in_the_help_are_folded_under_themselves(width: int) -> None:
    text = page(ACTIONS, None, width).plain
    lines = text[text.index("\nPrune\n") :].splitlines()
    assert all(len(line) <= width for line in lines)
    folded = [line for line in lines if line.startswith(" " * MARGIN)]
    assert folded or width == 100
    assert all(line[MARGIN] != " " for line in folded)


def test_the_help_has_no_word_that_it_does_not_explain() -> None:
    assert "playhead" not in page(ACTIONS).plain


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_paths_in_the_log_begin_in_the_labs_folder(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        it.engine.say(p.Saved("model", "/lab/models/model_prune_2.h5", "a" * 64, "unchanged", 45, "2"))
        await it.press("L")
        await it.shows("◆ saved models/model_prune_2.h5 (unchanged)")


async def test_a_path_elsewhere_is_folded_under_the_text() -> None:
    async with measured(size=(60, 16)) as it:
        it.engine.say(p.Saved("model", "/" + "far/" * 15 + "net.h5", "a" * 64, "written", 45))
        await it.press("L")
        await it.shows("\n" + " " * 17 + "/far/far")


def test_last_words_are_those_that_are_not_mere_information() -> None:
    assert last_words((*NOISE, FATAL)) == ["Check failed: out of memory, " + "x" * 90]
    assert last_words(NOISE) == []
    assert last_words(("Loading weights", "Killed")) == ["Loading weights", "Killed"]


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
async def test_the_panel_of_a_dead_engine_leaves_the_last_two_rows(size: tuple[int, int]) -> None:
    engine = ScriptedEngine()
    async with bench(lambda: engine, size) as it:
        await it.shows("saves at")
        await it.press("space")
        await it.until(lambda: it.state.step == 1)
        engine.die()
        await it.shows("Restart and go on")
        it.app.clear_notifications()
        await it.until(lambda: "u takes it back" in it.text().splitlines()[-2])
        assert "╰" not in it.text().splitlines()[-2]


async def test_long_last_words_are_cut_at_the_frame() -> None:
    class Wordy(ScriptedEngine):
        def die(self, reason: str = "was killed by SIGKILL") -> None:
            super().die(reason)
            assert self.ending
            self.ending = Ending(None, "SIGKILL", reason, tuple(f"{FATAL}{number}" for number in range(9)))

    async with measured(Wordy) as it:
        it.engine.die()
        await it.shows("Check failed: out of memory")
        await it.shows("esc Look at the curves")
        assert it.text().count("Check failed") == 6 == it.text().count("xx…")


def test_a_lab_in_the_root_folder_keeps_its_slashes() -> None:
    from tui.model.formatting import within

    assert within("saved /models/x.h5", "/") == "saved /models/x.h5"
    assert within("saved /lab/models/x.h5", "/lab/") == within("saved /lab/models/x.h5", "/lab") == "saved models/x.h5"

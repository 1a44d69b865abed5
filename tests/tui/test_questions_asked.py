"""Questions of the engine: one at a time, once the run is open, and answered for good."""

import pytest

from engine.api import protocol as p
from tests.support.engine_stub import SETTINGS, ScriptedEngine
from tests.support.pilot import measured

pytestmark = pytest.mark.tui
FIRST, SECOND = (
    p.Question("threshold", f"-{x} pt is crossed again. {x} is held.", x, 46, f"/lab/models/model_prune_{x}.h5", number)
    for x, number in (("2", 1), ("4", 2))
)


class OfBefore(ScriptedEngine):
    """Tells, while it opens, of a run in which three questions were asked and one was answered."""

    def say_opened(self, opened: p.Opened) -> p.Opened:
        self.say(opened)
        self.say(p.Began(SETTINGS, {}, {}, "2024-05-01T14:02:00"))
        self.say(p.Question("threshold", "a version before asked", "30", 3))
        self.say(p.Question("replace", "answered long ago", None, 3, "/lab/models/mine.h5", 3))
        self.say(p.Declined(3))
        self.say(SECOND)
        return opened


async def test_questions_are_put_one_after_the_other_and_a_no_is_told() -> None:
    async with measured() as it:
        for question in (FIRST, SECOND):
            it.engine.say(question)
        await it.shows("2 is held")
        assert len(it.app.screen_stack) == 3, "one window, over the workbench and the checklist"
        await it.press("escape")
        await it.shows("4 is held")
        await it.press("y")
        await it.until(lambda: it.commands(p.SaveThreshold))
        assert it.commands(p.Decline, p.SaveThreshold) == [p.Decline(1), p.SaveThreshold("4")]
        await it.until(lambda: not it.state.questions)
        assert len(it.app.screen_stack) == 2


async def test_after_a_death_only_what_was_not_answered_is_asked_and_below_it_is_the_workbench() -> None:
    engines = [ScriptedEngine(), OfBefore()]
    async with measured(lambda: engines.pop(0)) as it:
        it.engine.die()
        await it.shows("SIGKILL")
        await it.press("r")
        await it.shows("4 is held")
        assert "saves at" in it.text(), "the run is open, and the chart is there"
        await it.press("escape")
        await it.until(lambda: not it.state.questions)
        assert it.commands(p.Decline) == [p.Decline(2)]
        assert len(it.app.screen_stack) == 2


async def test_the_engine_looks_after_the_files_when_results_are_shown() -> None:
    async with measured() as it:
        await it.press("space")
        await it.until(lambda: it.state.step == 1)
        await it.press("m")
        await it.until(lambda: it.commands(p.CheckFiles))
        it.engine.say(p.FileChanged("/lab/models/none.h5", "gone"))
        await it.press("m")
        await it.until(lambda: not it.state.unanswered)
        assert len(it.commands(p.CheckFiles)) == 1, "not when they are left"

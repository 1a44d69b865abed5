"""The machine that walks as users do: any key, in any order, at any size, twice and in the wrong place."""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.walking import truths
from tests.walking.walk import Walk, Wrong
from tests.walking.worlds import World
from tui.model.actions import ACTIONS
from tui.screens.base import LabScreen
from tui.screens.dialogs import Ask, Choose
from tui.screens.open_screen import OpenScreen
from tui.screens.picker import ChannelPicker

SIZES = ((80, 24), (120, 40), (200, 60), (60, 16), (100, 30), (40, 10), (1, 1))
STARTS = SIZES[:4]
LEAVING = {"ctrl+c", "q"}
ANYWHERE = sorted({key for action in ACTIONS for key in action.keys} - LEAVING)
OPENING = [a.keys[0] for a in ACTIONS if a.scope == "run" and a.id not in ("command_palette",)]
TYPED = (
    "0", "5", "+5", "-3", "60", "61", "2,4", "2,4,10,30", "0.5", "0,2", "2,2", "", "x", "abc", "1e9", "é", "-0",
    "model_prune_30.h5", "model_prune_2.h5", "model_step_5.h5", "mine", "bd_net.h5", "../x", "/nowhere/at.h5",
)  # fmt: skip
PATIENCE = 5.0  # seconds that the screen has to show what the state says


def size_of(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


class Walks(RuleBasedStateMachine):
    """One lab folder, and the workbenches that are opened on it one after the other. Subclasses say what `world` is."""

    counts: ClassVar[Counter[str]] = Counter()
    until = float("inf")  # no key is pressed after this time

    def make_world(self, folder: Path) -> World:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="walk"))
        self.here = Path.cwd()
        os.chdir(self.folder)  # where a picture of the screen goes without a run
        self.keys: list[str] = []
        self.world = self.make_world(self.folder)
        self.walk: Walk | None = None
        self.kills = 0
        self.counts["walks"] += 1

    def teardown(self) -> None:
        self.counts["files"] += self.world.checked
        if self.walk is not None:
            self.walk.close()
        os.chdir(self.here)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- a step of the machine

    def start(self, size: tuple[int, int]) -> None:
        before = self.world.runs()
        self.walk = Walk(self.world, size, self.keys)
        self.check()
        state, app = self.walk.state, self.walk.app
        if before and state.opened and not app.offered and state.opened.run not in before:
            self.fail("a new run was opened without a word, though there are runs to look at")

    def act(self, *keys: str) -> None:
        """Press keys without waiting in between, then look whether all is well."""
        assert self.walk
        if time.monotonic() > self.until:
            return
        self.counts["keys"] += len(keys)
        screen = self.walk.app.screen
        self.guarded(lambda walk: walk.press(*keys))
        self.check()
        if not self.walk.ended and self.walk.app.screen is not screen:
            self.counts["screens"] += 1

    def guarded(self, work: Callable[[Walk], Any]) -> Any:
        assert self.walk
        try:
            return work(self.walk)
        except Wrong as error:
            raise Wrong(f"{error}\nafter: {' '.join(self.keys)}") from error

    def check(self) -> None:
        """Let things come to rest; then everything that should hold does, soon."""
        self.guarded(lambda walk: walk.settle())
        assert self.walk
        end, found = time.monotonic() + PATIENCE, truths.wrong(self.walk)
        while found and time.monotonic() < end:
            self.guarded(lambda walk: walk.wait(lambda: True, ""))
            time.sleep(0.02)
            found = truths.wrong(self.walk)
        if found:
            self.fail("\n".join(found))
        if self.walk.ended:
            self.begin_again()

    def fail(self, why: str) -> None:
        assert self.walk
        shown = "" if self.walk.ended else f"\non the screen:\n{self.walk.text()}"
        raise Wrong(f"{why}\nafter: {' '.join(self.keys)}{shown}")

    def begin_again(self) -> None:
        """The user left: come back to the same folder."""
        assert self.walk
        code = self.walk.app.return_code
        self.walk.close()
        if code:
            self.fail(f"the workbench ended with exit code {code}")
        self.start((80, 24))

    @property
    def screen(self) -> Any:
        assert self.walk
        return self.walk.app.screen

    def replay(self, keys: list[str]) -> None:
        """Press what a failure listed."""
        for key in keys:
            what, _, value = key.partition(":")
            if what == "start" and not self.walk:
                self.start(size_of(value))
            elif what == "size":
                self.guarded(lambda walk, value=value: walk.resize(*size_of(value)))
            elif what == "kill":
                self.guarded(lambda walk: walk.kill_engine())
            elif what != "start":
                self.guarded(lambda walk, key=key: walk.press(key))
            self.check()

    # --- what users do

    @initialize(size=st.sampled_from(STARTS))
    def begin(self, size: tuple[int, int]) -> None:
        self.start(size)

    @rule(key=st.sampled_from(ANYWHERE))
    def press(self, key: str) -> None:
        self.act(key)

    @rule(key=st.sampled_from(ANYWHERE))
    def press_twice(self, key: str) -> None:
        self.act(key, key)

    @rule(keys=st.lists(st.sampled_from(ANYWHERE), min_size=2, max_size=6))
    def press_in_a_hurry(self, keys: list[str]) -> None:
        self.act(*keys)

    @rule(key=st.sampled_from(OPENING))
    def open_leave_and_open(self, key: str) -> None:
        self.act(key)
        self.act("escape")
        self.act(key)

    @rule(size=st.sampled_from(SIZES))
    def resize(self, size: tuple[int, int]) -> None:
        self.guarded(lambda walk: walk.resize(*size))
        self.check()

    @precondition(lambda self: isinstance(self.screen, Choose))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        keys = [choice.key for choice in self.screen._choices] + ["escape"]
        self.act(data.draw(st.sampled_from(keys)))

    @precondition(lambda self: isinstance(self.screen, Ask))
    @rule(text=st.sampled_from(TYPED), end=st.sampled_from(("enter", "enter", "escape")))
    def fill_in(self, text: str, end: str) -> None:
        self.act(*text, end)

    @rule(step=st.sampled_from(("0", "5", "30", "46", "60", "+1", "-1")))
    def go_to(self, step: str) -> None:
        if isinstance(self.screen, LabScreen) and not isinstance(self.screen, OpenScreen):
            self.act("g", *step, "enter")

    @rule(name=st.sampled_from(TYPED))
    def save_as(self, name: str) -> None:
        if isinstance(self.screen, LabScreen) and not isinstance(self.screen, OpenScreen):
            self.act("s", *name, "enter")

    @rule(points=st.sampled_from(TYPED))
    def set_thresholds(self, points: str) -> None:
        if isinstance(self.screen, LabScreen) and not isinstance(self.screen, OpenScreen):
            self.act("t", "ctrl+u", *points, "enter")

    @rule(down=st.sampled_from((0, 1, 5, 20)))
    def prune_out_of_turn(self, down: int) -> None:
        """Prune a channel further down in the table, or in the picker where there is no room for one."""
        if isinstance(self.screen, LabScreen) and not isinstance(self.screen, OpenScreen):
            self.act(*["j"] * down, "p")
            if isinstance(self.screen, ChannelPicker):
                self.act(*["j"] * down, "p")

    @rule(step=st.sampled_from(("5", "30")), points=st.sampled_from(("2,4", "1,2")))
    def prune_out_of_turn_and_take_it_back(self, step: str, points: str) -> None:
        """Run, run again with a channel out of turn, go back, set thresholds: nobody asks about what is saved."""
        self.act("end")
        self.act("r")
        self.go_to(step)
        self.prune_out_of_turn(20)
        self.act("r")
        for _ in range(5):
            if isinstance(self.screen, Choose):
                self.act("escape")
        self.go_to(step)
        self.set_thresholds(points)

    @precondition(lambda self: self.kills < 2 and self.walk.state.hello is not None)
    @rule()
    def kill_the_engine(self) -> None:
        self.kills += 1
        self.guarded(lambda walk: walk.kill_engine())
        self.counts["kills"] += 1
        self.check()
        self.act("r")

    @rule(key=st.sampled_from(("y", "k", "w", "escape")))
    def leave_and_come_back(self, key: str) -> None:
        self.act("q", key)

    @rule(text=st.sampled_from(("/nowhere", "x.h5", "data", "models/bd_net.h5")), back=st.booleans())
    def open_another(self, text: str, back: bool) -> None:
        if isinstance(self.screen, LabScreen) and not isinstance(self.screen, OpenScreen):
            self.act("o")
        if isinstance(self.screen, OpenScreen):
            self.act("ctrl+u", *text, "f5")
            if back:
                self.act("escape")

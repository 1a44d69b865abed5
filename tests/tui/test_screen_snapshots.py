"""How every screen looks: at four sizes, in light colours, in sixteen, and in none."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.api import protocol as p
from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import LAUNCH, PATIENCE, cells
from tui.app.app import LabApp
from tui.model.config import Config
from tui.model.launch import Launch
from tui.widgets.rows_view import RowsView

pytestmark = pytest.mark.tui
Compare = Callable[..., bool]
SIZES = {"60x16": (60, 16), "80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}


class Silent(ScriptedEngine):
    """Says no more than that it is up, and how far it has come."""

    async def start(self) -> None:
        await super().start()
        self.pause_answers()
        for phase, seconds in (("start", 0.1), ("hash", 0.4), ("tensorflow", 2.1), ("device", 2.1), ("model", 0.3)):
            self.say(p.Progress(phase, 1, 1, seconds))
        self.say(p.Progress("features valid", 600, 1000, 0.5))


class Dying(ScriptedEngine):
    """Falls over at the third step."""

    async def _goto(self, command: p.Goto) -> None:
        await super()._goto(p.Goto(3))
        self.die()


# name -> keys to press when B is measured, each one after what it caused has been drawn
SCREENS: dict[str, tuple[str, ...]] = {
    "workbench": ("pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "u", "u", "u"),
    "first step": (),
    "results": ("r", "m", "down"),
    "channel": ("pagedown", "pagedown", "pagedown", "pagedown", "enter", "enter"),
    "images": ("pagedown", "i"),
    "orders": ("O",),
    "log": ("pagedown", "pagedown", "pagedown", "pagedown", "pagedown", "L"),
    "help": ("question_mark",),
    "goto": ("g",),
    "run until": ("R",),
    "save": ("space", "s"),
    "thresholds": ("t",),
    "quit": ("space", "q"),
    "picker": ("p",),
    "palette": ("ctrl+p",),
}
BESIDES = ("start", "open", "died", "question", "too small")
LARGE = [name for name in SCREENS if name in ("workbench", "first step", "results", "channel", "orders", "log", "help")]


def app(name: str, theme: str) -> LabApp:
    kinds = {"start": Silent, "died": Dying}
    launch = Launch(Path("/nowhere/lab")) if name == "open" else LAUNCH
    config = Config(theme=theme, restart_after=0)
    return LabApp(
        launch, config, lambda: kinds.get(name, ScriptedEngine)(), clock=lambda: 0.0, time_of_day=lambda: "14:02:07"
    )


def pressing(name: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def press(pilot: Pilot[Any]) -> None:
        lab = pilot.app
        assert isinstance(lab, LabApp)
        end = monotonic() + PATIENCE
        while monotonic() < end:
            await pilot.pause(0.01)
            if lab.latest.ready or (name == "start" and "features valid" in lab.latest.phases) or name == "open":
                break
        await settled(pilot)
        for key in {"died": ("space",)}.get(name, SCREENS.get(name, ())):
            await pilot.press(key)
            await settled(pilot)
        if name == "question":
            lab.engine.take(p.Question("overwrite", "model_prune_2.h5 is there already. Replace it?", "2", 45, "/x.h5"))
        if name == "too small":
            await pilot.resize_terminal(50, 12)
        lab.clear_notifications()
        await settled(pilot)

    return press


async def settled(pilot: Pilot[Any]) -> None:
    """Nothing is under way any more, and what has changed is drawn, also by views that wait a while."""
    end = monotonic() + PATIENCE
    while monotonic() < end:
        await pilot.pause(0.02)
        if not pilot.app.latest.busy or pilot.app.latest.busy == "opening":
            break
    await pilot.pause(0.05)
    for line in pilot.app.screen.query(Input):
        line.cursor_blink = False
    same, before = 0, ""
    while same < 3 and monotonic() < end:  # a layout may take several turns to come to rest
        await pilot.pause(0.03)
        for view in pilot.app.screen.query(RowsView):
            view.flush()
        await pilot.pause()
        now = cells(pilot.app)
        same, before = (same + 1 if now == before else 0), now


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of all colours, wherever the tests run; no caret that blinks."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("name", [*SCREENS, *BESIDES])
def test_at_80x24(snap_compare: Compare, name: str) -> None:
    assert snap_compare(app(name, "lab3-dark"), terminal_size=(80, 24), run_before=pressing(name))


@pytest.mark.parametrize("name", [*LARGE, "images", "open", "died"])
def test_smallest(snap_compare: Compare, name: str) -> None:
    assert snap_compare(app(name, "lab3-dark"), terminal_size=SIZES["60x16"], run_before=pressing(name))


@pytest.mark.parametrize("size", ["120x40", "200x60"])
@pytest.mark.parametrize("name", [*LARGE, "images", "start", "open", "died"])
def test_larger(snap_compare: Compare, name: str, size: str) -> None:
    assert snap_compare(app(name, "lab3-dark"), terminal_size=SIZES[size], run_before=pressing(name))


@pytest.mark.parametrize("theme", ["lab3-light", "ansi-dark"])
@pytest.mark.parametrize("name", ["workbench", "results", "channel", "orders", "open", "quit", "help", "died"])
def test_in_other_colours(snap_compare: Compare, name: str, theme: str) -> None:
    assert snap_compare(app(name, theme), terminal_size=(80, 24), run_before=pressing(name))


@pytest.mark.parametrize("name", ["workbench", "results", "channel", "images", "orders", "open", "quit", "died"])
def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app(name, "lab3-dark"), terminal_size=(80, 24), run_before=pressing(name))

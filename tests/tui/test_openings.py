"""Screens that are opened twice, keys that come too early, and what is open staying open."""

import time
from pathlib import Path

import msgspec
import pytest

from engine.api import protocol as p
from engine.api.journal import Journal
from tests.support.engine_stub import SETTINGS, ScriptedEngine
from tests.support.pilot import Bench, bench, measured
from tui.model.actions import ACTIONS
from tui.model.launch import Launch
from tui.screens.open_screen import OpenScreen
from tui.terminal.lab_driver import EscapeParser

pytestmark = pytest.mark.tui
SIZES = [(60, 16), (80, 24), (120, 40), (200, 60)]
ELSEWHERE = {"quit", "suspend_process", "save_svg", "command_palette", "open"}  # they leave, write, or take letters
OPENERS = [a for a in ACTIONS if a.scope in ("run", "app") and a.id not in ELSEWHERE]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_every_screen_and_window_opens_twice_at_every_size(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await it.press("r")
        await it.until(lambda: it.state.complete and not it.state.busy)
        home = it.app.screen
        for action in OPENERS:
            seen = [await opened_by(it, action.keys[0]) for _ in range(2)]
            assert it.app.screen is home, action.id
            assert seen[0] is seen[1] or action.id == "step", action.id


async def opened_by(it: Bench, key: str) -> type:
    """The kind of screen that a key leads to; then back again."""
    await it.press(key)
    await it.until(lambda: not it.state.busy)
    kind = type(it.app.screen)
    if it.app.screen is not it.app.screen_stack[1]:
        await it.press("escape")
    return kind


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 2), (61, 16)], ids=str)
async def test_pictures_bear_any_size(size: tuple[int, int]) -> None:
    async with measured(size=(80, 24)) as it:
        await it.press("i")
        await it.pilot.resize_terminal(*size)
        await it.pilot.resize_terminal(80, 24)
        await it.shows("clean test")


# --- keys that come too early


@pytest.mark.parametrize(("keys", "after"), [("r", 60), ("space", 1), ("space r", 60), ("r space", 1)])
async def test_a_key_pressed_while_the_network_is_opened_waits_for_it(keys: str, after: int) -> None:
    engine = ScriptedEngine()
    engine.pause_answers()
    async with bench(lambda: engine) as it:
        await it.until(lambda: it.state.busy == "opening")
        await it.press(*keys.split())
        await it.shows("waits until the network is open")
        engine.go_on_answering()
        await it.until(lambda: it.state.step == after and not it.state.busy)


# --- what is open stays open


async def test_a_bad_path_leaves_the_run_open_and_what_was_typed(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))
    async with bench(launch=Launch(tmp_path, settings, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("space", "o")
        await it.until(lambda: isinstance(it.app.screen, OpenScreen))
        model = it.app.screen.query_one("#model")
        model.value = "models/not_there.h5"  # type: ignore[attr-defined]
        await it.press("f5")
        await it.shows("models/not_there.h5: not there")
        assert model.value == "models/not_there.h5" and len(it.engines) == 1  # type: ignore[attr-defined]
        await it.press("escape")
        assert it.state.ready and it.state.step == 1


async def test_the_cursor_is_where_the_mistake_is_and_what_was_typed_is_still_there(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.h5" for name in ("model", "valid", "test")}
    for name in ("model", "valid"):
        places[name].write_bytes(b"")
    settings = p.Settings(str(tmp_path), str(places["model"]), str(places["valid"]), test=str(places["test"]))
    async with bench(
        lambda: ScriptedEngine(refuse="test.h5: not there."), launch=Launch(tmp_path, settings, fresh=True)
    ) as it:
        await it.shows("test.h5: not there")
        await it.until(lambda: it.app.screen.focused is not None and it.app.screen.focused.id == "test")
        assert it.app.screen.query_one("#model").value == "model.h5"  # type: ignore[attr-defined]


async def test_what_the_engine_refuses_leads_back_to_the_run_that_was_open() -> None:
    engines = iter([ScriptedEngine(), ScriptedEngine(refuse="bd_net.h5: is damaged."), ScriptedEngine()])
    async with bench(lambda: next(engines)) as it:
        await it.shows("saves at")
        it.app.open(msgspec.structs.replace(SETTINGS, model="/elsewhere/bd_net.h5"))
        await it.shows("is damaged")
        await it.press("escape")
        await it.until(lambda: it.state.ready and not it.state.busy)
        assert it.engine.commands[0] == p.Open(SETTINGS, "/lab/runs/one")


async def test_a_run_that_was_left_and_has_ended_is_offered(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, root=str(tmp_path))
    run = tmp_path / "runs" / "20260102-030405-bd_net"
    run.mkdir(parents=True)
    journal = Journal.create(run)
    ended = p.Finished(str(run), (), (), "done.", 1.0)
    stepped = (p.Stepped(0, None, p.Counts(valid=9)), p.Stepped(1, 1, p.Counts(valid=9)))
    began = p.Began(settings, {}, {}, "2026-01-02T03:04:05")
    for event in (began, p.Ranked((1, 0), False, (1.0, 0.0), (1, 1)), *stepped, ended):
        journal.append(event)
    journal.close()
    async with bench(launch=Launch(tmp_path, settings)) as it:
        await it.shows("esc begins a new run")
        it.engine.die()
        await it.shows("The engine was killed")
        await it.press("r")  # a new engine, and the runs again: their screen has gone with the first one
        await it.until(lambda: len(it.engines) == 2)
        await it.shows("esc begins a new run")
        await it.press("r")
        await it.until(lambda: bool(it.engine.commands))
        assert it.engine.commands[0] == p.Open(settings, str(run))


async def test_files_are_asked_for_again_where_the_engine_died_meanwhile(tmp_path: Path) -> None:
    async with bench(launch=Launch(tmp_path)) as it:
        await it.until(lambda: isinstance(it.app.screen, OpenScreen))
        it.engine.die()
        await it.shows("The engine was killed")
        await it.press("r")
        await it.until(lambda: len(it.engines) == 2 and isinstance(it.app.screen, OpenScreen))


# --- escape and a key soon after it


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1bi", ["escape", "i"]),
        ("\x1bU", ["escape", "U"]),
        ("\x1b ", ["escape", "space"]),
        ("\x1b1", ["escape", "1"]),
        ("\x1bL\x1bm", ["escape", "L", "escape", "m"]),
        ("\x1bX", ["escape", "X"]),
        ("\x1b[A", ["up"]),
        ("\x1bOP", ["f1"]),
        ("\x1b\x1b[A", ["escape", "up"]),
        ("\x1b\t", ["shift+tab"]),
    ],
)
def test_escape_and_a_key_soon_after_are_these_two_keys(typed: str, keys: list[str]) -> None:
    parser = EscapeParser()
    found = list(parser.feed(typed))
    end = time.monotonic() + 10
    while len(found) < len(keys) and time.monotonic() < end:
        found += parser.tick()
    assert [event.key for event in found] == keys  # type: ignore[attr-defined]

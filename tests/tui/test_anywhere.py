"""The screens, wherever a lab and a home lie: paths of any length, and names that would act on a terminal."""

import unicodedata
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from engine.api import protocol as p
from engine.api.demo import demo_root
from engine.api.escape import ACTING, JOINERS
from tests.support.engine_stub import SETTINGS, ScriptedEngine, opened
from tests.support.pilot import bench
from tui.model.formatting import short_path
from tui.model.launch import Launch, demo_launch
from tui.model.run_state import EngineDeath
from tui.terminal.output_diet import safe

EVIL = "a\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp\u2028line\u200fm\x7f\t"
HOMES = {
    "short": "/h",
    "of a course": "/home/students/first.lastname",
    "long": "/net/" + "/".join(["department of computer science"] * 6),
    "in one word": "/home/" + "x" * 200,
    "wide": "/home/" + "写全角" * 30,
    "evil": f"/home/{EVIL}",
}
SIZES = {"60x16": (60, 16), "80x24": (80, 24), "120x40": (120, 40)}


class Waiting(ScriptedEngine):
    async def start(self) -> None:
        await super().start()
        self.pause_answers()


def acting(text: str) -> set[str]:
    return {each for each in text if unicodedata.category(each) in ACTING and each not in JOINERS and each != "\n"}


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
async def test_the_introduction_of_the_demo_is_whole(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    async with bench(Waiting, launch=demo_launch("pruning-aware")) as it:
        await it.shows("Demo, pruning-aware attack: in /")
        shown = it.text()
        assert "demo-pruning-aware (" in shown and "demo-pruning-aware/models." in shown, "the ends of both paths"
        assert "accuracy or the attack." in shown and "quit" in shown.lower()
        assert acting(shown) == set()
        assert str(demo_root("pruning-aware")) in shown or "…" in shown


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
async def test_opening_a_lab_takes_one_line(home: str) -> None:
    settings = replace(SETTINGS, root=f"{home}/lab")
    async with bench(Waiting, launch=Launch(Path(home), settings, fresh=True)) as it:
        await it.shows("Opening /")
        await it.shows("accuracy or the attack.")
        await it.shows("/lab")
        assert acting(it.text()) == set()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
async def test_every_screen_that_shows_a_path(home: str, size: tuple[int, int]) -> None:
    run = f"{home}/lab/runs/20260102-030405-bd_net"
    settings = replace(SETTINGS, root=f"{home}/lab", model=f"{home}/lab/models/bd_net.h5", runs=f"{home}/elsewhere")
    async with bench(size=size, launch=Launch(Path(home), settings, fresh=True)) as it:
        await it.shows("saves at")
        it.app.engine.take(replace(opened(), run=run, notes=(f"a note about {home}",)))
        for what in ("model", "report.md"):
            it.app.engine.take(p.Saved(what, f"{home}/out/model_step_3.h5", "a" * 64, "written", 3))
        it.app.engine.take(p.Note(f"about {home}"))
        for keys in (("m",), ("y",), ("escape", "L"), ("l",), ("escape", "s")):
            await it.press(*keys)
            assert acting(it.text()) == set(), keys
        await it.shows("Save B′ here")
        await it.shows("File name")
        await it.press("escape", "o")
        await it.shows("Network")
        assert acting(it.text()) == set()
        await it.press("f3")
        assert acting(it.text()) == set()
        await it.press("escape", "escape")
        it.app.engine.take(p.Failed(f"{home}: no such file.", 2))
        it.app.engine.take(EngineDeath(f"The engine at {home} was killed.", (f"in {home}",)))
        await it.shows("The engine at")
        assert acting(it.text()) == set()


@pytest.mark.parametrize("width", [0, 1, 2, 3, 10, 30, 80, 1000])
@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_a_path_fits_and_keeps_both_ends(home: str, width: int) -> None:
    path = f"{home}/lab/models/bd_net.h5"
    shown = short_path(path, width)
    assert cell_len(shown) <= width and acting(shown) == set()
    if width >= 30:
        assert shown.startswith("/h" if home != HOMES["long"] else "/net") and shown.endswith("/bd_net.h5")
    if width == 1000:
        assert "…" not in shown


def test_what_acts_and_has_no_width_is_left_out_at_the_last_gate() -> None:
    assert cell_len(safe(EVIL)) == cell_len(EVIL) and acting(safe(EVIL + "\udc80")) == set()
    assert safe("Grüße 写 ⣿ 👩\u200d🔬 no\u00a0break") == "Grüße 写 ⣿ 👩\u200d🔬 no\u00a0break"

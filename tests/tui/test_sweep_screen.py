"""The screen of a sweep, on a record that a test writes: what it shows, and what its keys do."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from textual.color import Color
from textual.pilot import Pilot

from engine.api import locks
from tests.support.pilot import PATIENCE
from tests.support.sweep_script import script, write_record
from tui.app import sweep_app
from tui.app.sweep_app import SweepApp
from tui.model.config import Config
from tui.model.sweep_state import SweepOver, encode_sweep
from tui.widgets.rows_view import RowsView

pytestmark = pytest.mark.tui


class Watched:
    """A running screen."""

    def __init__(self, app: SweepApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    def text(self) -> str:
        for view in self.app.screen.query(RowsView):
            view.flush()
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in strips)

    async def shows(self, text: str) -> None:
        end = monotonic() + PATIENCE
        while text not in self.text():
            assert monotonic() < end, f"waited in vain for {text!r}; on the screen:\n{self.text()}"
            await self.pilot.pause(0.01)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@asynccontextmanager
async def watched(folder: Path, size: tuple[int, int] = (80, 24), theme: str = "lab3-dark") -> AsyncIterator[Watched]:
    begun: list[int] = []
    app = SweepApp(folder, lambda: begun.append(1), Config(theme=theme))  # type: ignore[func-returns-value, arg-type]
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield Watched(app, pilot)
    app.record.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of a sweep that lives: this process holds it."""
    write_record(tmp_path, script(run=str(tmp_path / "run")))
    with locks.hold(tmp_path):
        yield tmp_path


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("theme", ["lab3-dark", "lab3-light", "ansi-dark"])
async def test_what_counts_is_there_at_every_size(folder: Path, size: tuple[int, int], theme: str) -> None:
    async with watched(folder, size, theme) as it:
        await it.shows("8 of 24 cells")
        for part in ("nets/plain.h5", "conv_2      mean[■] clp ■", "random ■", "■ 6 done", "× 1 refused", "! 1 failed",
                     "▸ 2 running", "· 14 waiting", "● running", "2 workers", "step 12/60", "best so far: nets/plain",
                     "0.500 at step 12 (", "ASR 40.0 %)",
                     "cell 1 of 24", "done, before this sweep", "⏎ Open", "q Leave"):  # fmt: skip
            assert part in it.text(), (part, it.text())
        assert all(len(line) == size[0] for line in it.text().splitlines())
        beside = [" cells " in line and "cell 1 of 24" in line for line in it.text().splitlines()]
        assert any(beside) == (size[0] > 80)  # the panels stand side by side where there is room


@pytest.mark.parametrize("theme", ["lab3-dark", "lab3-light", "ansi-dark"])
async def test_the_theme_is_the_one_that_was_chosen(folder: Path, theme: str) -> None:
    async with watched(folder, theme=theme) as it:
        expected = Color.parse(it.app.get_css_variables()["background"])
        assert it.app.screen.styles.background == expected
        assert it.app.current_theme.name == theme


async def test_arrows_choose_and_say_what_a_cell_is(folder: Path) -> None:
    async with watched(folder) as it:
        await it.shows("cell 1 of 24")
        await it.press("l", "right")
        await it.shows("ORACLE: it looks at poisoned images")
        await it.press("j")
        await it.shows("cell 9 of 24")
        await it.shows("step 12 of 60  valid 97.8  ASR 99.4")
        await it.press("left", "left")
        await it.shows("cannot be pruned: it is not on every path.")
        await it.press("right")
        await it.shows("killed by SIGKILL. (3 attempts)")
        await it.press("b")
        await it.shows("cell 6 of 24")
        await it.press("end")
        await it.shows("cell 24 of 24")
        await it.press("home", "up")
        await it.shows("cell 1 of 24")


async def test_a_click_chooses_too(folder: Path) -> None:
    async with watched(folder) as it:
        await it.shows("cell 1 of 24")
        lines = it.text().splitlines()
        y = next(at for at, line in enumerate(lines) if "conv_3" in line)
        await it.pilot.click(offset=(lines[y].index("clp") + 5, y))
        await it.shows("cell 8 of 24")


async def test_enter_opens_what_is_done_in_this_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[list[str]] = []

    @contextmanager
    def suspended(_app: SweepApp):  # type: ignore[no-untyped-def]
        yield

    monkeypatch.setattr(SweepApp, "suspend", suspended)
    monkeypatch.setattr(subprocess, "run", lambda command, check: opened.append(list(command)))
    async with watched(folder) as it:
        await it.shows("cell 1 of 24")
        await it.press("enter")
        assert [words[-2:] for words in opened] == [["--run", str(folder / "run")]]
        await it.press("end", "enter")
        await it.shows("This cell was not begun yet.")
        assert len(opened) == 1


async def test_stop_asks_then_interrupts_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(sweep_app.os, "kill", lambda pid, number: sent.append((pid, number)))
    async with watched(folder) as it:
        await it.shows("● running")
        await it.press("s")
        await it.shows("Stop the sweep?")
        await it.press("escape")
        await it.press("s")
        await it.shows("Stop the sweep?")
        await it.press("x")
        assert [each for each in sent if each[1]] == [(os.getpid(), signal.SIGINT)]


async def test_a_process_that_has_gone_is_told_and_r_goes_on(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_record(tmp_path, script(pid=gone.pid))
    begun: list[int] = []
    app = SweepApp(tmp_path, lambda: begun.append(1), Config(theme="lab3-dark"))  # type: ignore[func-returns-value, arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        it = Watched(app, pilot)
        await it.shows("its process has gone")
        await it.press("r")
        assert len(begun) == 2
        with (tmp_path / "sweep.jsonl").open("ab") as file:
            file.write(encode_sweep(SweepOver("Stopped.", 2000.0)) + b"\n")
        await it.shows("stopped")
    app.record.close()


async def test_a_record_that_is_begun_anew_is_read_from_its_start(folder: Path, tmp_path: Path) -> None:
    async with watched(folder) as it:
        await it.shows("8 of 24 cells")
        other = tmp_path / "other"
        other.mkdir()
        events = list(script())[:3]
        os.replace(write_record(other, iter(events)), folder / "sweep.jsonl")
        await it.shows("0 of 24 cells")

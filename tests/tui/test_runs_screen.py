"""The runs of a lab in a table: opened, compared, moved to the trash."""

from pathlib import Path

import msgspec
import pytest

from engine.api import protocol as p
from tests.support.engine_stub import SETTINGS
from tests.support.pilot import Bench, bench
from tests.support.recorded_runs import ATTACK_FIRST, record
from tui.model.launch import Launch
from tui.screens.open_screen import OpenScreen
from tui.screens.run_comparison import ComparisonScreen
from tui.screens.runs import RunsScreen, RunsTable, column_at, columns
from tui.screens.workbench import Workbench

pytestmark = pytest.mark.tui


def two_runs(root: Path) -> tuple[Path, Path]:
    """A finished run, and a newer one that came to step 2."""
    old = record(root, "20260102-030405-bd_net")
    new = record(root, "20260203-040506-bd_net", ATTACK_FIRST[:3], "2026-02-03T04:05:06", finished=False)
    return old, new


def launch(root: Path, fresh: bool = False) -> Launch:
    return Launch(root, msgspec.structs.replace(SETTINGS, root=str(root)), fresh=fresh)


async def listed(it: Bench) -> RunsTable:
    """The table, once every run has been read."""
    await it.until(lambda: isinstance(it.app.screen, RunsScreen))
    table = it.app.screen.query_one(RunsTable)
    await it.until(lambda: len(table.lines) == 2 and all(line.layer for line in table.lines))
    return table


async def test_the_runs_are_shown_first_with_what_they_came_to(tmp_path: Path) -> None:
    two_runs(tmp_path)
    async with bench(launch=launch(tmp_path)) as it:
        await listed(it)
        newest, oldest = (line for line in it.text().splitlines() if "bd_net.h5" in line)
        assert newest.split()[:6] == ["03", "Feb", "04:05", "bd_net.h5", "conv_3", "mean"]
        assert "step 2 of 4   attack " in newest
        assert "finished      accuracy " in oldest
        assert "no threshold reached" in it.text()
        await it.press("j")
        await it.shows("reached -2 pt at step 2")


async def test_enter_opens_the_highlighted_run_with_the_engine_that_waits(tmp_path: Path) -> None:
    old, _ = two_runs(tmp_path)
    async with bench(launch=launch(tmp_path)) as it:
        await listed(it)
        await it.press("j", "enter")
        await it.until(lambda: it.commands(p.Open))
        (opened,) = it.commands(p.Open)
        assert isinstance(opened, p.Open) and opened.run == str(old) and len(it.engines) == 1
        await it.until(lambda: isinstance(it.app.screen, Workbench))


@pytest.mark.parametrize("key", ["escape", "n"])
async def test_a_new_run_begins_where_nothing_is_open(tmp_path: Path, key: str) -> None:
    two_runs(tmp_path)
    async with bench(launch=launch(tmp_path)) as it:
        await listed(it)
        await it.press(key)
        await it.until(lambda: it.commands(p.Open))
        assert it.commands(p.Open) == [p.Open(launch(tmp_path).settings)]  # type: ignore[arg-type]


async def test_o_shows_the_runs_and_again_the_files(tmp_path: Path) -> None:
    two_runs(tmp_path)
    async with bench(launch=launch(tmp_path, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("o")
        await listed(it)
        await it.press("o")
        await it.until(lambda: isinstance(it.app.screen, OpenScreen))
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, RunsScreen))
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Workbench))
        await it.press("o")
        await listed(it)
        await it.press("enter")
        await it.until(lambda: len(it.engines) == 2 and it.commands(p.Open))
        (opened,) = it.commands(p.Open)
        assert isinstance(opened, p.Open) and opened.run and opened.run.endswith("20260203-040506-bd_net")


async def test_a_run_is_moved_to_the_trash_only_when_it_was_asked(tmp_path: Path) -> None:
    old, new = two_runs(tmp_path)
    async with bench(launch=launch(tmp_path)) as it:
        table = await listed(it)
        await it.press("d")
        await it.shows("Move this run to the trash?")
        await it.press("d", "escape")
        assert new.exists()
        await it.press("d", "y")
        await it.until(lambda: len(table.lines) == 1)
        assert not new.exists() and old.exists()
        await it.shows("Moved to")


async def test_the_run_that_is_open_cannot_be_moved(tmp_path: Path) -> None:
    two_runs(tmp_path)
    async with bench(launch=launch(tmp_path, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("o")
        table = await listed(it)
        table.open_now = table.lines[0].run.folder
        await it.press("d")
        await it.shows("This run is open here")


async def test_two_marked_runs_are_laid_over_each_other(tmp_path: Path) -> None:
    two_runs(tmp_path)
    async with bench(launch=launch(tmp_path), size=(100, 30)) as it:
        table = await listed(it)
        await it.press("c")
        await it.shows("mark two to compare")
        await it.press("space", "space")
        assert len(table.marked) == 2
        await it.press("c")
        await it.until(lambda: isinstance(it.app.screen, ComparisonScreen))
        await it.shows("A  20260203-040506-bd_net")
        await it.shows("the same network, the same layer")
        await it.press("v", "z", "j", "k")
        await it.shows("accuracy and ASR over channels pruned")
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, RunsScreen))
        await it.press("k", "k", "space")
        assert len(table.marked) == 1


async def test_a_click_on_a_heading_sorts_one_on_a_line_highlights_and_two_open(tmp_path: Path) -> None:
    old, _ = two_runs(tmp_path)
    async with bench(launch=launch(tmp_path)) as it:
        table = await listed(it)
        top = table.region.y
        await it.pilot.click(offset=(50, top))
        assert table.lines[0].run.folder != str(old)
        await it.pilot.click(offset=(50, top))
        await it.until(lambda: table.lines[0].run.folder == str(old))
        await it.pilot.click(offset=(20, top + 2))
        await it.until(lambda: table.chosen is table.lines[1])
        await it.pilot.click(offset=(20, top + 1), times=2)
        await it.until(lambda: it.commands(p.Open))
        (opened,) = it.commands(p.Open)
        assert isinstance(opened, p.Open) and opened.run == str(old)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_heading_can_be_clicked_and_none_is_cut_off(width: int) -> None:
    found = {column_at(x, width) for x in range(width)} - {None}
    assert found == set(range(len(columns(width))))
    assert width < 80 or 3 + sum(column.width + 1 for column in columns(width)) <= width

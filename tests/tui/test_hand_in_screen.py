"""The key H, and the words of `lab3-tui bundle`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.containers import Vertical

from engine.api import protocol as p
from engine.api.errors import Refused
from tests.support.pilot import measured
from tests.support.recorded_runs import ACCURACY_FIRST, record
from tui.cli import bundle
from tui.model.options import Options
from tui.screens.dialogs import Passage
from tui.screens.hand_in import HandInScreen

pytestmark = pytest.mark.tui


async def test_h_packs_the_run_and_says_what_was_checked() -> None:
    async with measured() as it:
        await it.press("H")
        await it.until(lambda: isinstance(it.app.screen, HandInScreen))
        await it.shows("✓ B′ model_prune_2.h5: 47 at zero, valid acc 95.30 %, ASR 100.00 %")
        await it.shows("/lab/runs/one/hand-in.zip")
        assert it.commands(p.HandIn) == [p.HandIn("/lab/runs/one")]
        await it.press("y", "escape")
        assert not isinstance(it.app.screen, HandInScreen)


async def test_its_box_is_as_high_as_its_text_also_when_that_comes_amid_a_layout() -> None:
    async with measured() as it:
        it.engine.pause_answers()
        await it.press("H")
        await it.shows("writing the results")
        text = it.app.screen.query_one("#told", Passage)
        text.update("one line")
        box = it.app.screen.query_one(Vertical)
        box.refresh(layout=True)  # as for a widget beside the text, whose turn comes first
        box._clear_arrangement_cache()
        box._check_refresh()
        it.app.screen._refresh_layout()
        text.update("\n".join(map(str, range(8))))
        await it.until(lambda: text.size.height == 8)


async def test_a_refusal_is_told_where_it_was_asked() -> None:
    async with measured() as it:
        it.engine.pause_answers()
        await it.press("H")
        await it.shows("writing the results")
        it.engine.say(p.Progress("hand in", 5, 10, 0.5, "test"))
        await it.shows("answering the images of clean test again: 5 of 10")
        it.engine.say(p.Failed("model_prune_2.h5: is not what this run recorded.", 2))
        it.engine.say(p.Idle(0, "failed"))
        await it.shows("is not what this run recorded")


def test_the_newest_run_with_a_step_is_packed(tmp_path: Path) -> None:
    options = Options(root=tmp_path)
    with pytest.raises(Refused, match="no run there that pruned a channel"):
        bundle.command(options, None, None, None, False)
    record(tmp_path, "1-one")
    newer = record(tmp_path, "2-two", finished=False)
    record(tmp_path, "3-three", ACCURACY_FIRST[:1], finished=False)
    assert bundle.command(options, None, None, None, False) == p.HandIn(str(newer))
    assert bundle.command(options, Path("1-one"), None, tmp_path / "x.zip", True).to == str(tmp_path / "x.zip")


def test_the_command_prints_a_table_and_the_path(
    fake_command: Callable[..., tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.api.client import EngineClient

    assert bundle.run(p.HandIn("/lab/runs/one"), lambda: EngineClient(fake_command())) == 0
    assert "/lab/runs/one/hand-in.zip: 1 files, 3.0 MB" in capsys.readouterr().out


def test_a_line_a_network_with_its_rates() -> None:
    figures = (("valid", 95, 100), ("test", 9, 10), ("g_test", 8, 10))
    checks = (p.NetworkCheck("B′", "model_prune_2.h5", 45, figures),)
    head, line, _, last = bundle.report(p.HandedIn("/x/hand-in.zip", "0" * 64, 10, ("a", "b"), checks))
    assert head.split()[:3] == ["network", "file", "at"]
    assert line.split() == ["B'", "model_prune_2.h5", "45", "95.00", "90.00", "–", "80.00", "–", "–", "–"]
    assert last.startswith("/x/hand-in.zip: 2 files")

"""What the workbench says on the way out."""

from functools import reduce as fold
from pathlib import Path
from shlex import quote

import pytest

from engine.api import protocol as p
from engine.api.journal import Journal
from tui.app.run_workbench import exit_message
from tui.model import run_state as s

SETTINGS = p.Settings(root="/lab", model="/lab/models/bd_net.h5", valid="/lab/data/cl/valid.h5")
BEGAN = p.Began(SETTINGS, {}, {}, "2024-05-01T14:02:00")
RANKED = p.Ranked((1, 0), False, (1.0, 0.0), (1, 1))
STEPS = (p.Stepped(0, None, p.Counts(valid=9)), p.Stepped(1, 1, p.Counts(valid=9)))


def left(run: Path, *events: p.AnyEvent, held_by: str | None = None) -> s.RunState:
    valid = p.SetInfo("valid.h5", 10, "0" * 64)
    opened = p.Opened(
        str(run), valid, "conv_3", "pool_3", 2, 10, (), {"valid": valid}, "0", "cpu", "tensorflow", False, held_by
    )
    run.mkdir(parents=True, exist_ok=True)
    journal = Journal.create(run)
    for event in (BEGAN, opened, RANKED, *events):
        journal.append(event)
    journal.close()
    return fold(s.reduce, (BEGAN, opened, RANKED, *events), s.RunState())


def test_the_results_and_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "runs" / "1-a"
    state = left(run, *STEPS)
    assert exit_message(state) == f"Results: {run} · go on with: lab3-tui --resume --root {quote(str(tmp_path))}"
    monkeypatch.chdir(tmp_path)
    assert exit_message(state) == f"Results: {run} · go on with: lab3-tui --resume"
    left(tmp_path / "runs" / "2-b", *STEPS)
    assert exit_message(state) == f"Results: {run} · go on with: lab3-tui --run {quote(str(run))}"
    assert "look again with" in exit_message(state, left_running=True)


def test_a_finished_run_and_one_of_others_need_no_going_on(tmp_path: Path) -> None:
    finished = left(tmp_path / "1-a", *STEPS, p.Finished("", (), (), "done.", 1.0))
    held = left(tmp_path / "2-b", *STEPS, held_by="process 7")
    assert exit_message(finished) == f"Results: {tmp_path / '1-a'}"
    assert exit_message(held) == f"Results: {tmp_path / '2-b'}"


def test_without_a_step_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert exit_message(s.RunState()) == "" and exit_message(left(tmp_path / "1-a", STEPS[0])) == ""

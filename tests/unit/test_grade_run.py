"""A submission judged by an engine that dies at one of its networks: that one is a row, the others are judged."""

import sys
from pathlib import Path

import pytest

from tui.sweep import submissions as submissions_module
from tui.sweep.cell_run import Outcome
from tui.sweep.grade_run import GRADED, GradeTask, grade_cell, known
from tui.sweep.grades import grades
from tui.sweep.shared_files import shared_token
from tui.sweep.submissions import Inputs, Submitted, submissions

ENGINE = """
import os, sys
from engine.api.protocol import *
def say(event):
    print(encode(event).decode(), flush=True)
say(Hello(PROTOCOL, os.getpid()))
for line in sys.stdin.buffer:
    command = decode_command(line)
    if isinstance(command, Quit):
        break
    for number, path in enumerate(command.models):
        with open(os.path.join(os.path.dirname(command.answers), "asked"), "a") as asked:
            asked.write(os.path.basename(path) + "\\n")
        if "boom" in path:
            os.kill(os.getpid(), 11)
        say(Graded(number, "a" * 64, Counts(80), Counts(90), {"valid": 100}, (9, 8), {"conv_3": 3}))
    say(Idle(0))
"""


def judged(folder: Path, *names: str) -> tuple[Outcome, list[Submitted]]:
    (folder / GRADED).mkdir(exist_ok=True)
    inputs = Inputs("/b.h5", "/v.h5", "/t.h5", "/p.h5", {"badnet": "b" * 64})
    files = [Submitted("one", name, f"/{name}", None, "a" * 64, f"identity-{name}") for name in names]
    with shared_token(folder) as token:
        task = GradeTask("one", tuple(files), inputs, str(folder), token, command=(sys.executable, "-c", ENGINE))
        return grade_cell(task, lambda *_: None), files


def test_an_engine_that_dies_at_a_network_is_started_three_times(tmp_path: Path) -> None:
    outcome, files = judged(tmp_path, "good.h5", "boom.h5", "last.h5")
    assert (outcome.state, outcome.reason) == ("done", "1 of 3 networks refused")
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["good.h5", "boom.h5", "boom.h5", "boom.h5", "last.h5"]
    found = known(tmp_path, files[1])
    assert found is not None and found.refusal is not None
    assert found.refusal.startswith("boom.h5: The engine was killed by SIGSEGV.")
    assert found.refusal.endswith("(3 attempts)")
    assert all(known(tmp_path, file).counts for file in (files[0], files[2]))  # type: ignore[union-attr]


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    judged(tmp_path, "good.h5")
    judged(tmp_path, "good.h5", "more.h5")
    assert (tmp_path / "asked").read_text().split() == ["good.h5", "more.h5"]


def test_another_file_than_was_handed_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / GRADED).mkdir()
    inputs = Inputs("/b.h5", "/v.h5", "/t.h5", "/p.h5", {})
    file = Submitted("one", "n.h5", "/n.h5", None, "c" * 64, "identity")
    with shared_token(tmp_path) as token:
        task = GradeTask("one", (file,), inputs, str(tmp_path), token, command=(sys.executable, "-c", ENGINE))
        assert grade_cell(task, lambda *_: None).state == "refused"
    (row,) = grades(tmp_path, [file])
    assert row.found is not None and row.found.refusal == "n.h5: changed while it was judged. Grade again."


def test_submissions_are_found_without_following_links(tmp_path: Path) -> None:
    inputs = Inputs("/b.h5", "/v.h5", "/t.h5", "/p.h5", {})
    outside, folder = tmp_path / "outside", tmp_path / "in"
    for place in (outside, folder / "a/deep", folder / "b", folder / ".hidden"):
        place.mkdir(parents=True)
    for name in ("a/deep/model_prune_4.h5", "a/x.KERAS", "b/notes.txt", "loose.h5", ".hidden/n.h5"):
        (folder / name).write_bytes(name.encode())
    (outside / "n.h5").write_bytes(b"secret")
    (folder / "a/linked.h5").symlink_to(outside / "n.h5")
    (folder / "c").symlink_to(outside)
    found = submissions(folder, inputs)
    told = [(file.submission, file.file, file.threshold, bool(file.refusal)) for group in found for file in group]
    assert told == [
        ("a", "deep/model_prune_4.h5", "4", False),
        ("a", "linked.h5", None, True),
        ("a", "x.KERAS", None, False),
        ("b", "", None, True),
        ("c", "", None, True),
        ("loose.h5", "loose.h5", None, False),
    ]


def test_what_was_not_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions_module, "ENTRIES", 3)
    for name in ("few/n.h5", "many/a/1", "many/a/2", "many/a/3", "many/n.h5", "deep/1/2/3/4/5/6/7/n.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    groups = submissions(tmp_path, Inputs("/b.h5", "/v.h5", "/t.h5", "/p.h5", {}))
    by_name = {group[0].submission: group for group in groups}
    assert [file.refusal for file in by_name["few"]] == [""]
    assert "holds more than" in by_name["many"][-1].refusal
    assert "the others were not looked at" in by_name["deep"][-1].refusal

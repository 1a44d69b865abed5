"""The picture: what it shows, where names go, and the same bytes whichever process draws it."""

import os
import struct
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from engine import report
from engine.report.picture import rows
from engine.report.picture_process import PNG, Painter
from engine.report.plot import Mark, plot_of
from tests.support.journals import lab_run

RECORD = report.record(lab_run().events())


def test_plot_holds_both_networks_on_clean_and_poisoned_test_images() -> None:
    plot = plot_of(RECORD)
    assert [curve.column for curve in plot.curves] == ["test", "poisoned", "g_test", "g_poisoned"]
    assert {len(curve.values) for curve in plot.curves} == {61}
    assert plot.curves[1].values[54] == pytest.approx(6.96024941543258)
    assert [(mark.step, mark.text) for mark in plot.marks] == [
        (45, "−2 pt"), (48, "−4 pt"), (52, "−10 pt"), (54, "−30 pt")
    ]  # fmt: skip


def test_without_test_images_validation_accuracy_is_shown() -> None:
    run = lab_run()
    bare = [msgspec.structs.replace(at, test=None, g_test=None, poisoned=None, g_poisoned=None) for at in run.counts]
    plot = plot_of(report.record(replace(run, counts=bare, images={"valid": 11547}).events()))
    assert [curve.column for curve in plot.curves] == ["valid"]


def test_thresholds_of_one_step_share_a_mark_and_those_never_reached_have_none() -> None:
    run = replace(lab_run(), save_at=("10", "12", "99"))
    assert plot_of(report.record(run.events())).marks == (Mark(52, "−10, −12 pt"),)


def test_names_of_close_marks_go_to_rows_of_their_own() -> None:
    marks = tuple(Mark(step, "−2 pt") for step in (0, 30, 31, 32, 33, 60))
    assert rows(marks, 60) == [0, 0, 1, 2, 0, 0]
    assert rows((), 60) == []


def test_every_process_draws_the_same_bytes_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process with another hash seed, an empty home and a strange configuration; and this one, as it must do
    where the other fails."""
    own = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "scratch"}
    for name, folder in own.items():
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    for name, value in (("PYTHONHASHSEED", "1"), ("MPLBACKEND", "no such backend"), ("XDG_CACHE_HOME", "")):
        monkeypatch.setenv(name, value)
    environment = dict(os.environ)
    painter, failing = Painter(), Painter((sys.executable, "-c", "raise SystemExit(3)"))
    painter.start()
    here = failing.paint(plot_of(RECORD))
    there = painter.paint(plot_of(RECORD))
    assert here == there
    assert here.startswith(PNG)
    assert struct.unpack(">II", here[16:24]) == (1200, 750)
    assert b"Software" not in here
    assert dict(os.environ) == environment
    assert [list(folder.iterdir()) for folder in own.values()] == [[], []]
    assert capfd.readouterr() == ("", "")


def test_a_painter_that_nobody_asks_ends() -> None:
    painter = Painter()
    painter.close()
    painter.start()
    child = painter._child
    painter.close()
    assert child is not None
    assert child.returncode is not None

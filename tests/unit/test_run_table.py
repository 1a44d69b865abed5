"""What a table of runs tells, the trash, and the list of runs that were left to their engine."""

from pathlib import Path

import pytest

from engine.api import left_running, locks, trash
from engine.api.errors import Refused
from engine.api.journal import all_runs, summary
from engine.api.run_table import run_row, verdict
from tests.support.recorded_runs import ACCURACY_FIRST, ATTACK_FIRST, IMAGES, counts, record
from tui.cli.choose_run import choose
from tui.model.options import Options


def row(folder: Path):  # type: ignore[no-untyped-def]
    run = summary(folder)
    assert run is not None
    return run_row(run)


def test_a_line_tells_layer_order_thresholds_and_what_fell_first(tmp_path: Path) -> None:
    line = row(record(tmp_path, "one", ACCURACY_FIRST, layer="conv_2"))
    assert (line.layer, line.order, line.verdict) == ("conv_2", "mean", "accuracy first")
    assert line.reached == (("2", 2), ("4", 2))
    assert line.rates == (30.0, 10.0) and line.held_by == "" and not line.goes_on


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (ACCURACY_FIRST, "accuracy first"),
        (ATTACK_FIRST, "attack first"),
        ((counts(98, 100), counts(30, 10)), "both at once"),
        ((counts(98, 100), counts(98, 100)), ""),
        ((counts(98, None), counts(30, None)), "no poisoned set"),
        ((counts(98, 20), counts(30, 10)), "no attack shown"),
    ],
)
def test_what_fell_first(steps, expected: str) -> None:  # type: ignore[no-untyped-def]
    assert verdict(dict(enumerate(steps)), IMAGES) == expected


def test_a_run_that_another_process_holds_says_so(tmp_path: Path) -> None:
    folder = record(tmp_path, "one")
    with locks.hold(folder):
        assert "process" in row(folder).held_by
    assert row(folder).held_by == ""


def test_a_journal_that_cannot_be_read_leaves_what_its_summary_says(tmp_path: Path) -> None:
    folder = record(tmp_path, "one")
    found = summary(folder)
    assert found is not None
    (folder / "journal.jsonl").unlink()
    (folder / "journal.jsonl").mkdir()
    assert run_row(found).run == found and run_row(found).verdict == ""


# --- trash ---


def test_a_run_in_the_trash_is_no_run_of_the_lab_and_can_be_moved_back(tmp_path: Path) -> None:
    folder = record(tmp_path, "one")
    place = trash.move_to_trash(folder)
    assert place == tmp_path / "runs" / ".trash" / "one" and not folder.exists()
    assert all_runs(tmp_path / "runs") == []
    again = trash.move_to_trash(record(tmp_path, "one"))
    assert again.name == "one-1"
    place.rename(folder)
    assert [found.folder for found in all_runs(tmp_path / "runs")] == [str(folder)]


def test_a_run_in_use_and_what_is_no_run_stay_where_they_are(tmp_path: Path) -> None:
    folder = record(tmp_path, "one")
    with locks.hold(folder), pytest.raises(Refused, match="in use"):
        trash.move_to_trash(folder)
    other = tmp_path / "runs" / "other"
    other.mkdir()
    with pytest.raises(Refused, match="is no run folder"):
        trash.move_to_trash(other)
    assert folder.exists() and other.exists()


def test_a_link_in_the_place_of_the_trash_is_not_followed(tmp_path: Path) -> None:
    folder = record(tmp_path, "one")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / ".trash").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is a link"):
        trash.move_to_trash(folder)
    assert folder.exists() and not list((tmp_path / "elsewhere").iterdir())


# --- left to their engine ---


def test_a_run_that_was_left_and_has_ended_is_what_opens_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("models/bd_net.h5", "data/cl/valid.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder, newer = record(tmp_path, "1-one"), record(tmp_path, "2-two")
    left_running.remember(newer)
    left_running.remember(folder)
    options = Options(root=tmp_path)
    assert choose(options, None, resume=False, run=None, headless=False).run == str(folder)
    left_running.forget(folder)
    assert choose(options, None, resume=False, run=None, headless=False).run == str(newer)
    trash.move_to_trash(newer)
    assert choose(options, None, resume=False, run=None, headless=False).run is None


def test_the_list_of_runs_that_were_left_does_not_grow_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for number in range(left_running.MOST + 5):
        left_running.remember(tmp_path / "runs" / str(number))
    left_running.remember(tmp_path / "runs" / "6")
    found = left_running.left_in(tmp_path / "runs")
    assert len(found) == left_running.MOST and found[0].name == "6"

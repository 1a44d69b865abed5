"""Journals that are far too long: refused, and listed without being read whole."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.api import journal, trust
from engine.api import protocol as p
from engine.api.errors import NotWritten, Refused
from engine.api.journal import Journal
from engine.api.journal_checks import Course
from tests.support import forged_journals
from tests.support.journals import lab_run

BEGAN, OPENED, *LATER = lab_run().events()
SETTINGS = p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/data/cl/valid.h5")


def real() -> list[p.AnyEvent]:
    """The lab's own run, as the engine would have recorded it."""
    run = lab_run()
    found = run.events()
    poisoned = (0,) * len(run.order)
    return [replace(event, active_poisoned=poisoned) if isinstance(event, p.Ranked) else event for event in found]


def written(folder: Path, events: list[p.AnyEvent], more: bytes = b"") -> Path:
    folder.mkdir(parents=True)
    (folder / journal.NAME).write_bytes(b"".join(map(journal.line_of, events)) + more)
    return folder


def test_lines_beyond_number_are_refused_and_none_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = written(tmp_path / "1", [BEGAN, *[p.Moved(0)] * 9])
    monkeypatch.setattr(journal, "LINES", 9)
    with pytest.raises(Refused, match="has more than 9 lines"):
        journal.events(run)
    monkeypatch.setattr(journal, "LINES", 10)
    file = Journal.resume(run)
    with pytest.raises(NotWritten, match="more than 10 lines"):
        file.append(p.Moved(0))
    file.close()
    assert len(journal.events(run)) == 10


def test_a_journal_that_compresses_a_thousandfold_is_not_read(tmp_path: Path) -> None:
    """241 MiB of one short line: too large to be one."""
    run = written(tmp_path / "1", [BEGAN])
    with (run / journal.NAME).open("ab") as file:
        file.truncate(241 * 2**20)
    with pytest.raises(Refused, match="is larger than 32 MiB"):
        journal.summary(run)
    assert journal.all_runs(tmp_path) == []


@pytest.mark.parametrize("use", [journal.all_runs, journal.unfinished_runs, journal.recorded_files])
def test_a_list_reads_no_more_than_the_ends(use: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undone = b"".join(map(journal.line_of, [p.Moved(1), p.Moved(2)])) * 40_000
    written(tmp_path / "1", real(), undone + b"".join(map(journal.line_of, [p.Moved(2), p.Moved(1)])))
    size, read = (tmp_path / "1" / journal.NAME).stat().st_size, 0
    following = journal._next

    def counted(file: object, path: Path) -> bytes:
        nonlocal read
        text = following(file, path)  # type: ignore[arg-type]
        read += len(text)
        return text

    monkeypatch.setattr(journal, "_next", counted)
    assert callable(use)
    use(tmp_path)
    assert read <= journal.HEAD + journal.TAIL + 2**17 < size


def test_a_long_run_is_listed_with_what_its_ends_tell(tmp_path: Path) -> None:
    undone = b"".join(map(journal.line_of, [p.Moved(1), p.Moved(2)])) * 40_000
    more = [p.Moved(step) for step in range(60)]
    written(tmp_path / "1", real(), undone + b"".join(map(journal.line_of, more)))
    (found,) = journal.all_runs(tmp_path)
    assert (found.model, found.step, found.steps, found.finished) == ("bd_net.h5", 59, 60, False)
    end = p.Finished("", (), (), "done.", 1.0)
    written(tmp_path / "2", real(), undone + journal.line_of(end))
    assert [run.finished for run in journal.all_runs(tmp_path)] == [True, False]


def test_the_newest_runs_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "RUNS", 3)
    for name in "12345":
        written(tmp_path / name, [BEGAN])
    assert [Path(run.folder).name for run in journal.all_runs(tmp_path)] == ["5", "4", "3"]


def test_a_damaged_end_of_a_long_journal_is_not_believed(tmp_path: Path) -> None:
    long = journal.line_of(p.Moved(1)) * 20_000
    written(tmp_path / "1", real(), long + b"{" + journal.line_of(p.Finished("", (), (), "", 1.0)))
    (found,) = journal.all_runs(tmp_path)
    assert not found.finished


def test_a_line_that_is_none_near_the_end_is_refused(tmp_path: Path) -> None:
    long = journal.line_of(p.Moved(1)) * 20_000
    run = written(tmp_path / "1", real(), long + forged_journals.journal([{"event": "idle", "step": 1}]))
    with pytest.raises(Refused, match=r"^1: a line near the end of its journal is none"):
        journal.summary(run)


def test_the_labs_own_run_is_believed() -> None:
    course = Course()
    for event in real():
        course.take(event)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_a_forged_journal_is_read_or_refused_in_one_line(tmp_path: Path, rng: random.Random) -> None:
    trust.remember(p.encode(BEGAN))
    told = forged_journals.lines(b"".join(map(journal.line_of, real())))
    made, _ = forged_journals.forged(told, rng)
    run = tmp_path / "1"
    run.mkdir(exist_ok=True)
    (run / journal.NAME).write_bytes(forged_journals.journal(made))
    for use in (journal.beginning, journal.read, journal.summary):
        try:
            use(run)
        except Refused as refused:
            assert str(refused).isprintable() and str(refused).endswith(".")


@pytest.mark.parametrize(
    "changed",
    [
        {"save_steps": [1] * 10},
        {"save_at": [str(number / 100) for number in range(1001)]},
        {"order": [0, 0]},
        {"batch_size": 0},
        {"batch_size": 10**12},
        {"feature_memory": -1},
        {"device": "gpu:x"},
        {"model": ""},
    ],
    ids=json.dumps,
)
def test_settings_that_nobody_could_have_typed_are_refused(changed: dict[str, object], tmp_path: Path) -> None:
    told = forged_journals.lines(journal.line_of(p.Began(SETTINGS, {}, {}, "")))
    told[0]["settings"] |= changed
    run = tmp_path / "runs" / "1"
    run.mkdir(parents=True)
    (run / journal.NAME).write_bytes(forged_journals.journal(told))
    with pytest.raises(Refused) as refused:
        journal.read(run)
    assert str(refused.value).isprintable()

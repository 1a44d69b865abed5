"""Every write, sync and rename of a save fails once, and the process dies there once: nothing is lost."""

import os
import resource
import signal
from pathlib import Path

import pytest

from engine.api import locks
from engine.api.atomic_file import write_atomically
from engine.api.engine_log import settle
from engine.api.errors import NotWritten
from engine.api.journal import Journal
from engine.run.answer_store import AnswersFile
from tests.faults import breaking
from tests.faults.writes import OLD, SCENARIOS, Scenario, every_fault, some_answers


@pytest.mark.parametrize("way", breaking.WAYS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_fault_at_every_operation(scenario: Scenario, way: str, tmp_path: Path) -> None:
    assert every_fault(scenario, way, tmp_path) >= 4


@pytest.fixture
def limited_files() -> object:
    """Files may grow to 4 KiB here, and no further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield None
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.usefixtures("limited_files")
def test_a_limit_on_file_sizes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model_prune_2.h5"
    path.write_bytes(OLD)
    with pytest.raises(NotWritten, match="file too large"):
        write_atomically(path, bytes(10_000))
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.usefixtures("limited_files")
def test_a_limit_on_file_sizes_keeps_the_answers_before_it(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path / "answers.bin", 900, 8)
    file[b"\1"] = file[b"\2"] = some_answers(b"\1")[:1].repeat(900)
    with pytest.raises(NotWritten, match="no space left"):
        file[b"\3"] = some_answers(b"\3")[:1].repeat(900)
    os.close(file.file)
    again = AnswersFile(tmp_path / "answers.bin", 900, 8)
    assert list(again) == [b"\1", b"\2"]
    os.close(again.file)


def broken(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name in names:
        monkeypatch.setattr(os, name, full)


def test_a_lock_holds_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, "ftruncate", "pwrite")
    with locks.hold(tmp_path), pytest.raises(locks.InUse), locks.hold(tmp_path):
        pass


def test_no_log_on_a_full_disk_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = os.dup(2)
    with open(tmp_path / "stderr", "wb+") as file:
        try:
            os.dup2(file.fileno(), 2)
            broken(monkeypatch, "write")
            settle(tmp_path)
            assert os.path.samestat(os.fstat(2), os.stat(tmp_path / "engine.log"))
        finally:
            monkeypatch.undo()
            os.dup2(kept, 2)
            os.close(kept)


def test_a_journal_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=r"Could not write the journal .*gone.* No such file or directory\. What"):
        Journal.create(tmp_path / "gone")

"""The journal: what was appended is read back, whatever happened to the end of the file."""

import errno
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api import journal, trust
from engine.api import protocol as p
from engine.api.errors import NotWritten, Refused
from engine.api.journal import Journal

SETTINGS = p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/data/cl/valid.h5")
BEGAN = p.Began(SETTINGS, {"model": "a" * 64}, {"keras": "3"}, "2024-05-01T14:02:00")
STEPS = [p.Stepped(step, step - 1 if step else None, p.Counts(90 - step)) for step in range(5)]
EVENTS: list[p.AnyEvent] = [BEGAN, *STEPS, p.Note(r"“quotes” and \x0a back\\slashes")]


def written(folder: Path, events: list[p.AnyEvent] = EVENTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = Journal.create(folder)
    for event in events:
        file.append(event)
    file.close()
    return folder / journal.NAME


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    assert len(written(tmp_path).read_bytes().splitlines()) == len(EVENTS)
    assert journal.events(tmp_path) == EVENTS


def test_a_folder_without_a_journal_has_no_events(tmp_path: Path) -> None:
    assert journal.events(tmp_path) == []
    assert journal.summary(tmp_path) is None


@pytest.mark.parametrize("cut", range(1, 80, 7))
def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert journal.events(tmp_path) == EVENTS[:-1]
    file = Journal.resume(tmp_path)
    file.append(p.Moved(3))
    file.close()
    assert journal.events(tmp_path) == [*EVENTS[:-1], p.Moved(3)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_one_changed_byte_costs_its_line_and_those_behind_it_alone(tmp_path: Path, data: st.DataObject) -> None:
    path = written(tmp_path)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    line = path.read_bytes()[:place].count(b"\n") if place else 0
    found = journal.events(tmp_path)
    assert found[:line] == EVENTS[:line]
    assert found in (EVENTS, EVENTS[:line])


def test_zeros_at_the_end_are_no_event(tmp_path: Path) -> None:
    path = written(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert journal.events(tmp_path) == EVENTS


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    before = (tmp_path / journal.NAME).read_bytes()
    file = Journal.resume(tmp_path)
    real = os.pwrite

    def half(descriptor: int, data: bytes, place: int) -> int:
        return real(descriptor, data[: len(data) // 2], place)

    def full(descriptor: int, data: bytes, place: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for failing in (half, full):
        monkeypatch.setattr(os, "pwrite", failing)
        with pytest.raises(NotWritten, match="journal"):
            file.append(p.Moved(4))
        assert (tmp_path / journal.NAME).read_bytes() == before
    monkeypatch.setattr(os, "pwrite", real)
    file.append(p.Moved(4))
    file.close()
    assert journal.events(tmp_path)[-1] == p.Moved(4)


def test_a_full_journal_takes_no_line_that_would_make_it_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = written(tmp_path).stat().st_size
    monkeypatch.setattr(journal, "LARGEST", size + 100)
    monkeypatch.setattr(journal, "LARGEST", size + 100)
    file = Journal.resume(tmp_path)
    with pytest.raises(NotWritten, match="larger than"):
        file.append(p.Note("x" * 100))
    file.close()
    assert journal.events(tmp_path) == EVENTS


def with_line(folder: Path, event: bytes) -> None:
    """A journal with one more line, whole and with the right checksum."""
    with written(folder).open("ab") as file:
        file.write(b'{"crc":"%08x","event":%s}\n' % (zlib.crc32(event), event))


@pytest.mark.parametrize(
    "event",
    [
        b'{"event":"from another version","step":1}',
        b'{"event":"ranked","order":[0],"given":false,"means":[null],"active_valid":[1]}',
        b'{"event":"failed","message":"x","exit_code":0}',
        b'{"event":"hello","protocol":1,"pid":1}',
        b'{"event":"idle","step":1}',
        b'{"event":"crossed","threshold":"../../x","step":1}',
        b'{"event":"crossed","threshold":"2.0","step":1}',
        b'{"event":"thresholds","save_at":["1e-400"]}',
        b'{"event":"saved","what":"model","path":"/x","sha256":"","status":"written","step":1,"threshold":"x"}',
    ],
    ids=lambda event: event[:40].decode(),
)
def test_a_whole_line_that_no_run_writes_is_refused_and_stays(event: bytes, tmp_path: Path) -> None:
    with_line(tmp_path / "run", event)
    before = (tmp_path / "run" / journal.NAME).read_bytes()
    for use in (journal.events, journal.summary, Journal.resume):
        with pytest.raises(Refused, match=rf"^run: line {len(EVENTS) + 1} of its journal"):
            use(tmp_path / "run")
    assert journal.all_runs(tmp_path) == []
    assert (tmp_path / "run" / journal.NAME).read_bytes() == before


def test_a_line_that_goes_too_deep_is_not_believed(tmp_path: Path) -> None:
    with_line(tmp_path, b'{"event":"note","text":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert journal.events(tmp_path) == EVENTS


def test_what_a_journal_says_is_fit_to_be_shown(tmp_path: Path) -> None:
    note = p.Note("\x1b]0;pwned\x07 [b] \u202e \\x1b")
    written(tmp_path, [BEGAN, note, p.Saved("model", "/lab/[a] b\u3000c/\x1b[2J.h5", "1" * 64, "written")])
    _, shown, saved = journal.events(tmp_path)
    assert shown == p.Note(r"\x1b]0;pwned\x07 \x5bb] \u202e \x1b")
    assert isinstance(saved, p.Saved) and saved.path == "/lab/[a] b\u3000c/\\x1b[2J.h5"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, journal.LARGEST + 1)


def one_long_line(path: Path) -> None:
    path.touch()
    os.truncate(path, journal.LINE + 1)


@pytest.mark.parametrize("lay", [pipe, device, folder, huge])
def test_what_is_no_journal_is_not_listed_and_refused_by_name(lay: Callable[[Path], None], tmp_path: Path) -> None:
    written(tmp_path / "2-good", [BEGAN, STEPS[1]])
    (tmp_path / "1-bad").mkdir()
    lay(tmp_path / "1-bad" / journal.NAME)
    assert [Path(run.folder).name for run in journal.all_runs(tmp_path)] == ["2-good"]
    assert journal.recorded_files(tmp_path) == {}
    with pytest.raises(Refused) as refused:
        journal.summary(tmp_path / "1-bad")
    assert str(refused.value).isprintable()


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path) -> None:
    one_long_line(tmp_path / journal.NAME)
    assert journal.events(tmp_path) == []


def test_a_path_that_the_system_does_not_take_is_refused(tmp_path: Path) -> None:
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(Refused, match="cannot be read"):
            journal.summary(tmp_path / name)
        assert journal.all_runs(tmp_path / name) == []
        assert journal.recorded_files(tmp_path / name) == {}


def test_folders_with_names_that_act_are_not_listed(tmp_path: Path) -> None:
    for name in (b"\xff", b"a\x1b[2J", "a\u202e".encode()):
        written(tmp_path / os.fsdecode(name))
    assert journal.all_runs(tmp_path) == []


def test_a_run_is_summed_up(tmp_path: Path) -> None:
    written(tmp_path)
    found = journal.summary(tmp_path)
    assert found
    assert (found.settings, found.started, found.step, found.finished) == (SETTINGS, BEGAN.started, 4, False)


def test_unfinished_runs_come_newest_first(tmp_path: Path) -> None:
    for name in ("20240501-140200-a", "20240502-090000-b", "20240501-140200-a-2"):
        written(tmp_path / name)
    written(tmp_path / "20240503-090000-done", [*EVENTS, p.Finished("", (), (), "done.", 1.0)])
    written(tmp_path / "20240503-100000-no-step", [BEGAN, p.Stepped(0, None, p.Counts(valid=1))])
    (tmp_path / "20240504-no-journal").mkdir()
    (tmp_path / "20240505-empty").mkdir()
    (tmp_path / "20240505-empty" / journal.NAME).touch()
    names = [Path(run.folder).name for run in journal.unfinished_runs(tmp_path)]
    assert names == ["20240502-090000-b", "20240501-140200-a-2", "20240501-140200-a"]
    assert journal.unfinished_runs(tmp_path / "nowhere") == []


def test_recorded_files_know_every_hash(tmp_path: Path) -> None:
    trust.remember(p.encode(BEGAN))
    one, two = (p.Saved("model", "/lab/models/a.h5", digit * 64, "written") for digit in "12")
    written(tmp_path / "1", [BEGAN, one])
    written(tmp_path / "2", [BEGAN, two])
    assert journal.recorded_files(tmp_path) == {"a.h5": {"1" * 64, "2" * 64}}


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    made = {journal.new_run(tmp_path / "runs", "bd_net") for _ in range(5)}
    assert len(made) == 5
    assert all(folder.is_dir() and "bd_net" in folder.name for folder in made)


def test_no_path_is_made_of_a_models_name(tmp_path: Path) -> None:
    folder = journal.new_run(tmp_path, "../../etc/\x1b[31m" + "x" * 300)
    assert folder.parent == tmp_path
    assert folder.name.isprintable() and len(folder.name) < 100


def test_where_no_run_can_be_recorded_the_options_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="--runs FOLDER"):
        journal.new_run(tmp_path / "file" / "runs", "bd_net")

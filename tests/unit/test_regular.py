"""What lies in the place of the program's own files harms nobody: links, pipes, devices, folders, second names."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.api import engine_log, engine_socket, journal, locks
from engine.api.errors import NotWritten, Refused
from engine.api.journal import Journal
from engine.api.safe_open import open_regular
from engine.run.answer_store import AnswersFile
from engine.server.socket_listener import SocketListener
from tests.support.short_paths import lay_socket

WRITE = os.O_RDWR | os.O_CREAT
PRECIOUS = b"precious text of the user\n"


def hold(folder: Path) -> None:
    with locks.hold(folder):
        pass


def log(folder: Path) -> None:
    kept = os.dup(2)
    try:
        engine_log.settle(folder)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


OPENERS: dict[str, Callable[[Path], object]] = {
    locks.NAME: hold,
    journal.NAME: Journal.create,
    "answers.bin": lambda folder: AnswersFile(folder / "answers.bin", 9, 8),
    engine_log.LOG_NAME: log,
}


def lay_link(path: Path) -> None:
    path.with_name("victim").write_bytes(PRECIOUS)
    path.symlink_to(path.with_name("victim"))


def lay_second_name(path: Path) -> None:
    path.with_name("victim").write_bytes(PRECIOUS)
    os.link(path.with_name("victim"), path)


def leave_socket(path: Path) -> None:
    lay_socket(path).close()


LAID: dict[str, Callable[[Path], object]] = {
    "a link": lay_link,
    "a link to nowhere": lambda path: path.symlink_to(path.with_name("nowhere")),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a second name": lay_second_name,
    "a pipe": os.mkfifo,
    "a socket": leave_socket,
}


@pytest.fixture
def log_file(tmp_path: Path) -> object:
    """fd 2 is a regular file, as an engine's is."""
    kept = os.dup(2)
    with (tmp_path / "stderr").open("wb+") as file:
        os.dup2(file.fileno(), 2)
        yield
        os.dup2(kept, 2)
    os.close(kept)


@pytest.mark.usefixtures("log_file")
@pytest.mark.parametrize("laid", LAID)
@pytest.mark.parametrize("name", OPENERS)
def test_nothing_else_is_written_to_and_nothing_waited_for(name: str, laid: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    LAID[laid](folder / name)
    with pytest.raises(Refused) as refused:
        OPENERS[name](folder)
    assert "expected a file of this program's own" in str(refused.value) and str(refused.value).isprintable()
    assert not (folder / "nowhere").exists()
    with suppress(FileNotFoundError):
        assert (folder / "victim").read_bytes() == PRECIOUS


@pytest.mark.parametrize("laid", ["a link", "a link to a device", "a pipe", "a socket"])
def test_what_is_only_read_is_a_regular_file_too(laid: str, tmp_path: Path) -> None:
    LAID[laid](tmp_path / "file")
    with pytest.raises(Refused):
        open_regular(tmp_path / "file")
    assert engine_log.tail(tmp_path / "file") == ()


def test_a_folder_is_none() -> None:
    with pytest.raises(Refused):
        open_regular(Path("/"))


def test_a_second_name_may_be_read(tmp_path: Path) -> None:
    lay_second_name(tmp_path / "file")
    os.close(open_regular(tmp_path / "file"))


def test_what_the_system_does_not_open_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "gone")
    with pytest.raises(OSError):
        open_regular(tmp_path / ("x" * 300), WRITE)


def test_the_door_of_a_run_takes_a_link_away_and_leaves_what_it_points_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    run = tmp_path / "run"
    run.mkdir()
    lay_link(run / engine_socket.NAME)
    door = SocketListener(run)
    assert engine_socket.recorded(run) == door.path
    assert (run / "victim").read_bytes() == PRECIOUS
    door.close()


@pytest.mark.parametrize("laid", ["a link to a device", "a pipe"])
def test_word_of_a_door_is_not_waited_for(laid: str, tmp_path: Path) -> None:
    LAID[laid](tmp_path / engine_socket.NAME)
    assert engine_socket.recorded(tmp_path) is None


def test_a_door_that_cannot_be_told_of_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / engine_socket.NAME).mkdir()
    with pytest.raises(NotWritten, match="come back"):
        SocketListener(tmp_path)


def test_a_door_leads_to_the_engine_of_its_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    door = SocketListener(one)
    (other / engine_socket.NAME).write_bytes((one / engine_socket.NAME).read_bytes())
    assert engine_socket.recorded(other) is None
    assert engine_socket.recorded(one) == door.path
    door.close()

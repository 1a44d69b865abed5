"""Whatever fails while a file is written, its name holds the old bytes or the new ones, and nothing lies beside it."""

import errno
import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api.atomic_file import sha256_file, sweep, write_atomically
from engine.api.errors import NotWritten

OLD, NEW = b"old" * 1000, b"new!" * 5000
OPERATIONS = ("open", "write", "fsync", "close", "replace")
REAL = {name: getattr(os, name) for name in OPERATIONS}


class Fault:
    """Lets the operations of writing a file through until the `at`-th, which fails in the way of `act`."""

    def __init__(self, at: int, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = at
        for name in OPERATIONS:
            monkeypatch.setattr(os, name, self.wrapped(name, act))

    def wrapped(self, name: str, act: Callable[[], Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                if name == "close":
                    REAL["close"](*args)  # Linux closes even where it reports an error
                act()
            if name == "write":
                args = (args[0], args[1][:7000])  # disks take less than they are given
            return REAL[name](*args, **kwargs)

        return operation


def failing(code: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(code, os.strerror(code))

    return act


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
def test_a_fault_at_every_operation(code: int, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model_prune_2.h5"
    for at in range(1, 100):
        if there:
            path.write_bytes(OLD)
        else:
            path.unlink(missing_ok=True)
        with monkeypatch.context() as patched:
            fault = Fault(at, failing(code), patched)
            try:
                write_atomically(path, NEW)
                written = True
            except NotWritten:
                written = False
        assert os.listdir(tmp_path) == ([path.name] if there or written else [])
        if written:
            assert path.read_bytes() == NEW
        elif there:
            assert path.read_bytes() == OLD
        if fault.left > 0:
            break
    assert at > 8  # every operation has failed once, and this time none did


def test_a_kill_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model_prune_2.h5"
    for at in range(1, 100):
        path.write_bytes(OLD)
        pid = os.fork()
        if pid == 0:
            Fault(at, lambda: os.kill(os.getpid(), signal.SIGKILL), monkeypatch)
            write_atomically(path, NEW)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert path.read_bytes() in (OLD, NEW)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert at > 8 and path.read_bytes() == NEW


def test_disk_full_in_the_words_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = os.statvfs_result((4096, 1000, 0, 0, 1000, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: room)
    monkeypatch.setattr(os, "write", lambda *args: failing(errno.ENOSPC)())
    with pytest.raises(NotWritten) as caught:
        write_atomically(tmp_path / "model_prune_2.h5", bytes(2_500_000), "B′")
    assert str(caught.value) == (
        "Could not save B′ to model_prune_2.h5: no space left (needs 2.5 MB, 1.0 MB free). "
        "Your work is safe in the run; free space and save again."
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EDQUOT, "your disk quota is used up (needs 0.0 MB). Your work is safe in the run; free space"),
        (errno.EIO, "input/output error. Your work is safe in the run; save again."),
        (errno.EROFS, "read-only file system. Choose another folder with --out or --runs."),
        (errno.EACCES, "permission denied. Choose another folder with --out or --runs."),
    ],
)
def test_other_failures_have_their_words(
    code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: failing(code)())
    with pytest.raises(NotWritten) as caught:
        write_atomically(tmp_path / "x", b"1")
    assert str(caught.value).startswith(f"Could not save x: {words}")


def test_a_folder_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="no such file or directory"):
        write_atomically(tmp_path / "gone" / "x", b"1")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(NotWritten, match="is a directory"):
        write_atomically(tmp_path / "x", b"1")
    assert os.listdir(tmp_path) == ["x"]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(OLD)
    (tmp_path / "x").symlink_to(tmp_path / "elsewhere")
    write_atomically(tmp_path / "x", NEW)
    assert (tmp_path / "elsewhere").read_bytes() == OLD
    assert (tmp_path / "x").read_bytes() == NEW and not (tmp_path / "x").is_symlink()


def test_long_names(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("ü" * 120), NEW)
    assert (tmp_path / ("ü" * 120)).read_bytes() == NEW


def test_sha256_of_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        sha256_file(tmp_path / "pipe")


@pytest.mark.parametrize("size", [0, 1, 2**22 - 1, 2**22, 2**22 + 1])
def test_sha256(size: int, tmp_path: Path) -> None:
    data = os.urandom(size)
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write_atomically(tmp_path / "model_prune_2.h5", NEW)
        os._exit(0)
    os.waitpid(pid, 0)
    assert len(os.listdir(tmp_path)) == 1
    others = (".model_x.part", ".other.0123abcd.part", "model_prune_2.h5.part", "model_prune_4.h5")
    for name in others:
        (tmp_path / name).write_bytes(OLD)
    sweep(tmp_path, "model_")
    assert sorted(os.listdir(tmp_path)) == sorted(others)

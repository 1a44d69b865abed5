"""Looking at a file from outside: for how long at most, and nothing of it goes on when the looking has ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from engine.api import inspection
from engine.api.inspection import describe

# an inspector with a child of its own, both of which tell their process ids and then hang
HANGING = """
import os, sys, time
folder = sys.argv[1]
child = os.fork()
open(os.path.join(folder, str(os.getpid())), "w").close()
time.sleep(600)
"""
LOOKING = """
import sys
from engine.api import inspection
inspection.inspector_command = lambda *words: [sys.executable, "-c", sys.argv[1], sys.argv[2]]
inspection.describe("x.h5")
"""


def pids(folder: Path) -> list[int]:
    """The two processes, once they are there."""
    end = time.monotonic() + 30
    while len(found := os.listdir(folder)) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    return list(map(int, found))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_gone(found: list[int]) -> None:
    end = time.monotonic() + 10
    while any(map(running, found)):
        assert time.monotonic() < end, "something goes on"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_inspector_ends_with_who_asked_it(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", LOOKING, HANGING, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as asking:
        found = pids(tmp_path)
        asking.send_signal(number)
        code = asking.wait(10)
    assert code == (-number if number == signal.SIGINT else 128 + number)
    assert_gone(found)


def test_an_inspector_that_takes_too_long_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "inspector_command", lambda *_: [sys.executable, "-c", HANGING, str(tmp_path)])
    monkeypatch.setattr(inspection, "LONGEST", 1.0)
    assert describe("x.h5").refusal == "x.h5: took too long to check; stopped."
    assert_gone(pids(tmp_path))


def test_a_program_that_leaves_gives_up_what_its_threads_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "inspector_command", lambda *_: [sys.executable, "-c", HANGING, str(tmp_path)])
    thread = Thread(target=describe, args=("x.h5",))
    thread.start()
    found = pids(tmp_path)
    inspection.give_up()
    thread.join(10)
    assert not thread.is_alive()
    assert_gone(found)


def test_signals_are_as_before_and_left_alone_in_other_threads(tmp_path: Path) -> None:
    def handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGHUP, handler)
    try:
        thread = Thread(target=describe, args=(tmp_path / "x.h5",))
        thread.start()
        thread.join()
        describe(tmp_path / "x.h5")
        assert signal.getsignal(signal.SIGHUP) is handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_size_makes_it_wait_for_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def ask(_: list[str], patience: float) -> bytes:
        asked.append(patience)
        raise subprocess.TimeoutExpired("", patience)

    monkeypatch.setattr(inspection, "_ask", ask)
    for size in (0, 2**30, 2**40):
        (tmp_path / "x").touch()
        os.truncate(tmp_path / "x", size)
        describe(tmp_path / "x")
    assert asked == [80, pytest.approx(90.7, abs=0.1), 600]

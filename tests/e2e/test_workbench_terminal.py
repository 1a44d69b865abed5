"""The workbench on a terminal that hangs up, sends rubbish, stops reading, or is ended by a signal."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pty import Pseudo

pytestmark = pytest.mark.e2e
SCRIPT = str(Path(__file__).with_name("workbench_on_fake.py"))
READY = "saves at"
SCREENS = 40  # with as many again more than Textual keeps for a terminal that does not read
LAST = "All pruned"  # the hint at the last step, which no message covers


def workbench(root: Path, *options: str, **environment: str) -> Pseudo:
    return Pseudo([sys.executable, SCRIPT, str(root), *options], **environment)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[Pseudo]:
    """A workbench with B measured."""
    started = workbench(tmp_path, "--step-seconds", "0.02")
    started.wait_for_text(READY)
    yield started
    started.close()


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def state(pid: int) -> str:
    """The kernel's letter for what a process does: T is stopped, Z is ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def gone(pid: int) -> bool:
    return state(pid) == "Z"


def test_quit_restores_the_terminal_and_takes_the_engine_along(at_work: Pseudo) -> None:
    engines = children(at_work.pid)
    at_work.write(b"q")
    assert at_work.wait() == 0 and at_work.restored()
    assert engines and all(map(gone, engines))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_properly(at_work: Pseudo, number: int, code: int) -> None:
    engines = children(at_work.pid)
    at_work.write(b"r")
    at_work.wait_for_text("running")
    at_work.send(number)
    assert at_work.wait() == code and at_work.restored()
    assert engines and all(map(gone, engines))


def test_a_stop_from_outside_leaves_the_terminal_as_it_was(at_work: Pseudo) -> None:
    for _ in range(2):
        at_work.send(signal.SIGSTOP)
        at_work.wait_for(lambda: state(at_work.pid) == "T", "the stop")
        at_work.output = b""
        at_work.send(signal.SIGCONT)
        at_work.wait_for_text("bd_net.h5")  # the title: a whole screen
    at_work.write(b"q")
    assert at_work.wait() == 0 and at_work.restored()


def test_suspending_gives_the_shell_back_and_returns(tmp_path: Path) -> None:
    quiet = tmp_path / "inputrc"
    quiet.write_text("set enable-bracketed-paste off\n")
    shell = Pseudo(["bash", "--norc", "--noprofile", "-i"], PS1="$ ", HISTFILE="", INPUTRC=str(quiet))
    try:
        shell.write(f"{shlex.join([sys.executable, SCRIPT, str(tmp_path)])} --step-seconds 0.04\n".encode())
        shell.wait_for_text(READY)
        shell.write(b"r")
        shell.wait_for_text("running")
        shell.output = b""
        shell.write(b"\x1a")
        shell.wait_for_text("Stopped")
        assert shell.undone()
        shell.write(b"stty -a | tr ' ' '\\n' | grep -cx -e icrnl -e isig -e icanon -e echo\n")
        shell.wait_for_text("\n4")
        (bench,) = children(shell.pid)
        assert state(bench) == "T" and "T" not in map(state, children(bench))
        shell.output = b""
        shell.write(b"fg\n")
        shell.wait_for_text("bd_net.h5")
        shell.wait_for_text(LAST)
        shell.write(b"q")
        shell.wait_for(lambda: shell.undone() and shell.output.endswith(b"$ "), "the prompt")
        shell.write(b"exit $?\n")
        assert shell.wait() == 0
    finally:
        shell.close()


def test_there_is_no_suspending_without_a_shell(at_work: Pseudo) -> None:
    """Nobody could bring it back: it leaves the screen, and is at once on it again."""
    at_work.write(b"\x1a")
    at_work.wait_for_text("\x1b[?1049l")  # until here keys are thrown away, so that the shell does not read them
    at_work.output = at_work.output.partition(b"\x1b[?1049l")[2]
    at_work.wait_for_text("\x1b[?1049h")
    at_work.output = at_work.output.partition(b"\x1b[?1049h")[2]
    at_work.wait_for_text("bd_net.h5")
    at_work.write(b"q")
    assert at_work.wait() == 0 and at_work.restored()


def test_a_hang_up_ends_it(at_work: Pseudo) -> None:
    engines = children(at_work.pid)
    os.close(at_work.slave)
    os.close(at_work.master)
    end = time.monotonic() + 30
    while not at_work.ended() and time.monotonic() < end:
        time.sleep(0.05)
    assert at_work.status == 129
    assert engines and all(map(gone, engines))


def test_escape_and_a_letter_in_one_piece_are_two_keys(at_work: Pseudo) -> None:
    """A slow connection brings them together; else they would be read as alt and the letter."""
    at_work.write(b"?")
    at_work.wait_for_text("This screen: prune")
    at_work.write(b"\x1bL")
    at_work.wait_for_text("Engine's own")


def test_bytes_that_are_no_text_are_survived(at_work: Pseudo) -> None:
    at_work.write(b"\xff\xe9\xc3(\x80")
    at_work.write(b"m")
    at_work.wait_for_text("nothing pruned")
    at_work.write(b"q")
    assert at_work.wait() == 0 and at_work.restored()


def test_a_terminal_that_stops_reading_stops_nothing(tmp_path: Path) -> None:
    """All steps are computed while nobody reads what is drawn; then a whole screen is."""
    done = tmp_path / "finished"
    started = workbench(tmp_path, "--step-seconds", "0.05")
    try:
        started.wait_for_text(READY)
        started.write(b"r")
        end = time.monotonic() + 30
        for _ in range(SCREENS):
            started.write(b"??")  # the help, and back: two whole screens that nobody reads
            time.sleep(0.05)
        while not done.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert done.exists()
        started.output = b""
        started.wait_for_text("bd_net.h5")  # the title, which changes never: a whole screen
        started.wait_for_text(LAST)
        started.write(b"q")
        assert started.wait() == 0 and started.restored()
    finally:
        started.close()


def test_a_storm_of_resizes_is_survived(at_work: Pseudo) -> None:
    at_work.write(b"r")
    at_work.wait_for_text("running")
    for columns, rows in [(120, 40), (40, 10), (200, 60), (80, 24), (61, 17), (30, 5), (100, 30)] * 5:
        at_work.resize(columns, rows)
        at_work.send(signal.SIGWINCH)
        at_work.read(0.01)
    at_work.output = b""
    at_work.resize(90, 28)
    at_work.send(signal.SIGWINCH)
    at_work.wait_for_text(LAST)
    at_work.write(b"q")
    assert at_work.wait() == 0 and at_work.restored()


def test_the_terminal_knows_its_size_better_than_the_environment(tmp_path: Path) -> None:
    started = Pseudo([sys.executable, SCRIPT, str(tmp_path)], (120, 40), COLUMNS="80", LINES="24")
    started.wait_for_text("accuracy on")  # a pane that only a wide screen shows
    started.close()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "latin-1"}])
def test_terminals_that_cannot_show_it_are_refused_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    started = workbench(tmp_path, **environment)
    assert started.wait() == 2
    started.read()
    text = started.output.decode()
    assert text.count("\n") == 1 and "--headless" in text
    started.close()


def test_a_file_as_stderr_is_refused(tmp_path: Path) -> None:
    command = f"exec {shlex.join([sys.executable, SCRIPT, str(tmp_path)])} 2>{shlex.quote(str(tmp_path / 'err'))}"
    started = Pseudo(["sh", "-c", command])
    assert started.wait() == 2
    assert "--headless" in (tmp_path / "err").read_text()
    started.close()

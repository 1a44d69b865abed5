"""A headless run that is interrupted, ended or cut off, and what it draws on a terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.errors import ExitCode
from tests.support.pty import PATIENCE, Pseudo

pytestmark = pytest.mark.e2e
SCRIPT = str(Path(__file__).with_name("headless_on_fake.py"))
SLOW = ("--step-seconds", "0.05")


class Headless(subprocess.Popen[str]):
    """A headless run with pipes for its output."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        pipe = subprocess.PIPE
        command = [sys.executable, SCRIPT, str(folder), *options]
        super().__init__(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def until_step(self, step: int) -> None:
        assert self.stdout
        while f"step {step:2}/60" not in (line := self.stdout.readline()):
            assert line, f"the run ended before step {step}"

    def rest(self) -> tuple[int, str]:
        """The exit code, and what is on stderr."""
        _, err = self.communicate(timeout=PATIENCE)
        return self.returncode, err

    @property
    def engine(self) -> int:
        return int((self.folder / "pid").read_text())


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Headless]]:
    """Runs that a test starts go in here, to be ended whatever happens."""
    runs: list[Headless] = []
    yield runs
    for run in runs:
        with run:
            run.kill()


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        assert time.monotonic() < end, "the engine is still there"
        time.sleep(0.01)


def test_ctrl_c_stops_between_steps_and_says_how_to_go_on(tmp_path: Path, started: list[Headless]) -> None:
    started.append(run := Headless(tmp_path, *SLOW))
    run.until_step(3)
    run.send_signal(signal.SIGINT)
    code, err = run.rest()
    assert code == ExitCode.INTERRUPTED
    assert "press Ctrl-C again to leave at once" in err
    assert "Stopped. It had come to step" in err and "--run " in err
    assert "Traceback" not in err
    wait_until_gone(run.engine)


def test_a_second_ctrl_c_leaves_an_engine_that_does_not_answer(tmp_path: Path, started: list[Headless]) -> None:
    started.append(run := Headless(tmp_path, "--hang", "steps:4"))
    run.until_step(3)
    run.send_signal(signal.SIGINT)
    assert run.stderr
    while "press Ctrl-C again" not in run.stderr.readline():
        pass
    run.send_signal(signal.SIGINT)
    code, err = run.rest()
    assert code == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    wait_until_gone(run.engine)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGHUP, ExitCode.HUNG_UP)])
def test_term_and_hup_end_run_and_engine(tmp_path: Path, started: list[Headless], number: int, code: int) -> None:
    started.append(run := Headless(tmp_path, *SLOW))
    run.until_step(3)
    run.send_signal(number)
    assert run.rest()[0] == code
    wait_until_gone(run.engine)
    assert not (tmp_path / "finished").exists()


def test_with_keep_the_engine_finishes_after_a_hang_up(tmp_path: Path, started: list[Headless]) -> None:
    started.append(run := Headless(tmp_path, "--keep", *SLOW))
    run.until_step(3)
    run.send_signal(signal.SIGHUP)
    assert run.rest()[0] == ExitCode.HUNG_UP
    wait_until_gone(run.engine)
    assert (tmp_path / "finished").exists()


def test_under_nohup_a_hang_up_changes_nothing(tmp_path: Path, started: list[Headless]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        started.append(run := Headless(tmp_path, "--step-seconds", "0.01"))
    finally:
        signal.signal(signal.SIGHUP, before)
    run.until_step(3)
    run.send_signal(signal.SIGHUP)
    assert run.rest()[0] == ExitCode.DONE


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Pseudo]:
    pseudo = Pseudo([sys.executable, SCRIPT, str(tmp_path), *SLOW, "--phase-seconds", "0.05"], (120, 40))
    yield pseudo
    pseudo.close()


def cursor_shown(output: bytes) -> bool:
    return output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l") >= 0


def test_a_terminal_sees_a_bar_and_gets_its_cursor_back(terminal: Pseudo) -> None:
    terminal.wait_for_text("features valid")
    terminal.wait_for_text("pruning")
    assert terminal.wait() == ExitCode.DONE
    terminal.read()
    assert terminal.output.count(b"-2 pt at step 45") == 1 and b"step 45/60" not in terminal.output
    assert cursor_shown(terminal.output)
    assert terminal.output.index("B′  -2 pt".encode()) > terminal.output.index(b"-30 pt at step 54")


def test_ctrl_c_on_a_terminal_leaves_it_in_order(terminal: Pseudo) -> None:
    terminal.wait_for_text("pruning  valid")
    terminal.write(b"\x03")
    assert terminal.wait() == ExitCode.INTERRUPTED
    terminal.read()
    assert b"Traceback" not in terminal.output
    assert cursor_shown(terminal.output)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    pseudo = Pseudo([sys.executable, SCRIPT, str(tmp_path)], TERM="dumb")
    try:
        assert pseudo.wait() == ExitCode.DONE
        pseudo.read()
        assert b"\x1b" not in pseudo.output
    finally:
        pseudo.close()


def test_no_color_leaves_no_colours(tmp_path: Path) -> None:
    pseudo = Pseudo([sys.executable, SCRIPT, str(tmp_path)], NO_COLOR="1")
    try:
        assert pseudo.wait() == ExitCode.DONE
        pseudo.read()
        assert not any(f"\x1b[{code}m".encode() in pseudo.output for code in (31, 32, 33, 36, "38;5"))
    finally:
        pseudo.close()


def test_a_vanished_terminal_is_a_hang_up(tmp_path: Path, terminal: Pseudo) -> None:
    terminal.wait_for_text("pruning  valid")
    engine = int((tmp_path / "pid").read_text())
    os.close(terminal.slave)
    os.close(terminal.master)
    end = time.monotonic() + PATIENCE
    while not terminal.ended():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert terminal.status == ExitCode.HUNG_UP
    wait_until_gone(engine)

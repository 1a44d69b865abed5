"""Nothing crashes into a traceback: a fault of the program, and Ctrl-C before there is a screen."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.pty import Pseudo

pytestmark = pytest.mark.e2e
SCRIPT = str(Path(__file__).parent / "workbench_with_fault.py")


def test_a_fault_leaves_the_terminal_and_says_how_to_go_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    it = Pseudo([sys.executable, SCRIPT, str(tmp_path)], XDG_STATE_HOME=str(state))
    try:
        it.wait_for_text("saves at")
        it.write(b"z")
        assert it.wait() == 6
        it.read()
        text = it.output.decode().rpartition("\x1b[?1049l")[2]
        assert it.restored()
        assert "stopped: it met a fault of its own (IndexError: list index out of range)" in text
        assert "engine.log" in text and "lab3-tui" in text and "Traceback" not in text
        assert "Traceback" in (state / "lab3-tui" / "crash.log").read_text()
    finally:
        it.close()


@pytest.mark.parametrize("after", [0.05, 0.1, 0.2, 0.3, 0.5])
def test_ctrl_c_while_it_starts_is_quiet(tmp_path: Path, after: float) -> None:
    """From the first line of the program on; what Python itself says before that is not ours."""
    begin = "import sys, tui.cli.main as m; sys.stderr.write('BEGUN'); sys.stderr.flush(); sys.argv[1:] = []; m.main()"
    root = str(Path(__file__).parents[2])
    it = Pseudo([sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); sys = __import__('sys'); "
                 f"sys.path.insert(0, {root!r}); {begin}"])  # fmt: skip
    try:
        it.wait_for_text("BEGUN")
        time.sleep(after)
        it.send(signal.SIGINT)
        it.wait_for(lambda: it.ended() or b"open a network" in it.output, "the end, or the first screen")
        if not it.ended():
            it.write(b"\x03\x03")
        assert it.wait() in (0, 130)
        it.read()
        assert b"Traceback" not in it.output and b"KeyboardInterrupt" not in it.output
    finally:
        it.close()

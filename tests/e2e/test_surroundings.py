"""A few of the surroundings of `tests.faults.surroundings`: streams that take nothing, limits, lost folders."""

import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from engine.api.errors import ExitCode
from tests.faults import labs
from tests.faults.surroundings import PROGRAM, SHORT, STREAMS, Tally, judge, shell
from tests.support.model_files import write_h5

pytestmark = pytest.mark.e2e


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return labs.make_lab(tmp_path / "lab")


@pytest.mark.parametrize("kind", ["stdout closed", "stdout full", "stderr closed", "all closed"])
def test_streams_that_take_nothing(kind: str, lab: Path) -> None:
    tally, (redirection, allowed) = Tally(), STREAMS[kind]
    for name in ("help", "config", "inspect"):
        judge(tally, kind, f"{PROGRAM} {SHORT[name]} {redirection}", lab, allowed)
    assert tally.losses == []


@pytest.mark.parametrize("words", ["--help", "config path", "inspect models/bd_net.h5", "--version"])
def test_what_stdout_does_not_take_is_one_line(words: str, lab: Path) -> None:
    code, said = shell(f"{PROGRAM} {words} >/dev/full", lab)
    assert (code, said) == (ExitCode.NOT_WRITTEN, "stdout: no space left on device.\n")


def test_a_run_goes_on_without_a_stderr(lab: Path) -> None:
    code, said = shell(f"{PROGRAM} --headless --device cpu --save-at 1 2>&-", lab)
    assert code == ExitCode.DONE and "step 10/" in said


def test_a_run_says_what_stdout_did_not_take_and_how_to_go_on(lab: Path) -> None:
    code, said = shell(f"{PROGRAM} --headless --device cpu --save-at 1 >/dev/full", lab)
    assert code == ExitCode.NOT_WRITTEN and "stdout: no space left on device." in said
    assert "Go on with: lab3-tui --headless --run " in said


def test_eval_does_not_speak_of_a_run(lab: Path) -> None:
    code, said = shell(f"{PROGRAM} eval data/cl/test.h5 data/bd/bd_test.h5 models/bd_net.h5 >/dev/full", lab)
    assert (code, said) == (ExitCode.NOT_WRITTEN, "stdout: no space left on device.\n")


@pytest.mark.parametrize("words", ["", "--headless", "eval a b c", "inspect x.h5"])
def test_a_working_folder_that_was_deleted(words: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code, said = shell(f"cd {quote(str(gone))}; rmdir {quote(str(gone))}; {PROGRAM} {words}", tmp_path)
    assert code == ExitCode.USAGE and said.count("\n") == 1, said


def test_a_fault_of_the_program_is_one_line_and_six() -> None:
    body = "import sys; from tui.cli import main; main.command_line = lambda: [][1]; sys.argv.append('x'); main.main()"
    found = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True)
    assert found.returncode == ExitCode.ENGINE_ERROR
    assert found.stderr.startswith("lab3-tui failed: IndexError: ") and found.stderr.count("\n") == 1


def test_no_descriptors_left_for_an_engine(lab: Path) -> None:
    code, said = shell(f"ulimit -n 6; {PROGRAM} --headless", lab)
    assert code == ExitCode.ENGINE_NOT_STARTED
    assert "could not be started" in said and said.count("\n") == 1


def test_a_good_network_is_not_hostile_where_nothing_can_be_written(tmp_path: Path) -> None:
    model = write_h5(tmp_path / "model.h5")
    code, said = shell(f"ulimit -f 0; {PROGRAM} inspect {quote(str(model))}", tmp_path)
    assert code == ExitCode.USAGE and "hostile" not in said and "no space left for what is read" in said


def test_too_little_memory_is_not_called_a_missing_backend(lab: Path) -> None:
    code, said = shell(f"ulimit -v 400000; {PROGRAM} eval data/cl/test.h5 data/bd/bd_test.h5 models/bd_net.h5", lab)
    assert code and said.count("\n") == 1, said
    assert "Install it" not in said and "memory" in said


def test_a_new_run_on_a_full_disk_is_not_to_be_resumed(lab: Path) -> None:
    code, said = shell(f"ulimit -f 1; {PROGRAM} --headless --device cpu", lab)
    assert code == ExitCode.NOT_WRITTEN, said
    assert "--resume" not in said and "Your work is safe" not in said and "hostile" not in said
    assert not list((lab / "runs").glob("*"))

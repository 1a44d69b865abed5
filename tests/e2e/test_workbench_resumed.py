"""The window goes in the middle of a run; the next workbench there offers to go on, and ends in the same files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tmux import Tmux

pytestmark = pytest.mark.e2e
THRESHOLDS = ("2", "4", "10", "30")
PROMISED = ("curve.csv", "curve.png", "results.csv", "report.md", *(f"g_prune_{x}.h5" for x in THRESHOLDS))


def the_files(lab: Path) -> dict[str, bytes]:
    """What is the same bytes however a run was driven, by name."""
    (run,) = (lab / "runs").iterdir()
    networks = [lab / "models" / f"model_prune_{x}.h5" for x in THRESHOLDS]
    return {path.name: path.read_bytes() for path in (*networks, *(run / name for name in PROMISED))}


@pytest.fixture
def expected(real_lab: Callable[..., Path], tmp_path: Path) -> dict[str, bytes]:
    """The files of a headless run that nobody disturbed."""
    out = tmp_path / "headless"
    places = ["--root", str(real_lab()), "--out", str(out / "models"), "--runs", str(out / "runs")]
    subprocess.run([sys.executable, "-m", "tui", "--headless", *places], check=True, stdout=subprocess.DEVNULL)
    return the_files(out)


def test_killed_and_taken_up_again(own_lab: Callable[..., Path], expected: dict[str, bytes], tmp_path: Path) -> None:
    lab = own_lab()
    command = [sys.executable, "-m", "tui", "--root", str(lab)]
    with Tmux(command, (80, 24), XDG_CONFIG_HOME=str(tmp_path)) as it:
        it.shows("step 0/60")
        it.keys("g")
        it.shows("Go to step")
        it.keys("4", "6", "Enter")
        it.shows("step 46/60", "● ready")
    with Tmux(command, (120, 40), XDG_CONFIG_HOME=str(tmp_path)) as it:
        it.shows("step 46 of 60")
        it.keys("Enter")
        it.shows("step 46/60", "● ready")
        it.keys("r")
        it.shows("step 60/60", "● ready")
        it.keys("m")
        it.shows("report are in")
        it.keys("q")
        it.shows("LEFT WITH 0")
    assert the_files(lab) == expected

"""The real program with the real engine in a real terminal, from the first key to the last file."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tmux import Tmux

pytestmark = pytest.mark.e2e
SAME = ("curve.csv", "curve.png", "results.csv", "report.md", "g_prune_2.h5", "g_prune_4.h5", "g_prune_30.h5")


def back(window: Tmux) -> None:
    """To the workbench. A key that follows Escape at once would be one with Alt."""
    window.keys("Escape")
    window.shows("valid accuracy")


def drive(window: Tmux, table_shown: bool) -> None:
    """A whole session: step, undo, run to the end, look at results, images and a channel, export, quit."""
    window.shows("step 0/60", "ready")
    window.keys("Space")
    window.shows("step 1/60")
    window.keys("u")
    window.shows("step 0/60")
    window.keys("r")
    window.shows("step 60/60", "ready")
    window.keys("m")
    window.shows("nothing pruned", "-4 pt @52")
    back(window)
    window.keys("i")
    window.shows("clean test", "poisoned test", "▀")
    back(window)
    window.keys("k")  # highlights a channel, where the table is on the screen
    window.keys("Enter")
    if not table_shown:
        window.shows("Choose")
        window.keys("Enter")
    window.shows("pruned alone")
    back(window)
    window.keys("e")
    window.shows("Curve, results and report are in")
    window.shows("ready")
    window.keys("q")
    window.shows("LEFT WITH 0")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_session_leaves_what_the_headless_run_leaves(
    size: tuple[int, int], own_lab: Callable[..., Path], tmp_path: Path
) -> None:
    lab = own_lab()
    command = ["sh", "-c", f"cd {shlex.quote(str(lab))} && exec {shlex.quote(sys.executable)} -m tui"]
    with Tmux(command, size, LC_ALL="C.UTF-8", HOME=str(tmp_path)) as window:
        drive(window, table_shown=size[0] >= 120)
    (run,) = (lab / "runs").iterdir()
    mine = {name: (run / name).read_bytes() for name in SAME}
    models = {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")}
    shutil.move(run, tmp_path / "mine")
    command = [sys.executable, "-m", "tui", "--headless", "--overwrite", "--root", str(lab)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (theirs,) = (lab / "runs").iterdir()
    assert mine == {name: (theirs / name).read_bytes() for name in SAME}
    assert models == {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")}
    assert len(models) == 4

"""The real program with the real engine in a real terminal, from the first key to the last file."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
PATIENCE = 120  # seconds until a text that was waited for is given up
SAME = ("curve.csv", "curve.png", "results.csv", "report.md", "g_prune_2.h5", "g_prune_4.h5", "g_prune_30.h5")


class Terminal:
    """A tmux server of its own with one window, in which the program runs."""

    def __init__(self, folder: Path, width: int, height: int, command: str) -> None:
        self.base = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        start = ["new-session", "-d", "-x", str(width), "-y", str(height), f"{command}; echo left with $?; sleep 600"]
        subprocess.run([*self.base, *start], check=True, env=environment)

    def text(self) -> str:
        return subprocess.run([*self.base, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout

    def press(self, *keys: str) -> None:
        subprocess.run([*self.base, "send-keys", *keys], check=True)

    def wait(self, *texts: str) -> str:
        """The screen, once all of these stand on it."""
        end = time.monotonic() + PATIENCE
        while not all(text in (screen := self.text()) for text in texts):
            assert time.monotonic() < end, f"{texts} did not come:\n{screen}"
            time.sleep(0.05)
        return screen

    def back(self) -> None:
        """To the workbench. A key that follows Escape at once would be one with Alt."""
        self.press("Escape")
        self.wait("valid accuracy")

    def close(self) -> None:
        subprocess.run([*self.base, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(width: int, height: int, command: str) -> Terminal:
        opened.append(Terminal(tmp_path, width, height, command))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_a_session_leaves_what_the_headless_run_leaves(
    width: int, height: int, own_lab: Callable[..., Path], terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    lab = own_lab()
    screen = terminal(width, height, f"cd {lab} && {sys.executable} -m tui")
    screen.wait("step 0/60", "ready")
    screen.press("Space")
    screen.wait("step 1/60")
    screen.press("u")
    screen.wait("step 0/60")
    screen.press("r")
    screen.wait("step 60/60", "ready")
    screen.press("m")
    screen.wait("as it came", "-4 pt @52")
    screen.back()
    screen.press("i")
    screen.wait("clean test 0", "poisoned test 0", "▀")
    screen.back()
    screen.press("k")  # highlights a channel, where the table is on the screen
    screen.press("Enter")
    if width < 120:
        screen.wait("Choose")
        screen.press("Enter")
    screen.wait("pruned alone")
    screen.back()
    screen.press("e")
    run = Path(next((lab / "runs").iterdir()))
    end = time.monotonic() + PATIENCE
    while not (run / "results.json").exists():
        assert time.monotonic() < end, screen.text()
        time.sleep(0.05)
    screen.wait("ready")
    screen.press("q")
    screen.wait("left with 0")
    mine = {name: (run / name).read_bytes() for name in SAME}
    models = {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")}
    shutil.move(run, tmp_path / "mine")
    command = [sys.executable, "-m", "tui", "--headless", "--overwrite", "--root", str(lab)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (theirs,) = (lab / "runs").iterdir()
    assert mine == {name: (theirs / name).read_bytes() for name in SAME}
    assert models == {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")}
    assert len(models) == 4

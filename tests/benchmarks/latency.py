"""How fast the workbench answers keys: `python -m tests.benchmarks.latency`.

From the key on the wire to the new text on the screen, through the whole program: among computed steps (the aim is
50 ms to new figures), and while steps stream in and every core is busy, as an engine keeps them (100 ms).
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from tests.benchmarks.terminal import Terminal

SIZES = ((80, 24), (120, 40), (200, 60))
STEPS = 60
PAUSE = 0.4  # seconds between keys: a person's pace, and longer than any redraw waits
BUSY = "while True: pass"


def stage(step_seconds: float) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.stage", str(step_seconds)]


def answers(terminal: Terminal, keys: list[tuple[str, Callable[[str], bool]]]) -> list[float]:
    """Milliseconds from each key to what it should show."""
    times = []
    for key, seen in keys:
        terminal.drain(PAUSE)
        pressed = terminal.press(key)
        times.append(1000 * (terminal.wait(seen) - pressed))
    return times


def at_step(step: int) -> Callable[[str], bool]:
    return lambda text: f"step {step}/{STEPS} " in text


def computed(columns: int, lines: int) -> list[float]:
    """Undo, redo, leaps and jumps among steps that are all computed."""
    with Terminal(stage(0), columns, lines) as terminal:
        terminal.wait(at_step(0))
        terminal.press("r")
        terminal.wait(at_step(STEPS))
        terminal.drain(10)  # until the messages about saved files have gone
        moves = [("u", -1), ("u", -1), ("\x1b[5~", -10), ("\x1b[5~", -10), ("U", 1), ("\x1b[6~", 10), (" ", 1)]
        keys, step = [], STEPS
        for key, by in moves * 3:
            step = max(0, min(STEPS, step + by))
            keys.append((key, at_step(step)))
        return answers(terminal, [*keys, ("\x1b[H", at_step(0)), ("\x1b[F", at_step(STEPS))])


def running(columns: int, lines: int) -> list[float]:
    """Zoom the chart while ten steps a second come in and each core has a process that never rests."""
    with busy(), Terminal(stage(0.1), columns, lines) as terminal:
        terminal.wait(at_step(0))
        terminal.press("r")
        terminal.wait(lambda text: re.search(rf"step [1-9]\d?/{STEPS} ", text) is not None)
        ranges = [
            "y 0 to 100 %",
            "y 50 to 100 %",
            "y 75 to 100 %",
            "y 88 to 100 %",
            "y 94 to 100 %",
        ]
        return answers(terminal, [("z", lambda text, wanted=wanted: wanted in text) for wanted in ranges])


@contextmanager
def busy() -> Iterator[None]:
    """As many processes as there are cores, doing nothing as fast as they can."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    print(f"{'':>24} {'median':>8} {'longest':>8}   aim")
    for name, measure, aim in (("computed steps", computed, 50), ("engine flat out", running, 100)):
        for columns, lines in SIZES:
            times = measure(columns, lines)
            size = f"{columns}x{lines}"
            print(f"{name:<16} {size:>7} {median(times):>5.0f} ms {max(times):>5.0f} ms {aim:>4} ms", flush=True)


if __name__ == "__main__":
    main()

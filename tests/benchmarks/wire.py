"""How much the workbench writes to the terminal while steps stream in: `python -m tests.benchmarks.wire`.

Ten steps a second for six seconds, at three sizes. The aim is 25 KiB a second at 120 x 40, what a slow SSH line takes.
"""

import sys

from tests.benchmarks.terminal import Terminal

STEP_SECONDS, STEPS = 0.1, 60
AIM = 25.0  # KiB a second


def measure(columns: int, lines: int) -> tuple[float, float, float]:
    """KiB a second over the run, in its busiest second, and seconds from the first step to the last."""
    command = [sys.executable, "-m", "tests.benchmarks.stage", str(STEP_SECONDS)]
    with Terminal(command, columns, lines) as terminal:
        terminal.wait(lambda text: f"step 0/{STEPS}" in text)
        terminal.drain(1.0)
        first = terminal.press("r")
        last = terminal.wait(lambda text: f"step {STEPS}/{STEPS}" in text)
        sent = [(at - first, size) for at, size in terminal.bytes_at if first <= at <= last]
    seconds = last - first
    busiest = max(sum(size for at, size in sent if start <= at < start + 1) for start, _ in sent)
    return sum(size for _, size in sent) / 1024 / seconds, busiest / 1024, seconds


def main() -> None:
    print(f"{'size':>8} {'KiB/s':>7} {'busiest second':>15} {'steps/s':>8}")
    for columns, lines in ((80, 24), (120, 40), (200, 60)):
        rate, busiest, seconds = measure(columns, lines)
        print(f"{columns}x{lines:<4} {rate:>7.1f} {busiest:>11.1f} KiB {STEPS / seconds:>8.1f}")
    print(f"aim: {AIM} KiB/s at 120x40")


if __name__ == "__main__":
    main()

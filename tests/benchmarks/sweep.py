"""What a cell of a sweep takes beyond the same run alone, on the demo: processor seconds and seconds by the clock.

    python -m tests.benchmarks.sweep [--rounds 3] [--cells 4]

In every round, one after the other: each cell as a run alone, a sweep of the first cell, a sweep of all cells, each
with one worker. What a sweep of one cell takes beyond its run is the start of Dask and the tables of the end; what
each further cell takes beyond its run is the overhead of a cell. Medians over the rounds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from engine.demo.lab import lay_out


@dataclass(frozen=True)
class Took:
    """Seconds of a command, and of all processes that it waited for."""

    processor: float
    clock: float


def took(*words: str) -> Took:
    """Run `lab3-tui` with these words. Exits where that fails."""
    with tempfile.TemporaryFile() as log:
        begin = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-P", "-m", "tui", *words], stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        clock = time.perf_counter() - begin
        if status:
            log.seek(0)
            sys.exit(log.read().decode())
    return Took(usage.ru_utime + usage.ru_stime, clock)


def alone(lab: Path, seed: int, folder: Path) -> Took:
    where = ("--runs", str(folder / "runs"), "--out", str(folder / "models"))
    return took("--headless", "--root", str(lab), "--order-by", f"random:{seed}", "--save-at", "2,10", *where)


def swept(lab: Path, cells: int, folder: Path) -> Took:
    seeds = ("--orders", "random", "--seeds", f"0-{cells - 1}")
    words = ("--models", "models/bd_net.h5", *seeds, "--save-at", "2,10", "--workers", "1", "--to", str(folder))
    return took("sweep", "--headless", "--root", str(lab), *words)


def one_round(lab: Path, cells: int, folder: Path) -> tuple[Took, Took, Took]:
    """The mean run alone, a sweep of one cell, a sweep of all."""
    single = [alone(lab, seed, folder / f"alone-{seed}") for seed in range(cells)]
    mean_run = Took(mean(run.processor for run in single), mean(run.clock for run in single))
    return mean_run, swept(lab, 1, folder / "one"), swept(lab, cells, folder / "all")


def say(rounds: Sequence[tuple[Took, Took, Took]], cells: int) -> None:
    """The medians, in a table."""
    print(f"{'seconds':34}{'processor':>12}{'clock':>12}")
    figures = {}
    for name in ("processor", "clock"):
        alone, one, every = ([getattr(took, name) for took in each] for each in zip(*rounds, strict=True))
        further = [(whole - first) / (cells - 1) for first, whole in zip(one, every, strict=True)]
        figures[name] = {
            "a run alone": median(alone),
            "a sweep of that one cell": median(one),
            f"a sweep of {cells} cells": median(every),
            "each further cell": median(further),
            "overhead of a further cell, %": median(
                100 * (cell / run - 1) for cell, run in zip(further, alone, strict=True)
            ),
            "start and end of a sweep": median(first - run for first, run in zip(one, alone, strict=True)),
        }
    for name, value in figures["processor"].items():
        print(f"{name:34}{value:12.1f}{figures['clock'][name]:12.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sweep")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lab3-") as name:
        lab = Path(name) / "lab"
        lay_out("pruning-aware", lab)
        alone(lab, 0, Path(name) / "warm")  # files and caches are warm for all
        rounds = []
        for number in range(options.rounds):
            rounds.append(one_round(lab, options.cells, Path(name) / str(number)))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
    say(rounds, options.cells)


if __name__ == "__main__":
    main()

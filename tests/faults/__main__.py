"""Everything that may go wrong, at length: `python -m tests.faults [--kills 200] [--faults 60] [--mutations 10000]`.

Prints what was done to the program and its files, and what was lost: that should be nothing. With `--seconds` the
kills and the faults begin no new run after that time.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.faults import forged, kills, labs, mutations, surroundings, swapped, writes
from tests.faults.engines import Nursery


def disturbed(folder: Path, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Kills and faults, on a lab of their own; returns what to print and what was lost."""
    lab, log = labs.make_lab(folder / "lab"), folder / "stderr"
    until = time.monotonic() + options.seconds
    (folder / "single").mkdir()
    single, losses = writes.exhaustively(folder / "single")
    with Nursery(folder) as nursery:
        killed = kills.run(lab, nursery.command(), options.kills, options.seed, log, until)
        labs.clear(lab)
        broken = writes.run(lab, nursery, options.faults, options.seed, log, until)
        labs.clear(lab)
        forgeries = forged.run(lab, nursery.command(), options.forgeries, options.seed, log, until)
        labs.clear(lab)
        swaps = swapped.run(lab, nursery.command(), options.swaps, options.seed, log, until)
    losses += killed.losses + broken.losses + forgeries.losses + swaps.losses
    lines = [kills.describe(killed), writes.describe(single, broken)]
    return [*lines, forged.describe(forgeries), swapped.describe(swaps)], losses


def mutated(options: argparse.Namespace) -> str:
    """Damaged files; a crash, a hang or a traceback of the program ends this by an exception."""
    count, found = options.mutations, Counter[mutations.Outcome]()
    shares = [range(start, min(start + 500, count)) for start in range(0, count, 500)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for share in [pool.submit(mutations.share, numbers, options.seed) for numbers in shares]:
            found += share.result()
    accepted = sum(times for (_, how), times in found.items() if how == "accepted")
    died = sum(times for (_, how), times in found.items() if how.startswith("inspector"))
    refused = found.total() - accepted - died
    return (
        f"{found.total():,} mutations: {refused:,} files refused, {died:,} more because the inspector died of them, "
        f"{accepted:,} accepted with finite numbers"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--faults", type=int, default=60, help="in whole runs")
    parser.add_argument("--forgeries", type=int, default=100, help="of a journal")
    parser.add_argument("--swaps", type=int, default=40, help="of an input while it is read")
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--surroundings", action=argparse.BooleanOptionalAction, default=True, help="streams, limits")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        lines, losses = disturbed(Path(name), options)
    if options.surroundings:
        with tempfile.TemporaryDirectory() as name:
            lacking = surroundings.run(Path(name), surroundings.SHORT | surroundings.LONG)
        lines.append(surroundings.describe(lacking))
        losses += lacking.losses
    if options.mutations:
        lines.append(mutated(options))
    for line in [*losses, *lines, f"{len(losses)} losses"]:
        print(line)
    sys.exit(bool(losses))


if __name__ == "__main__":
    main()

"""Put other inputs in the place of a run's while it opens: it is refused, or tells the SHA-256 of what it computed on.

`python -m tests.faults.swapped --count 40`
"""

import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from engine.api import journal
from engine.api.errors import ExitCode
from engine.api.protocol import Began
from tests.faults import labs
from tests.faults.engines import Nursery
from tests.faults.kills import DONE, OPTIONS, start, undisturbed

PLACES = {"test": "data/cl/test.h5", "valid": "data/cl/valid.h5", "model": "models/bd_net.h5"}
WAYS = ("renamed over", "written into")


@dataclass
class Tally:
    """Swaps by what became of them; `losses` says what should not have happened."""

    outcomes: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)


def other_version(lab: Path, name: str, folder: Path) -> Path:
    """A good file for the same place, with other numbers in it."""
    made = folder / f"other_{name}.h5"
    shutil.copyfile(lab / PLACES[name], made)
    with h5py.File(made, "r+") as file:
        numbers = file["model_weights/output/output/kernel:0"] if name == "model" else file["data"]
        numbers[...] = numbers[...][::-1]
    return made


def swap(path: Path, other: Path, way: str) -> None:
    if way == "renamed over":
        beside = path.with_name("beside.h5")
        shutil.copyfile(other, beside)
        os.replace(beside, path)
    else:
        with path.open("r+b") as file:
            file.write(other.read_bytes())


def run(lab: Path, engine: tuple[str, ...], count: int, seed: int, log: Path, until: float = float("inf")) -> Tally:
    """`count` swaps, each in a run of its own; none is begun after `until` (monotonic seconds)."""
    tally, rng = Tally(), random.Random(seed)
    folder = lab.with_name("others")
    folder.mkdir()
    whole = {name: (lab / place).read_bytes() for name, place in PLACES.items()}
    known = results_by_inputs(lab, engine, folder, whole, log)
    while tally.outcomes.total() < count and time.monotonic() < until:
        restore(lab, whole)
        name, way, after = rng.choice(list(PLACES)), rng.choice(WAYS), rng.random() * 0.8
        other = folder / f"other_{name}.h5"
        timer = threading.Timer(after, swap, (lab / PLACES[name], other, way))
        log.write_bytes(b"")
        timer.start()
        code = start(lab, engine, OPTIONS, log).end()
        timer.join()
        judge(tally, f"{name} {way} after {after:.2f} s", code, log.read_text(), lab, known)
    restore(lab, whole)
    return tally


def results_by_inputs(
    lab: Path, engine: tuple[str, ...], folder: Path, whole: dict[str, bytes], log: Path
) -> dict[tuple[str, ...], bytes]:
    """The curve of each lab with one input swapped before anything began, and of the lab as it is."""
    found = {}
    for name in (None, *PLACES):
        restore(lab, whole)
        if name is not None:
            shutil.copyfile(other_version(lab, name, folder), lab / PLACES[name])
        undisturbed(lab, engine, log)
        found[hashes(lab)] = labs.results(lab)["curve.csv"]
    return found


def restore(lab: Path, whole: dict[str, bytes]) -> None:
    labs.clear(lab)
    for name, place in PLACES.items():
        (lab / place).write_bytes(whole[name])


def hashes(lab: Path) -> tuple[str, ...]:
    return tuple(hashlib.sha256((lab / place).read_bytes()).hexdigest() for place in PLACES.values())


def judge(tally: Tally, what: str, code: int, said: str, lab: Path, known: dict[tuple[str, ...], bytes]) -> None:
    if code == ExitCode.USAGE:
        tally.outcomes["refused"] += 1
    elif code in DONE:
        tally.outcomes["recorded as computed"] += 1
        run = labs.newest_run(lab)
        began = next((event for event in journal.read(run) if isinstance(event, Began)), None) if run else None
        recorded = tuple(began.sha256[name] for name in PLACES) if began else ()
        if known.get(recorded) != labs.results(lab)["curve.csv"]:
            tally.losses.append(f"{what}: computed on other data than it recorded")
    else:
        tally.outcomes[f"exit code {code}"] += 1
        tally.losses.append(f"{what}: exit code {code}: {said[-300:]}")
    if "Traceback" in said:
        tally.losses.append(f"{what}: a traceback: {said[-300:]}")


def describe(tally: Tally) -> str:
    outcomes = ", ".join(f"{count} {how}" for how, count in tally.outcomes.most_common())
    return f"{tally.outcomes.total()} swapped inputs: {outcomes}; {len(tally.losses)} losses"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Nursery(folder) as nursery:
            tally = run(
                labs.make_lab(folder / "lab"), nursery.command(), options.count, options.seed, folder / "stderr"
            )
    print(*tally.losses, describe(tally), sep="\n")
    sys.exit(bool(tally.losses))


if __name__ == "__main__":
    main()

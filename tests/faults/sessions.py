"""Kill the workbench, its engine or both in the middle of a session, go on in another, and look for losses.

`python -m tests.faults.sessions --kills 50`. Sessions run on a pseudo-terminal with the real engine. A run is killed
and resumed until it is done; then what it left is held against a headless run that nobody disturbed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.api import journal
from engine.api.process import ENGINE_COMMAND
from tests.faults import kills, labs
from tests.support.pty import Pseudo

WHOM = ("engine", "workbench", "both", "both, engine first")
OPTIONS = tuple(each for each in kills.OPTIONS if each not in ("--headless", "--json"))
READY = b"saves at"


@contextmanager
def session(lab: Path, folder: Path) -> Iterator[Pseudo]:
    """A workbench on the lab's run that is not finished, or on a new one."""
    begun = any(not run.finished for run in journal.all_runs(lab / "runs"))
    options = ("--resume",) if begun else OPTIONS
    command = [sys.executable, "-m", "tui", *options, "--root", str(lab)]
    it = Pseudo(command, XDG_CONFIG_HOME=str(folder), XDG_STATE_HOME=str(folder))
    try:
        yield it
    finally:
        it.close()


def engines(workbench: int) -> list[int]:
    """The engines that a workbench has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == workbench and b"\0engine\0" in (place / "cmdline").read_bytes() + b"\0":
                found.append(int(place.name))
    return found


def disturb(it: Pseudo, rng: random.Random) -> str:
    """Begin to work, mostly, and kill somebody a little later."""
    if rng.random() < 0.9:
        it.wait_for(lambda: READY in it.output or it.ended(), "the workbench")
        it.write(rng.choice((b"r", b"r", b" " * 3, b"ru r")))
    else:
        time.sleep(rng.random() * 2)
    it.read(0.001)
    time.sleep(rng.choice((0, rng.random() * 0.05, rng.random() * 0.4)))
    whom, running = rng.choice(WHOM), engines(it.pid)
    targets = {"engine": running, "workbench": [it.pid], "both": [it.pid, *running]}
    for pid in targets.get(whom, [*running, it.pid]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if whom == "engine":  # the workbench tells of it; then it goes as well
        it.read(0.3)
        it.send(signal.SIGKILL)
    it.wait()
    for pid in running:
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
    return whom


def finish(lab: Path, it: Pseudo) -> int:
    """Run to the end and quit; returns the exit code."""
    it.wait_for(lambda: READY in it.output, "the workbench")
    it.write(b"r")
    it.wait_for(lambda: labs.finished(lab), "the end of the run")
    it.read(0.3)
    it.write(b"q")
    return it.wait()


def one_run(lab: Path, rng: random.Random, tally: kills.Tally, wanted: int, folder: Path) -> None:
    """Kill and resume until the run is done, `wanted` kills at most, a handful in each run."""
    for _ in range(rng.randrange(3, 9)):
        if sum(tally.kills.values()) >= wanted or labs.finished(lab):
            break
        run = labs.newest_run(lab)
        before = journal.read(run) if run else []
        with session(lab, folder) as it:
            tally.kills[disturb(it, rng)] += 1
        after = journal.read(run) if run else []
        if after[: len(before)] != before:
            tally.losses.append("the journal lost events that it held")
    if not labs.finished(lab):
        with session(lab, folder) as it:
            if code := finish(lab, it):
                tally.losses.append(f"exit code {code}: {it.output[-300:]!r}")
    tally.runs += 1


def run(lab: Path, wanted: int, seed: int, folder: Path) -> kills.Tally:
    """`wanted` kills, over as many runs as that takes."""
    tally, rng = kills.Tally(), random.Random(seed)
    expected = kills.undisturbed(lab, ENGINE_COMMAND, folder / "stderr")
    while sum(tally.kills.values()) < wanted:
        labs.clear(lab)
        one_run(lab, rng, tally, wanted, folder)
        tally.losses += labs.losses(lab, expected)
        print(*tally.losses, sep="\n", file=sys.stderr)
        print(f"{tally.kills.total()} kills in {tally.runs} runs", file=sys.stderr, flush=True)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tally = run(labs.make_lab(Path(name, "lab")), options.kills, options.seed, Path(name))
    shown = ", ".join(f"{count} of {whom}" for whom, count in sorted(tally.kills.items()))
    for loss in tally.losses:
        print(loss)
    print(f"{tally.kills.total()} kills of sessions ({shown}) in {tally.runs} runs, {len(tally.losses)} losses")
    sys.exit(bool(tally.losses))


if __name__ == "__main__":
    main()

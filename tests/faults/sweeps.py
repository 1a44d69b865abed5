"""Kill workers, the scheduler or everything in the middle of a sweep, go on with it, and look for losses.

`python -m tests.faults.sweeps --kills 12`: 2 networks x 3 layers x 6 orders, first undisturbed and held against single
runs byte for byte; then killed and resumed until it is done, again and again.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from engine.api import journal
from engine.api.process import ENGINE_COMMAND
from engine.api.protocol import Finished, Stepped
from tests.faults import kills
from tests.faults.engines import Nursery
from tests.support.sweep_lab import CHANNELS, LAYERS, make_sweep_lab
from tui.model.sweep_state import SweepState, decode_sweep, reduce_sweep

WHOM = ("a worker", "all workers", "the scheduler", "everything")
PLAN = ("--models", "nets/*.h5", "--layers", "all", "--orders", "mean,clp,norm,apoz,random:3,tac", "--save-at", "2,10")
SAME = ("curve.csv", "curve.png", "results.csv", "report.md", "results.tex")  # of a run folder, and B' beside it
PATIENCE = 300  # seconds without an end
Command = tuple[str, ...]


@dataclass
class Tally:
    """What happened, in numbers; `losses` says what should not have."""

    kills: Counter[str] = field(default_factory=Counter)
    sweeps: int = 0
    losses: list[str] = field(default_factory=list)


def start(lab: Path, engine: Command, log: Path, *options: str, picture: bool = False) -> "subprocess.Popen[bytes]":
    """A sweep without a screen; its picture takes a second, so that most do without."""
    environment = os.environ | ({} if picture else {"LAB3_TESTS_PICTURE": "none"})
    command = [sys.executable, "-m", "tests.faults.sweep_program", *engine, "--", "sweep", "--headless"]
    with log.open("ab") as stderr:
        return subprocess.Popen(
            [*command, "--root", str(lab), *options], stdout=subprocess.DEVNULL, stderr=stderr, env=environment
        )


def watched(to: Path) -> SweepState:
    """The sweep as its record tells it so far."""
    state = SweepState()
    with suppress(FileNotFoundError):
        for line in (to / "sweep.jsonl").read_bytes().splitlines():
            if (event := decode_sweep(line)) is not None:
                state = reduce_sweep(state, event)
    return state


def until(process: "subprocess.Popen[bytes]", to: Path, ended: int) -> bool:
    """Wait until so many cells have ended and another is under way; False where the sweep ended before."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        state = watched(to)
        if state.pid == process.pid and state.count("done") >= ended and state.count("running"):
            return True
        time.sleep(0.05)
    return False


def below(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The processes that a sweep has started, and those that they have."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def workers(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    found = []
    for child in below(process):
        with suppress(psutil.Error):
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child)
    return found


def kill(whom: str, process: "subprocess.Popen[bytes]", rng: random.Random) -> None:
    """SIGKILL. The scheduler lives in the process that hands out cells."""
    at_work = workers(process)
    victims = {
        "a worker": rng.sample(at_work, min(1, len(at_work))),
        "all workers": at_work,
        "the scheduler": [psutil.Process(process.pid)],
        "everything": [psutil.Process(process.pid), *below(process)],
    }
    for victim in victims[whom]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def disturbed(lab: Path, engine: Command, log: Path, to: Path, whoms: list[str], rng: random.Random, *plan: str) -> int:
    """Sweep into `to`; after each few cells kill the next of `whoms`. Returns the exit code of the last start."""
    options = [*plan, "--to", str(to)]
    process = start(lab, engine, log, *options)
    for whom in whoms:
        known = watched(to).count("done") if watched(to).pid == process.pid else 0
        if not until(process, to, known + 1):
            break
        time.sleep(rng.random() * 0.5)
        kill(whom, process, rng)
        if whom in ("the scheduler", "everything"):
            process.wait(PATIENCE)
            process = start(lab, engine, log, "--resume", "--to", str(to))
    return process.wait(PATIENCE)


def losses(to: Path, expected: bytes, cells: int, layers: tuple[str, ...] = LAYERS) -> list[str]:
    """What a finished sweep lacks, holds twice, or has otherwise than one that nobody disturbed."""
    wrong = [] if (to / "sweep.csv").read_bytes() == expected else ["sweep.csv differs"]
    folders = sorted((to / "cells").iterdir())
    if len(folders) != cells:
        wrong.append(f"{len(folders)} folders for {cells} cells")
    channels = dict(zip(LAYERS, CHANNELS, strict=True))
    for folder in folders:
        layer = next(name for name in layers if f"-{name}-" in folder.name)
        events = [event for run in (folder / "runs").iterdir() for event in journal.events(run)]
        steps = sorted(event.step for event in events if isinstance(event, Stepped))
        if steps != list(range(channels[layer] + 1)):
            wrong.append(f"{folder.name}: computed the steps {steps}")
        if sum(isinstance(event, Finished) for event in events) != 1:
            wrong.append(f"{folder.name}: is not finished once")
    wrong += [f"{path} is left" for path in to.glob(".shared-*")]
    return wrong


def unlike_single_runs(lab: Path, engine: Command, to: Path, log: Path, only: int | None = None) -> list[str]:
    """Cells whose files differ from those of the same run without a sweep."""
    wrong = []
    for cell in watched(to).cells[:only]:
        alone = to.parent / f"alone-{cell.number}"
        options = ("--model", str(lab / cell.model), "--layer", cell.layer, "--order-by", cell.order)
        where = ("--runs", str(alone / "runs"), "--out", str(alone / "models"), "--save-at", "2,10")
        kills.start(lab, engine, ("--headless", "--json", *options, *where), log).end()
        wrong += [f"{cell.name}: {name} differs" for name in unlike(alone, to / "cells" / cell.folder)]
    return wrong


def unlike(one: Path, other: Path) -> list[str]:
    """Names of result files that two cells' folders do not hold alike."""
    found, expected = files(one), files(other)
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def files(cell: Path) -> dict[str, bytes]:
    run = next(folder for folder in (cell / "runs").iterdir() if (folder / "results.csv").exists())
    paths = [*(cell / "models").glob("*.h5"), *run.glob("g_*.h5"), *(run / name for name in SAME)]
    return {path.name: path.read_bytes() for path in paths}


def run(lab: Path, engine: Command, folder: Path, kills: int, seed: int, log: Path) -> Tally:
    """An undisturbed sweep against single runs, then `kills` kills over as many sweeps as that takes."""
    tally, rng = Tally(), random.Random(seed)
    if start(lab, engine, log, *PLAN, "--to", str(folder / "undisturbed")).wait():
        raise RuntimeError(log.read_text()[-2000:])
    cells = len(watched(folder / "undisturbed").cells)
    tally.losses += unlike_single_runs(lab, engine, folder / "undisturbed", log)
    expected = (folder / "undisturbed/sweep.csv").read_bytes()
    while sum(tally.kills.values()) < kills:
        to = folder / f"sweep-{tally.sweeps}"
        whoms = [rng.choice(WHOM) for _ in range(min(4, kills - sum(tally.kills.values())))]
        code = disturbed(lab, engine, log, to, whoms, rng, *PLAN)
        tally.kills.update(whoms)
        tally.sweeps += 1
        tally.losses += [f"exit code {code}"] if code else []
        tally.losses += losses(to, expected, cells)
        print(*tally.losses, sep="\n", file=sys.stderr)
        print(f"{tally.kills.total()} kills in {tally.sweeps} sweeps, {len(tally.losses)} losses", file=sys.stderr)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="start every engine as the program does, with its imports")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lab, log = make_sweep_lab(folder / "lab"), folder / "stderr"
        if options.cold:
            tally = run(lab, ENGINE_COMMAND, folder, options.kills, options.seed, log)
        else:
            with Nursery(folder) as nursery:
                tally = run(lab, nursery.command(), folder, options.kills, options.seed, log)
        traceback = "Traceback" in log.read_text()
    for loss in tally.losses:
        print(loss)
    whom = ", ".join(f"{count} of {name}" for name, count in sorted(tally.kills.items()))
    print(f"{tally.kills.total()} kills ({whom}) in {tally.sweeps} sweeps, {len(tally.losses)} losses")
    sys.exit(bool(tally.losses) or traceback)


if __name__ == "__main__":
    main()

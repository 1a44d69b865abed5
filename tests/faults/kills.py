"""Kill the engine, the front end or both at random moments of a run, go on with it, and look for losses.

`python -m tests.faults.kills --kills 200`. A run is killed and resumed again and again until it is done; then what it
left is held against a run that nobody disturbed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.api import journal
from engine.api.process import ENGINE_COMMAND
from engine.api.protocol import AnyEvent, Hello, Idle, Opened, Progress, decode_event
from engine.run.recorder import UNRECORDED
from tests.faults import labs
from tests.faults.engines import Nursery

WHOM = ("engine", "front end", "both", "both, engine first")
DONE = (0, 1)  # 1: a threshold was not reached
OPTIONS = ("--headless", "--json", "--device", "cpu", "--save-at", "1,5,20", "--save-step", "3,9")
PATIENCE = 120  # seconds without a word
PASSING = (Hello, Idle, Opened, Progress)  # Opened is told early, without its hashes


@dataclass
class Tally:
    """What happened, in numbers; `losses` says what should not have."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)  # kills by the event that was last shown
    runs: int = 0
    leftovers: int = 0
    losses: list[str] = field(default_factory=list)


@dataclass
class Attempt:
    """One start of the program. `shown`: the events that it printed."""

    process: subprocess.Popen[bytes]
    shown: list[AnyEvent] = field(default_factory=list)

    def read(self) -> bool:
        """Take the next event; False at the end. A line that the death of the program tore is dropped."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line.endswith(b"\n"):
            self.shown.append(decode_event(line))
        return bool(line)

    def end(self) -> int:
        """Hear it out; returns its exit code, when the engine is gone as well."""
        while self.read():
            pass
        assert self.process.stdout is not None
        self.process.stdout.close()
        code = self.process.wait()
        wait_for_engine(self)
        return code

    @property
    def engine(self) -> int | None:
        return next((event.pid for event in self.shown if isinstance(event, Hello)), None)

    def kill(self, whom: str) -> None:
        """SIGKILL to one or both."""
        front, engine = self.process.pid, self.engine
        targets = {
            "engine": (engine,),
            "front end": (front,),
            "both": (front, engine),
            "both, engine first": (engine, front),
        }
        for pid in targets[whom]:
            with suppress(ProcessLookupError):
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)


def start(lab: Path, engine: tuple[str, ...], options: tuple[str, ...], log: Path) -> Attempt:
    command = [sys.executable, "-m", "tests.faults.program", *engine, "--", *options, "--root", str(lab)]
    with log.open("ab") as stderr:
        return Attempt(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr))


def how_to_go_on(lab: Path) -> tuple[str, ...]:
    """A run without a beginning in its journal has lost nothing: then a new one is begun."""
    begun = any(not run.finished for run in journal.all_runs(lab / "runs"))
    return ("--headless", "--json", "--resume") if begun else OPTIONS


def wait_for_engine(attempt: Attempt) -> None:
    """Until it is gone too: one that lost its front end leaves by itself."""
    end = time.monotonic() + PATIENCE
    while attempt.engine and Path(f"/proc/{attempt.engine}").exists() and time.monotonic() < end:
        if "Z" in Path(f"/proc/{attempt.engine}/stat").read_text().rpartition(")")[2].split()[0]:
            return
        time.sleep(0.01)


def undisturbed(lab: Path, engine: tuple[str, ...], log: Path) -> labs.Files:
    """The files of a run from its beginning to its end."""
    if start(lab, engine, OPTIONS, log).end() not in DONE:
        raise RuntimeError(log.read_text()[-2000:])
    expected = labs.results(lab)
    if wrong := labs.losses(lab, expected):
        raise RuntimeError("; ".join(wrong))
    return expected


def disturb(attempt: Attempt, rng: random.Random, known: int) -> str | None:
    """Kill somebody after some of the events that are new, and a little later; None where the run ended before."""
    moment = known + rng.choice((rng.randrange(8), rng.randrange(8), rng.randrange(40)))
    while len(attempt.shown) < moment:
        if not attempt.read():
            return None
    time.sleep(rng.choice((0, rng.random() * 0.02, rng.random() * 0.5)))
    whom = rng.choice(WHOM if attempt.engine else ("front end",))
    if attempt.process.poll() is not None:
        return None
    attempt.kill(whom)
    return whom


def torn(before: list[AnyEvent], after: list[AnyEvent], shown: list[AnyEvent]) -> list[str]:
    """What a journal has lost: events that it held before, or that somebody has seen."""
    wrong = [] if after[: len(before)] == before else ["the journal lost events that it held"]
    missing = [event for event in shown if event not in after and not isinstance(event, (*PASSING, *UNRECORDED))]
    return wrong + [f"shown and not in the journal: {event!r}"[:300] for event in missing]


def one_run(lab: Path, engine: tuple[str, ...], rng: random.Random, tally: Tally, wanted: int, log: Path) -> None:
    """Kill and resume until the run is done, `wanted` kills at most; then nobody disturbs it any more."""
    while not labs.finished(lab):
        run = labs.newest_run(lab)
        before = journal.read(run) if run else []
        attempt = start(lab, engine, how_to_go_on(lab), log)
        known = len(before) + 3
        killed = disturb(attempt, rng, known) if sum(tally.kills.values()) < wanted else None
        code = attempt.end()
        if killed:
            tally.kills[killed] += 1
            tally.moments[moment(attempt)] += 1
        elif code not in DONE:
            tally.losses.append(f"exit code {code}: {log.read_text()[-300:]}")
            return
        run = labs.newest_run(lab)
        tally.losses += torn(before, journal.read(run) if run else [], attempt.shown)


def moment(attempt: Attempt) -> str:
    last = attempt.shown[-1] if attempt.shown else None
    return "before the greeting" if last is None else type(last).__name__.lower()


def run(lab: Path, engine: tuple[str, ...], kills: int, seed: int, log: Path, until: float = float("inf")) -> Tally:
    """`kills` kills, over as many runs as that takes; no new run is begun after `until` (monotonic seconds)."""
    tally, rng = Tally(), random.Random(seed)
    expected = undisturbed(lab, engine, log)
    while sum(tally.kills.values()) < kills and time.monotonic() < until:
        labs.clear(lab)
        one_run(lab, engine, rng, tally, kills, log)
        tally.runs += 1
        tally.losses += labs.losses(lab, expected)
        tally.leftovers += len(labs.leftovers(lab))
        done = sum(tally.kills.values())
        print(*tally.losses, sep="\n", file=sys.stderr)
        print(f"{done} kills in {tally.runs} runs, {len(tally.losses)} losses", file=sys.stderr, flush=True)
    return tally


def describe(tally: Tally) -> str:
    kills = ", ".join(f"{count} of {whom}" for whom, count in sorted(tally.kills.items()))
    moments = ", ".join(f"{count} {name}" for name, count in tally.moments.most_common())
    return (
        f"{sum(tally.kills.values())} kills ({kills}) in {tally.runs} runs, {len(tally.losses)} losses\n"
        f"  last event shown: {moments}\n"
        f"  temporary files left, none under a result's name: {tally.leftovers}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="start every engine as the program does, with its imports")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lab, log = labs.make_lab(folder / "lab"), folder / "stderr"
        if options.cold:
            tally = run(lab, ENGINE_COMMAND, options.kills, options.seed, log)
        else:
            with Nursery(folder) as nursery:
                tally = run(lab, nursery.command(), options.kills, options.seed, log)
        traceback = "Traceback" in log.read_text()
    for loss in tally.losses:
        print(loss)
    print(describe(tally) + ("\n  and a traceback on stderr" if traceback else ""))
    sys.exit(bool(tally.losses) or traceback)


if __name__ == "__main__":
    main()

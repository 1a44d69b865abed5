"""Forge the journal of a run, with checksums that fit, and go on with it: the same results, or one line and exit 2.

`python -m tests.faults.forged --count 100`
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from engine.api import journal
from engine.api.errors import ExitCode
from tests.faults import labs
from tests.faults.engines import Nursery
from tests.faults.kills import DONE, start, undisturbed
from tests.support import forged_journals


@dataclass
class Tally:
    """Forgeries by what became of them; `losses` says what should not have happened."""

    outcomes: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)


def run(lab: Path, engine: tuple[str, ...], count: int, seed: int, log: Path, until: float = float("inf")) -> Tally:
    """`count` forgeries of one run's journal; none is begun after `until` (monotonic seconds)."""
    tally, rng = Tally(), random.Random(seed)
    expected = undisturbed(lab, engine, log)
    kept = lab.with_name("kept")
    shutil.copytree(lab, kept)
    real = labs.newest_run(lab)
    if real is None:
        raise RuntimeError("there is no run to forge")
    told = forged_journals.lines((real / journal.NAME).read_bytes())
    while tally.outcomes.total() < count and time.monotonic() < until:
        shutil.rmtree(lab)
        shutil.copytree(kept, lab)
        made, what = forged_journals.forged(told, rng)
        (real / journal.NAME).write_bytes(forged_journals.journal(made))
        log.write_bytes(b"")
        code = start(lab, engine, ("--headless", "--json", "--run", str(real)), log).end()
        judge(tally, what, code, log.read_text(), labs_results(lab, expected) if code in DONE else [])
    shutil.rmtree(kept)
    return tally


def labs_results(lab: Path, expected: labs.Files) -> list[str]:
    """Curves and networks that are others than those of the run as it was."""
    found = labs.results(lab)
    alike = [name for name in found if name == "curve.csv" or name.endswith(".h5")]
    return [name for name in alike if name in expected and found[name] != expected[name]]


def judge(tally: Tally, what: str, code: int, said: str, other: list[str]) -> None:
    if code == ExitCode.USAGE:
        tally.outcomes["refused"] += 1
    elif code in DONE:
        tally.outcomes["gone on with"] += 1
    else:
        tally.outcomes[f"exit code {code}"] += 1
        tally.losses.append(f"{what}: exit code {code}: {said[-300:]}")
    if "Traceback" in said:
        tally.losses.append(f"{what}: a traceback: {said[-300:]}")
    if other and what.rpartition(" ")[2] not in forged_journals.CLAIMS:
        tally.losses.append(f"{what}: other results: {', '.join(other)}")


def describe(tally: Tally) -> str:
    outcomes = ", ".join(f"{count} {how}" for how, count in tally.outcomes.most_common())
    return f"{tally.outcomes.total()} forged journals: {outcomes}; {len(tally.losses)} losses"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100)
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

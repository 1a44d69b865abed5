"""Walk as users do, at length, on the real engine: `python -m tests.faults.walks --minutes 60 [--seed 1]`.

A machine of keys (`tests.walking`) presses everything in any order on demo labs laid out in a temporary folder. After
each key the truths of `tests.walking.truths` have to hold. Where one does not, the keys are made as few as they can be
and printed; `--keys "start:80x24 i escape i"` presses such a list again.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.engines import Nursery
from tests.walking.machine import Walks
from tests.walking.walk import Wrong
from tests.walking.worlds import Real, World

STEPS = 30  # of a walk
WALKS = 10  # that share a seed


def machine(lab: Path, command: tuple[str, ...]) -> type[Walks]:
    """The machine on copies of this lab."""

    class RealWalks(Walks):
        def make_world(self, folder: Path) -> World:
            return Real(folder, lab, command)

    return RealWalks


def walk_at_random(walks: type[Walks], minutes: float, first: int) -> str:
    """Walk until the time is over; what was wrong, with the keys that show it."""
    end, number = time.monotonic() + 60 * minutes, first
    how = settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    while time.monotonic() < end:
        walks.until = end
        try:
            run_state_machine_as_test(seed(number)(walks), settings=how)
        except Wrong as error:
            return f"seed {number}: {error}"
        number += 1
        print(f"seed {number - 1} done, {tally(walks)}", file=sys.stderr, flush=True)
    return ""


def walk_along(walks: type[Walks], keys: str) -> str:
    """Press the keys of a list again."""
    it = walks()
    try:
        it.replay(keys.split())
    except Wrong as error:
        return str(error)
    finally:
        it.teardown()
    return ""


def tally(walks: type[Walks]) -> str:
    names = ("walks", "keys", "screens", "files", "kills")
    return ", ".join(f"{walks.counts[name]:,} {name}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keys", default="", help="press these instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            os.environ[variable] = name
        from engine.demo.lab import lay_out

        lay_out("pruning-aware", folder / "demo")
        with Nursery(folder) as nursery:
            walks = machine(folder / "demo", nursery.command())
            wrong = walk_along(walks, options.keys) if options.keys else walk_at_random(
                walks, options.minutes, options.seed
            )  # fmt: skip
    print(*([wrong] if wrong else []), f"{tally(walks)} checked: {'1 fault' if wrong else 'all well'}", sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

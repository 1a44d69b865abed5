"""Networks by grammar, against the real Keras: `python -m tests.faults.grammar --minutes 60 --seed 1`.

Makes networks at random with the real Keras 3 (and with an older one where `--keras2 PYTHON` names an interpreter that
has it), changes their files at random, and opens each file here and there. What both open must give the same answers;
what Keras refuses must be refused. `--only 17.h5.3` does one file again and `--keep FOLDER` leaves it there.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from platform import python_version

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from tests.faults.grammar.comparing import Bench, FileRefused, changed_file
from tests.faults.grammar.kerases import Keras


def single_thread() -> None:
    """One thread here as in the process beside, so that sums are made in one order."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


class Tally:
    """What was found so far."""

    def __init__(self, seed: int, keep: Path | None) -> None:
        self.seed, self.keep = seed, keep
        self.networks = self.files = self.changed = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.bad: list[FileRefused] = []
        self.stricter: Counter[str] = Counter()

    def add(self, found: FileRefused, path: Path) -> None:
        self.counts[found.keras, found.kind] += 1
        if found.kind == "opened by Keras only":
            self.stricter[pattern(found.ours)] += 1
        if self.is_bad(found):
            self.bad.append(found)
            print(self.line(found), flush=True)
            if self.keep:
                (self.keep / f"{found.place}{path.suffix}").write_bytes(path.read_bytes())

    def is_bad(self, found: FileRefused) -> bool:
        """What must not be: another answer, or a file that is opened here and that no Keras opens."""
        return found.bad

    def line(self, found: FileRefused) -> str:
        what = found.difference or (found.theirs.replace("\n", " ")[:300] if found.theirs != "opened" else "")
        return (
            f"* {found.kind} ({found.keras}): file {found.place} of seed {self.seed}\n"
            f"    changed: {'; '.join(found.told) or 'nothing'}\n    {what}"
        )

    def summary(self) -> str:
        lines = [
            f"{self.networks:,} networks made, {self.files:,} files of them written by Keras, {self.changed:,} changed"
        ]
        for keras in sorted({keras for keras, _ in self.counts}):
            own = {kind: count for (name, kind), count in self.counts.items() if name == keras}
            lines.append(f"{keras}: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(own.items())))
            lines.append(f"{keras}: different answers: {own.get('different answers', 0)}")
        return "\n".join(lines)


def pattern(refusal: str) -> str:
    """A refusal without the names in it."""
    return " ".join("…" if word.startswith("'") else word for word in refusal.split()[:14])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--networks", type=int, default=sys.maxsize, help="at most so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first network")
    parser.add_argument("--keras2", metavar="PYTHON", help="an interpreter with Keras 2.3.1")
    parser.add_argument("--only", metavar="PLACE", help="one file, as a finding names it: 17.h5.3, or 17.h5 unchanged")
    parser.add_argument("--changes", type=int, default=6, help="of each file of a network")
    parser.add_argument("--opened-only", action="store_true", help="ask Keras only about what is opened here")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args()
    sys.exit(1 if run(options).bad else 0)


def run(options: argparse.Namespace) -> Tally:
    single_thread()
    from engine.sandbox.client import sandbox

    tally = Tally(options.seed, options.keep)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Keras(sys.executable, folder / "keras.log") as new:
            if options.keras2:
                with Keras(options.keras2, folder / "keras2.log") as old:
                    check(Bench(folder, new, old, options.opened_only), options, tally)
            else:
                check(Bench(folder, new, None, options.opened_only), options, tally)
    sandbox.close()
    return tally


def check(bench: Bench, options: argparse.Namespace, tally: Tally) -> None:
    begin = told = time.monotonic()
    old = f" and Keras {bench.old.version}" if bench.old else ""
    print(f"seed {options.seed}, Python {python_version()}, compared with Keras {bench.new.version}{old}", flush=True)
    number = int(options.only.split(".")[0]) if options.only else options.first
    while tally.networks < options.networks and time.monotonic() - begin < 60 * options.minutes:
        one_network(bench, options, tally, number)
        number += 1
        if options.only:
            break
        if time.monotonic() - told > 60:
            told = time.monotonic()
            print(f"-- {(told - begin) / 60:.0f} min, next network {number}\n{tally.summary()}", flush=True)
    if tally.stricter:
        print("stricter than Keras, the ten most frequent refusals:")
        for words, count in tally.stricter.most_common(10):
            print(f"  {count:6,}  {words}")
    print(tally.summary())
    print(f"{len(tally.bad)} findings in {(time.monotonic() - begin) / 60:.1f} min")


def one_network(bench: Bench, options: argparse.Namespace, tally: Tally, number: int) -> None:
    paths = bench.networks(options.seed, number)
    tally.networks += 1
    for path in paths:
        place = f"{number}{path.suffix}"
        if options.only in (None, place):
            tally.files += 1
            compare(bench, options, tally, path, place, [])
        changes = range(options.changes) if options.only is None else options.only.split(".")[2:]
        for index in changes:
            where = f"{place}.{index}"
            made = changed_file(path, bench.folder, options.seed, where) if options.only in (None, where) else None
            if made is not None:
                tally.changed += 1
                compare(bench, options, tally, made[0], where, made[1])


def compare(bench: Bench, options: argparse.Namespace, tally: Tally, path: Path, place: str, told: list[str]) -> None:
    for found in bench.compare(path, place, told):
        tally.add(found, path)
        if not told and found.ours != "opened" and found.keras.startswith("Keras 3"):
            print(f"  {place} as Keras wrote it is refused here: {found.ours}", flush=True)
        if options.only:
            print(f"{found.keras}: {found.theirs}\nhere: {found.ours}\nchanged: {'; '.join(told) or 'nothing'}")
    if options.only and options.keep:
        (options.keep / f"{place}{path.suffix}").write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()

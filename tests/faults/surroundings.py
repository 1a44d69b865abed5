"""Start the program where its streams are closed, full or broken, its limits low, or its folder gone.

`python -m tests.faults.surroundings`. Whatever it lacks, it ends with a code that says so, without a traceback; 1 is
kept for a threshold that was never reached.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import labs

PROGRAM = f"{shlex.quote(sys.executable)} -m tui"
PATIENCE = 300  # seconds
DONE, USAGE, NOT_STARTED, DIED, NOT_WRITTEN, FAILED = 0, 2, 3, 4, 5, 6
# what is said: `--help` and the like need nothing, a run needs all
SHORT = {
    "help": "--help",
    "version": "--version",
    "help of eval": "eval --help",
    "config": "config path",
    "completion": "completion bash",
    "help of classify": "classify --help",
    "inspect": "inspect models/bd_net.h5",
    "refused": "inspect models/none.h5",
}
LONG = {
    "eval": "eval data/cl/test.h5 data/bd/bd_test.h5 models/bd_net.h5",
    "run": "--headless --device cpu --save-at 1 --runs {folder}/runs --out {folder}/out",
}
# how a stream is broken, and the codes that the program may end with where it has something to say there
STREAMS = {
    "stdout closed": (">&-", (NOT_WRITTEN,)),
    "stdout full": (">/dev/full", (NOT_WRITTEN,)),
    "stdout without a reader": ("> >(true)", (DONE, NOT_WRITTEN)),
    "stderr closed": ("2>&-", (DONE,)),
    "stderr full": ("2>/dev/full", (DONE,)),
    "stdin closed": ("<&-", (DONE,)),
    "all closed": ("<&- >&- 2>&-", (NOT_WRITTEN,)),
    "stdout and stderr full": (">/dev/full 2>/dev/full", (NOT_WRITTEN,)),
}
LIMITS = {
    "no file may be written": "ulimit -f 0",
    "files of four blocks": "ulimit -f 4",
    "little memory": "ulimit -v 400000",
    "few descriptors": "ulimit -n 16",
    "hardly a descriptor": "ulimit -n 6",
}
LIMITED = (DONE, USAGE, NOT_STARTED, DIED, NOT_WRITTEN, FAILED)


@dataclass
class Tally:
    """How often what was tried; `losses` says what should not have happened."""

    tried: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)


def shell(line: str, folder: Path) -> tuple[int, str]:
    """A line of bash in a folder: its exit code, and all that was said."""
    found = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE
    )
    return found.returncode, found.stdout + found.stderr


def judge(tally: Tally, kind: str, line: str, folder: Path, allowed: tuple[int, ...], lines: int = 1000) -> None:
    """Run a line. A traceback, a code that is not allowed, or too many words of complaint are losses."""
    code, said = shell(line, folder)
    tally.tried[kind] += 1
    if "Traceback" in said or "Exception ignored" in said:
        tally.losses.append(f"{line}: a traceback: {said[-300:]}")
    if code not in allowed:
        tally.losses.append(f"{line}: exit {code}: {said[-300:]}")
    if code and said.count("\n") > lines:
        tally.losses.append(f"{line}: {said.count(chr(10))} lines: {said[-600:]}")


def streams(tally: Tally, lab: Path, commands: dict[str, str]) -> None:
    for kind, (redirection, allowed) in STREAMS.items():
        for name, words in commands.items():
            with tempfile.TemporaryDirectory(dir=lab.parent) as folder:
                codes = (USAGE,) if name == "refused" else allowed
                judge(tally, kind, f"{PROGRAM} {words.format(folder=folder)} {redirection}", lab, codes)


def limits(tally: Tally, lab: Path, commands: dict[str, str]) -> None:
    for kind, limit in LIMITS.items():
        for words in commands.values():
            with tempfile.TemporaryDirectory(dir=lab.parent) as folder:
                line = f"{limit}; {PROGRAM} {words.format(folder=folder)} 2>&1 >/dev/null"
                judge(tally, kind, line, lab, LIMITED, lines=10)


def deleted_folders(tally: Tally, lab: Path, commands: dict[str, str]) -> None:
    for name, words in commands.items():
        gone = lab.parent / "gone"
        gone.mkdir(exist_ok=True)
        codes = (DONE,) if ("--" in words[:2] and name != "run") or name in ("help of eval", "config") else (USAGE,)
        line = f"cd {shlex.quote(str(gone))}; rmdir {shlex.quote(str(gone))}; {PROGRAM} {words}"
        judge(tally, "deleted folder", line, lab.parent, codes)


def run(folder: Path, commands: dict[str, str]) -> Tally:
    """Every command in all surroundings, on a lab that is made in `folder`."""
    tally, lab = Tally(), labs.make_lab(folder / "lab")
    streams(tally, lab, commands)
    limits(tally, lab, commands)
    deleted_folders(tally, lab, commands)
    return tally


def describe(tally: Tally) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in tally.tried.items())
    return f"{tally.tried.total()} starts in surroundings that lack something ({kinds}), {len(tally.losses)} losses"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="leave out the commands that compute")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tally = run(Path(name), SHORT if options.short else SHORT | LONG)
    for line in [*tally.losses, describe(tally)]:
        print(line)
    sys.exit(bool(tally.losses))


if __name__ == "__main__":
    main()

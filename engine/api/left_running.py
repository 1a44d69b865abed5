"""Runs that a front end left to their engine: what was left is what opens next, also when its engine has ended.

The list lies in the user's state folder, which nothing that is downloaded reaches: a path a line, the newest last.
"""

import contextlib
import os
from pathlib import Path

from engine.api.atomic_file import write_atomically
from engine.api.errors import NotWritten, Refused
from engine.api.safe_open import open_regular
from engine.api.user_folders import user_folder

LIST = "left"
MOST = 50  # runs that are remembered
READ = 2**18  # bytes of the list


def remember(run: Path) -> None:
    """Put a run at the end of the list. One that cannot be listed is found among the runs all the same."""
    _write([*(each for each in _listed() if each != str(run)), str(run)])


def forget(run: Path) -> None:
    """The run has been opened again."""
    listed = _listed()
    if str(run) in listed:
        _write([each for each in listed if each != str(run)])


def left_in(runs: Path) -> list[Path]:
    """The runs of this folder that were left, the newest first."""
    return [Path(each) for each in reversed(_listed()) if Path(each).parent == runs]


def _listed() -> list[str]:
    with (
        contextlib.suppress(OSError, RuntimeError, Refused),
        os.fdopen(open_regular(user_folder("STATE") / LIST), "rb") as file,
    ):
        return [os.fsdecode(line) for line in file.read(READ).split(b"\n") if line]
    return []


def _write(runs: list[str]) -> None:
    with contextlib.suppress(OSError, RuntimeError, NotWritten):
        folder = user_folder("STATE")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = [os.fsencode(run) for run in runs[-MOST:] if "\n" not in run]
        write_atomically(folder / LIST, b"".join(name + b"\n" for name in names))

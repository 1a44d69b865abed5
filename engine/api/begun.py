"""Which folders a run may go on with: those of its own lab folder, or any where this user's program began it.

A downloaded lab folder may bring runs along, and a run's settings say what is read and where B' is written. Such a run
goes on only where all that its settings name lies in the lab folder that it lies in itself (LAB/runs/RUN). That is
settled before anything of it is opened. It follows no link, and what it says may be overwritten counts for nothing.

The program keeps a list of the runs that it began, by the SHA-256 of their first event, in the user's state folder,
which nothing that is downloaded reaches. The settings of those were typed by the user: their folders may lie anywhere,
and what they may overwrite they still may when they go on.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from engine.api.errors import Refused
from engine.api.protocol import SETS, Settings
from engine.api.regular import open_regular
from engine.api.textsafe import SHORT, escape

LIST = "begun"
READ = 2**24  # bytes of it: a quarter of a million runs


def remember(first: bytes) -> None:
    """Put the run that begins with this event on the list. A run that cannot be listed stays bound to its lab."""
    with contextlib.suppress(OSError, RuntimeError, Refused):
        state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_regular(state_folder() / LIST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(_digest(first) + b"\n")


def listed(first: bytes) -> bool:
    """Whether the run that begins with this event was begun here."""
    with (
        contextlib.suppress(OSError, RuntimeError, Refused),
        os.fdopen(open_regular(state_folder() / LIST), "rb") as file,
    ):
        return _digest(first) in file.read(READ)
    return False


def refuse_elsewhere(run: Path, first: bytes, settings: Settings) -> None:
    """Raises Refused where a run that was not begun here names what lies outside its lab folder."""
    lab = lab_of(run)
    outside = next((path for path in named(settings) if not _within(path, lab)), None)
    if outside is not None and not listed(first):
        raise Refused(
            f"{escape(run.name, SHORT)}: was not begun here by you, and names '{escape(outside)}', outside its folder "
            f"{escape(str(lab))}. Start a new run."
        )


def lab_of(run: Path) -> Path:
    """The lab folder that a run folder lies in; where it lies in no `runs`, the folder beside its own."""
    beside = run.resolve().parent
    return beside.parent if beside.name == "runs" else beside


def named(settings: Settings) -> Iterator[str]:
    """Every path in settings, and where B' goes."""
    sets = (getattr(settings, name) for name in SETS)
    out = settings.out or os.path.join(settings.root, "models")
    yield from (path for path in (out, settings.runs, settings.root, settings.model, *sets) if path)


def state_folder() -> Path:
    """Where the program keeps its list. Raises RuntimeError for a user without a home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "lab3-tui"


def _within(path: str, folder: Path) -> bool:
    """Whether a path leads into a folder, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(folder)
    except (OSError, ValueError):
        return False


def _digest(first: bytes) -> bytes:
    return hashlib.sha256(first).hexdigest().encode()

"""Taking a run out of the list of runs: its folder moves into `.trash` beside it, from where it can be moved back."""

import os
import stat
from pathlib import Path

from engine.api import engine_socket, locks
from engine.api.errors import NotWritten, Refused
from engine.api.escape import SHORT, escape
from engine.api.journal import NAME
from engine.api.safe_open import sync_folder

TRASH = ".trash"


def move_to_trash(run: Path) -> Path:
    """Move a run folder into the trash, and say where it is now. Networks that it saved elsewhere stay.

    Raises Refused for what is no run folder or is in use, NotWritten where the file system refuses.
    """
    name = escape(run.name, SHORT)
    if os.path.islink(run) or not os.path.isfile(run / NAME):
        raise Refused(f"{name}: is no run folder, it has no {NAME}. Nothing was moved.")
    if engine_socket.recorded(run) is not None:
        raise Refused(f"{name}: its engine still works on it. Open it, or wait until it has ended.")
    with locks.hold(run):
        return _moved(run, _folder(run.parent))


def _folder(runs: Path) -> Path:
    """The trash of a folder of runs: a folder of its own, no link to another."""
    trash = runs / TRASH
    try:
        trash.mkdir(exist_ok=True)
        if not stat.S_ISDIR(trash.lstat().st_mode):
            raise Refused(f"{escape(str(trash))}: is a link, expected a folder. Take it away and try again.")
    except OSError as error:
        raise NotWritten(f"{escape(str(trash))}: {error.strerror}.", "Nothing was moved.") from error
    return trash


def _moved(run: Path, trash: Path) -> Path:
    places = (trash / (run.name + (f"-{number}" if number else "")) for number in range(1000))
    place = next((place for place in places if not os.path.lexists(place)), None)
    if place is None:
        raise Refused(f"{escape(str(trash))}: holds 1,000 runs of this name. Empty it first.")
    try:
        os.rename(run, place)
    except OSError as error:
        raise NotWritten(f"{escape(run.name, SHORT)}: {error.strerror}.", "It stays where it is.") from error
    sync_folder(trash)
    sync_folder(run.parent)
    return place

"""Opening what a user named: regular files only, without following a link and without waiting."""

import os
import stat
from pathlib import Path

from engine.files.finding import quoted, refused

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")


def open_source(path: Path) -> int:
    """A file descriptor for reading. Raises Refused, in the user's words, for anything but a readable file."""
    try:
        _refuse_special(path, os.lstat(path).st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise refused(path, "no such file. Check the spelling or press Tab to list files.") from None
    except PermissionError:
        fix = "permission denied. Run: chmod u+r on it, or copy it to your own folder."
        raise refused(path, fix) from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such file name"
        raise refused(path, f"cannot be opened: {reason}.") from None
    try:
        _refuse_special(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def misnamed(path: Path, endings: tuple[str, ...], what: str) -> tuple[str, ...]:
    """A note where a file's name promises something else than the file holds."""
    if path.suffix.lower() in endings:
        return ()
    return (f"{what} although its name does not end in {endings[0]}",)


def _folder_line(path: Path) -> str:
    """What to say of a folder: some programs save a model as one."""
    if os.path.lexists(path / "saved_model.pb"):
        return "is a SavedModel folder, expected one file. Where it was made: model.save('model.keras')"
    if os.path.lexists(path / "model.weights.h5") and os.path.lexists(path / "config.json"):
        return "is an unpacked .keras file. Pack it again: cd into it, then: zip -0 ../model.keras *"
    return "is a folder, expected one .h5 or .keras file."


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise refused(path, _folder_line(path))
    if stat.S_ISLNK(mode):
        target = quoted(os.path.realpath(path), 200)
        raise refused(path, f"is a link to another file. Name that file itself: {target}")
    if not stat.S_ISREG(mode):
        raise refused(path, "is not a regular file (pipe, device or socket). Copy the data to a normal file first.")

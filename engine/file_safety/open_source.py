"""Opening what a user named: regular files only, without waiting, and once.

What is hashed, inspected and computed on is one descriptor, whatever the file's name stands for by then. Writing into
the file while it is open shows in its size or its time, and is refused.
"""

import hashlib
import os
import stat
import weakref
from pathlib import Path

from engine.api.errors import Refused
from engine.api.progress import Check, never_stop
from engine.file_safety.refusal import quoted, refused

HDF5_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
BLOCK = 2**20  # bytes read at a time
CHANGED = "changed since it was opened. Open it again."
REPLACED = "was replaced by another file while it was read. Open it again."


class Source:
    """An open regular file. `notes`: where links led to it; `sha256`: of its bytes, once they were hashed."""

    def __init__(self, path: Path, descriptor: int, notes: tuple[str, ...] = ()) -> None:
        self.path, self.descriptor, self.notes = path, descriptor, notes
        self.sha256 = ""
        self._state = _state(descriptor)
        self._closing = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        self._closing()

    def hash(self, check: Check = never_stop) -> str:
        """The SHA-256 of its bytes, in hexadecimal; `check` may raise between blocks to stop.

        Raises Refused where it changed meanwhile.
        """
        digest, block, place = hashlib.sha256(), memoryview(bytearray(BLOCK)), 0
        while count := self._read_into(block, place):
            check()
            digest.update(block[:count])
            place += count
        self.refuse_changed()
        self.sha256 = digest.hexdigest()
        return self.sha256

    def read(self, most: int) -> bytes:
        """Its bytes, those that were hashed. Raises Refused where it changed, or is larger than `most`."""
        size = self._state[0]
        data = bytearray(size if size <= most else 0)
        view, place = memoryview(data), 0
        while place < len(data) and (count := self._read_into(view[place:], place)):
            place += count
        self.refuse_changed()
        if place < size or (self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256):
            raise refused(self.path, CHANGED)
        return bytes(data)

    def refuse_changed(self) -> None:
        """Raises Refused where somebody wrote into the file since it was opened."""
        try:
            changed = _state(self.descriptor) != self._state
        except OSError as error:
            raise _failed(self.path, "read", error) from error
        if changed:
            raise refused(self.path, CHANGED)

    def refuse_replaced(self) -> None:
        """Raises Refused where its name stands for another file by now."""
        try:
            same = os.path.samestat(os.stat(self.path), os.fstat(self.descriptor))
        except OSError:
            same = False
        if not same:
            raise refused(self.path, REPLACED)

    def _read_into(self, view: memoryview, place: int) -> int:
        try:
            return os.preadv(self.descriptor, [view], place)
        except OSError as error:
            raise _failed(self.path, "read", error) from error


def open_source(path: Path, root: Path | None = None, follow: bool = True) -> Source:
    """A file open for reading. Raises Refused, in the user's words, for anything but a readable regular file.

    Links are followed and noted, those on the way from the lab folder `root` too; without `follow` a link is refused.
    """
    try:
        if not follow and stat.S_ISLNK(os.lstat(path).st_mode):
            target = quoted(os.path.realpath(path), 200)
            raise refused(path, f"is a link to {target}. In a run that was not begun here by you no link is followed.")
        _refuse_special(path, os.stat(path).st_mode)  # before it is opened: a pipe or a device would notice
        descriptor = os.open(path, READING | (0 if follow else os.O_NOFOLLOW))
    except FileNotFoundError:
        raise refused(path, _missing(path)) from None
    except PermissionError:
        fix = "permission denied. Run: chmod u+r on it, or copy it to your own folder."
        raise refused(path, fix) from None
    except (OSError, ValueError) as error:
        raise _failed(path, "opened", error) from None
    try:
        _refuse_special(path, os.fstat(descriptor).st_mode)
        return Source(path, descriptor, _led(path, root))
    except BaseException:
        os.close(descriptor)
        raise


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


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns


def _led(path: Path, root: Path | None) -> tuple[str, ...]:
    """A note where links on the way from `root` led elsewhere; those on the way to `root` are the user's own way."""
    whole = path.absolute()
    base = root if root is not None and whole.is_relative_to(root) else whole.parent
    real = os.path.realpath(whole)
    plain = os.path.normpath(os.path.join(os.path.realpath(base), whole.relative_to(base)))
    return () if real == plain else (f"a link led to {quoted(real, 200)}",)


def _missing(path: Path) -> str:
    if os.path.islink(path):
        return (
            f"is a link to {quoted(os.path.realpath(path), 200)}, which is not there. Mend the link or copy the file."
        )
    return "no such file. Check the spelling or press Tab to list files."


def _failed(path: Path, done: str, error: OSError | ValueError) -> Refused:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such file name"
    return refused(path, f"cannot be {done}: {reason}.")


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise refused(path, _folder_line(path))
    if not stat.S_ISREG(mode):
        raise refused(path, "is not a regular file (pipe, device or socket). Copy the data to a normal file first.")

"""One writer for each folder: an advisory lock (flock) that dies with the process that holds it."""

import contextlib
import datetime
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.safe_open import open_regular

NAME = ".lab3.lock"
PATIENCE = 0.2  # seconds for one who only looks whether a folder is held to look away again
# for processes that import h5py: HDF5 opens no file that it cannot lock, and no file here is written in place
HDF5_UNLOCKED = {"HDF5_USE_FILE_LOCKING": "FALSE"}


class InUse(Refused):
    """Another process writes to this folder. `holder` names it."""

    def __init__(self, folder: Path, holder: str, fix: str = "Close it there, or wait until it has ended.") -> None:
        super().__init__(f"{escape(folder.name, 48)}: this folder is in use by another window ({holder}).", fix)
        self.holder = holder


@contextmanager
def hold(folder: Path) -> Iterator[str]:
    """Be the one writer of `folder`, made where it is missing. Raises InUse, or Refused where it cannot be written.

    Gives what its user should know: a note where the file system has no locks, as NFS without a lock daemon. Then
    nothing keeps another process out. Elsewhere it is empty.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open_regular(folder / NAME, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise Refused(
            f"{escape(str(folder))}: cannot be written ({error.strerror}). "
            "Name folders of your own with --out FOLDER and --runs FOLDER."
        ) from error
    try:
        note = _lock(file, folder)
        since = datetime.datetime.now().strftime("%H:%M")
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only the name of its holder is missing
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on host {socket.gethostname()} since {since}".encode(), 0)
        yield note
    finally:
        os.close(file)


def holder(folder: Path) -> str:
    """Which process writes to `folder` now, in words; empty where none does, or nobody can tell."""
    return known_holder(folder) or ""


def known_holder(folder: Path) -> str | None:
    """As `holder`; None where nobody can tell, since the file system has no locks."""
    try:
        file = open_regular(folder / NAME)
    except (OSError, Refused):
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return escape(os.pread(file, 200, 0).decode("utf-8", "replace")) or "unknown"
    except OSError:
        return None
    finally:
        os.close(file)
    return ""


def _lock(file: int, folder: Path) -> str:
    """Take the lock, and say what is to be said of it. Raises InUse."""
    try:
        _take(file)
    except BlockingIOError:
        raise InUse(folder, escape(os.pread(file, 200, 0).decode("utf-8", "replace")) or "unknown") from None
    except OSError as error:  # ENOLCK, EOPNOTSUPP, ENOSYS, ...: every file system without locks has its own
        reason = (error.strerror or str(error)).lower()
        return f"This file system has no locks ({reason}): do not open the same lab in another window."
    return ""


def _take(file: int) -> None:
    """Take the lock. `holder` has it for a moment where it looks. Raises BlockingIOError where it stays taken."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(PATIENCE / 20)

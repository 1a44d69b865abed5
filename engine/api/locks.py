"""One writer for each folder: an advisory lock (flock) that dies with the process that holds it."""

import contextlib
import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.api.errors import Refused
from engine.api.regular import open_regular
from engine.api.textsafe import escape

NAME = ".lab3.lock"


class InUse(Refused):
    """Another process writes to this folder. `holder` names it."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{escape(folder.name, 48)}: this folder is in use by another window ({holder}).")
        self.holder = holder


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the one writer of `folder`, made where it is missing. Raises InUse, or Refused where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open_regular(folder / NAME, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise Refused(
            f"{escape(str(folder))}: cannot be written ({error.strerror}). "
            "Name folders of your own with --out FOLDER and --runs FOLDER."
        ) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(folder, escape(os.pread(file, 200, 0).decode("utf-8", "replace")) or "unknown") from None
        since = datetime.datetime.now().strftime("%H:%M")
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only the name of its holder is missing
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()} on host {socket.gethostname()} since {since}".encode(), 0)
        yield
    finally:
        os.close(file)

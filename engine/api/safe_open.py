"""Opening what the program itself keeps in a folder, where the folder may have come from somebody else.

A link in the place of a journal or a lock would have another file of the user's written over, a pipe would be waited
for, a device read without an end. So no link is followed, nothing is waited for, and only regular files are taken.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from engine.api.errors import Refused
from engine.api.escape import escape

SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """A file descriptor; one for writing belongs to a file that has no other name.

    Raises Refused for what is there and is no such file, OSError where the system does not open it. Do not ask for
    O_TRUNC: that would come before the look.
    """
    try:
        descriptor = os.open(path, flags | SAFELY, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(path, "is a link") from error
        if error.errno == errno.ENXIO:
            raise _refused(path, "is a pipe, a device or a socket") from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(path, "is a folder, a pipe or a device")
        if flags & (os.O_WRONLY | os.O_RDWR) and found.st_nlink != 1:
            raise _refused(path, "has another name as well (a hard link)")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last. File systems that cannot do that have the names all the same."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refused(path: Path, found: str) -> Refused:
    return Refused(f"{escape(str(path))}: {found}, expected a file of this program's own. Take it away and go on.")

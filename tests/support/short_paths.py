"""Paths that are short and without blanks, wherever temporary folders lie: for sockets and for LD_PRELOAD."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder that is gone afterwards. The path of a socket has 108 bytes, and LD_PRELOAD is split at blanks."""
    with TemporaryDirectory(prefix="lab3-", dir="/tmp") as name:
        yield Path(name)


def lay_socket(path: Path) -> socket.socket:
    """A socket bound to a path of any length."""
    made, folder = socket.socket(socket.AF_UNIX), os.open(path.parent, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return made

"""Where an engine's own output goes: a temporary file at first, `engine.log` in the run folder once there is one."""

import contextlib
import os
import re
from pathlib import Path

from engine.api.errors import Refused
from engine.api.safe_open import open_regular

LOG_NAME = "engine.log"
_UNSHOWN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[^\t\x20-\x7e\xa0-\U0010ffff]")


def settle(run: Path) -> None:
    """In the engine process: move what fd 2's file holds to the end of RUN/engine.log, and point fd 2 there.

    Called once the run folder is known. Does nothing where fd 2 is not a regular file, or the run
    folder takes none. Raises Refused where something else than a log has the log's name.
    """
    try:
        begun = os.pread(2, 2**24, 0)
        handle = open_regular(run / LOG_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    except OSError:
        return
    with contextlib.suppress(OSError):  # a full disk takes no log; the run says what it could not write
        os.write(handle, begun)
    os.dup2(handle, 2)
    os.close(handle)


def tail(log: Path, lines: int = 20) -> tuple[str, ...]:
    """The last lines of a log that say something, without escape sequences; empty where it cannot be read."""
    try:
        descriptor = open_regular(log)
    except (OSError, Refused):
        return ()
    try:
        return tail_of(descriptor, lines)
    finally:
        os.close(descriptor)


def tail_of(descriptor: int, lines: int = 20) -> tuple[str, ...]:
    """As `tail`, for an open file; where it stands in the file stays as it is."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - 2**16)
    text = os.pread(descriptor, size - begin, begin).decode("utf-8", "replace")
    shown = (_UNSHOWN.sub("", line).rstrip()[:200] for line in text.splitlines())
    return tuple(line for line in shown if line)[-lines:]

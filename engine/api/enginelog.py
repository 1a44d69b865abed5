"""Where an engine's own output goes: a temporary file at first, `engine.log` in the run folder once there is one."""

import os
import re
import tempfile
from pathlib import Path

LOG_NAME = "engine.log"
_UNSHOWN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[^\t\x20-\x7e\xa0-\U0010ffff]")


def temporary_log() -> Path:
    """A new empty file that only this user can read."""
    handle, name = tempfile.mkstemp(prefix="lab3-engine-", suffix=".log")
    os.close(handle)
    return Path(name)


def settle(run: Path) -> None:
    """In the engine process: move what fd 2's file holds to the end of RUN/engine.log, and point fd 2 there.

    Called once the run folder is known. Does nothing where fd 2 is not a regular file.
    """
    try:
        begun = os.pread(2, 2**24, 0)
    except OSError:
        return
    handle = os.open(run / LOG_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    os.write(handle, begun)
    os.dup2(handle, 2)
    os.close(handle)


def tail(log: Path, lines: int = 20) -> tuple[str, ...]:
    """The last lines of a log that say something, without escape sequences; empty where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 2**16))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    shown = (_UNSHOWN.sub("", line).rstrip()[:200] for line in text.splitlines())
    return tuple(line for line in shown if line)[-lines:]

"""Why a file is refused: raised wherever it is seen, told to the user with the file's name in front."""

import signal
from pathlib import Path
from typing import Any

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.file_safety.limits import CPU_SECONDS, WALL_SECONDS

CONFUSED = "confused the file reader; nothing was loaded. The file is damaged or hostile."
UNWRITTEN = 74  # exit code of an inspector that could not write what it read
TOO_MUCH = "needs more memory to check than is allowed. The file is damaged or hostile."


class FileRefused(Exception):
    """`str(finding)` completes the sentence that the file's name begins. Text from the file is escaped in it."""


def quoted(value: Any, limit: int = SHORT) -> str:
    """Text or a value from a file, escaped, in single quotes. A list stands in parentheses: a bracket is escaped."""
    value = tuple(value) if isinstance(value, list) else value
    return f"'{escape(str(value), limit)}'"


def layer_line(name: str, kind: str, text: str) -> FileRefused:
    """A finding about one layer."""
    return FileRefused(f"layer {quoted(name)} ({escape(kind, SHORT)}) {text}")


def refused(path: Path | str, text: str) -> Refused:
    """The line a user reads about the file at `path`."""
    return Refused(f"{shown_name(path)}: {text}")


def shown_name(path: Path | str) -> str:
    """How a file is called in what is said about it; of a folder that has no name of its own, the whole path."""
    return escape(Path(path).name or str(path), SHORT)


def harmless(value: Any) -> bool:
    """Whether every text in `value`, a message of the inspector's, has been escaped as it should be."""
    if isinstance(value, str):
        return value.isprintable() and "[" not in value
    if isinstance(value, dict):
        return all(harmless(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return all(map(harmless, value))
    return True


def ending(status: int) -> str:
    """What to say of a file whose inspector ended with `status`: an exit code, or minus a signal."""
    if status == -signal.SIGALRM:
        return f"took longer than {WALL_SECONDS} s to check; stopped."
    if status == -signal.SIGXCPU:
        return f"took longer than {CPU_SECONDS} s of processor time to check; stopped."
    if status == UNWRITTEN:
        return "could not be checked: no space left for what is read. Free memory, or raise ulimit -f."
    how = f"signal {-status}" if status < 0 else f"exit {status}"
    return f"crashed the file reader ({how}); nothing was loaded. The file is damaged or hostile."

"""Why a file is refused: raised wherever it is seen, told to the user with the file's name in front."""

from pathlib import Path
from typing import Any

from engine.api.errors import Refused
from engine.api.textsafe import SHORT, escape


class Finding(Exception):
    """`str(finding)` completes the sentence that the file's name begins. Text from the file is escaped in it."""


def quoted(value: Any, limit: int = SHORT) -> str:
    """Text or a value from a file, escaped, in single quotes."""
    return f"'{escape(str(value), limit)}'"


def layer_line(name: str, kind: str, text: str) -> Finding:
    """A finding about one layer."""
    return Finding(f"layer {quoted(name)} ({escape(kind, SHORT)}) {text}")


def refused(path: Path | str, text: str) -> Refused:
    """The line a user reads about the file at `path`."""
    return Refused(f"{escape(Path(path).name, SHORT)}: {text}")

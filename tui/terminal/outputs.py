"""The standard streams: closed, full, or with a reader that has gone; and lines written to them."""

import contextlib
import io
import os
import sys
from typing import TextIO

from engine.api.errors import NotWritten
from engine.api.escape import printable


class OutputLost(NotWritten):
    """stdout takes nothing more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout: {(error.strerror or str(error)).lower()}.")


class Output(io.TextIOWrapper):
    """stdout for whoever prints there, the parser of the command line too: what is not taken raises OutputLost."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputLost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputLost(error) from error


def put(stream: TextIO, text: str) -> None:
    """A line on a stream at once, fit for a terminal. Characters that its encoding lacks become escapes.

    Raises OutputLost for a stream that does not take it.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except OSError as error:
        raise OutputLost(error) from error


def complain(text: str) -> None:
    """A line on stderr; one that takes nothing is nothing to fail for."""
    with contextlib.suppress(OutputLost, ValueError):
        put(sys.stderr, text)


def hold_streams() -> None:
    """Put something in the place of standard streams that are closed: no file that is opened may take their numbers.

    stdout stays one that nothing can be written to, so that this is noticed; what is read or complained about is lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # gets the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    before = sys.stdout
    if isinstance(before, io.TextIOWrapper):
        encoding, errors, by_lines = before.encoding, before.errors, before.line_buffering
        sys.stdout = Output(before.detach(), encoding, errors, line_buffering=by_lines)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def unflushed() -> OutputLost | None:
    """Why stdout does not take what was written to it; None where it does."""
    try:
        sys.stdout.flush()
    except OutputLost as lost:
        return lost
    except OSError as error:
        return OutputLost(error)
    return None


def give_up_lost_outputs() -> None:
    """Point outputs that cannot be written any more at nothing: flushing them at the end would change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, OutputLost):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)

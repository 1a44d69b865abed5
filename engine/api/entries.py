"""The lines of a journal: how they are written, and which are believed.

A line is `{"crc":"1a2b3c4d","event":{...}}`, the crc32 of the event's own bytes. What follows a line that is torn or
damaged is not believed. Events come out as `believing` lets them in.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from engine.api.believing import Unbelievable, believed
from engine.api.errors import Refused
from engine.api.protocol import LINE_LIMIT, AnyEvent, Ranked, decode_event, encode
from engine.api.regular import open_regular
from engine.api.textsafe import SHORT, escape

# 2,000 channels pruned one by one make 700 KB in 4,000 lines, undoing one out of turn as much again; a second of
# undoing and redoing by hand makes 1 KB in 20 lines
LARGEST = 2**25  # bytes of a journal
LINES = 2**18  # of a journal
LINE = LINE_LIMIT + 2**10  # bytes of a line: an event and its checksum; an order of 2,000 channels makes 100 KB
HEAD, TAIL = 2**18, 2**16  # bytes of a long journal that are read for a list of runs


class Line(msgspec.Struct, frozen=True):
    crc: str
    event: msgspec.Raw


class Entry(NamedTuple):
    """A believable line: its event, the event's own bytes, and how many bytes the line has."""

    event: AnyEvent
    raw: bytes
    size: int


def line_of(event: AnyEvent) -> bytes:
    """An event as a line."""
    raw = encode(event)
    return msgspec.json.encode(Line(f"{zlib.crc32(raw):08x}", msgspec.Raw(raw))) + b"\n"


def entries(path: Path) -> Iterator[Entry]:
    """The believable lines of a journal; none where there is no file.

    Raises Refused for what cannot be read, and for a line that is whole and still no event of a run: what another
    version wrote is neither believed nor cut off.
    """
    with _opened(path) as file:
        if file is not None:
            yield from _believed_lines(file, path)


def ends(path: Path) -> Iterator[Entry]:
    """As `entries`, of a long journal only what a list of runs needs: its first lines up to the order, and the last."""
    with _opened(path) as file:
        if file is None:
            return
        size = os.fstat(file.fileno()).st_size
        if size <= HEAD + TAIL:
            yield from _believed_lines(file, path)
            return
        read = 0
        for entry in _believed_lines(file, path):
            yield entry
            read += entry.size
            if isinstance(entry.event, Ranked) or read > HEAD:
                break
        file.seek(max(read, size - TAIL) - 1)
        if _next(file, path).endswith(b"\n"):  # the rest of a line
            yield from _believed_lines(file, path, "a line near the end")


def first(path: Path) -> Entry | None:
    """The first line of a journal."""
    return next(entries(path), None)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """The journal's file, None where there is none. Raises Refused for what is none or too large for one."""
    try:
        file = os.fdopen(open_regular(path), "rb")
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    with file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise Refused(f"{escape(str(path))}: is larger than {LARGEST // 2**20} MiB, which no run's journal is.")
        yield file


def _believed_lines(file: BinaryIO, path: Path, place: str = "") -> Iterator[Entry]:
    """The lines from where the file stands. `place`: which they are, where nobody has counted those before."""
    number = 0
    while text := _next(file, path):
        number += 1
        if number > LINES:
            raise Refused(f"{escape(str(path))}: has more than {LINES:,} lines, which no run's journal has.")
        if (raw := _whole(text)) is None:
            return
        try:
            event = believed(decode_event(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unbelievable):
            where = f"{escape(path.parent.name, SHORT)}: {place or f'line {number}'} of its journal"
            raise Refused(f"{where} is none that this version of the program writes. Start a new run.") from None
        yield Entry(event, raw, len(text))


def _next(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.readline(LINE)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError | ValueError) -> Refused:
    reason = error.strerror if isinstance(error, OSError) else None
    return Refused(f"{escape(str(path))}: cannot be read ({reason or 'no such file name'}).")


def _whole(text: bytes) -> bytes | None:
    """The event's bytes in a line; None where the line is torn or damaged."""
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    raw = bytes(line.event)
    return raw if text.endswith(b"\n") and line.crc == f"{zlib.crc32(raw):08x}" else None

"""The append-only record of a run, `journal.jsonl`: every event that counts, one a line, checksummed; and its replay.

A line is `{"crc":"1a2b3c4d","event":{...}}`, the crc32 of the event's own bytes. What follows a line that is torn or
damaged is not believed.
"""

import contextlib
import datetime
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.api.errors import NotWritten, Refused
from engine.api.protocol import (
    AnyEvent,
    Began,
    Finished,
    Opened,
    Ranked,
    Saved,
    Settings,
    Stepped,
    decode_event,
    encode,
)
from engine.api.textsafe import escape

NAME = "journal.jsonl"


class Line(msgspec.Struct, frozen=True):
    crc: str
    event: msgspec.Raw


class RunSummary(msgspec.Struct, frozen=True):
    """A run as its journal tells it."""

    folder: str
    settings: Settings
    started: str  # local time, ISO 8601
    model: str  # the model's file name, escaped
    step: int  # the last step that is known
    steps: int  # how many the order has
    finished: bool


class Journal:
    """A journal open for appending."""

    def __init__(self, path: Path, end: int) -> None:
        self.path, self.end = path, end
        try:
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self.file, end)
        except OSError as error:
            raise self.unwritten(error) from error

    @classmethod
    def create(cls, folder: Path) -> "Journal":
        """A new journal in a run's folder."""
        return cls(folder / NAME, 0)

    @classmethod
    def resume(cls, folder: Path) -> "Journal":
        """The journal of a run that goes on; a damaged end is cut off."""
        whole = sum(size for _, size in _lines(folder / NAME))
        return cls(folder / NAME, whole)

    def append(self, event: AnyEvent) -> None:
        """Put an event on disk; returns when it is there. Raises NotWritten, and then nothing of it stays."""
        raw = encode(event)
        line = encode(Line(f"{zlib.crc32(raw):08x}", msgspec.Raw(raw))) + b"\n"
        try:
            if os.pwrite(self.file, line, self.end) != len(line):
                raise OSError("no space left")
            os.fdatasync(self.file)
        except OSError as error:
            with contextlib.suppress(OSError):  # where even that fails, the next line goes over what is there
                os.ftruncate(self.file, self.end)
            raise self.unwritten(error) from error
        self.end += len(line)

    def unwritten(self, error: OSError) -> NotWritten:
        return NotWritten(
            f"Could not write the journal {escape(str(self.path))}: {error.strerror or error}. "
            "What it holds is safe; free space and go on with --resume."
        )

    def close(self) -> None:
        os.close(self.file)


def _lines(path: Path) -> Iterator[tuple[AnyEvent, int]]:
    """The believable events of a journal, each with the bytes of its line."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Refused(f"{escape(str(path))}: cannot be read ({error.strerror}).") from error
    for text in data.splitlines(keepends=True):
        event = _event(text)
        if event is None:
            return
        yield event, len(text)


def _event(text: bytes) -> AnyEvent | None:
    """The event of a line; None where the line is torn or damaged."""
    try:
        line = msgspec.json.decode(text, type=Line)
        whole = text.endswith(b"\n") and line.crc == f"{zlib.crc32(bytes(line.event)):08x}"
        return decode_event(bytes(line.event)) if whole else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read(folder: Path) -> list[AnyEvent]:
    """The events of a run, in order; empty where it has no journal."""
    return [event for event, _ in _lines(folder / NAME)]


def summary(folder: Path) -> RunSummary | None:
    """What a run's journal says; None where it does not begin as one."""
    events = read(folder)
    if not events or not isinstance(events[0], Began):
        return None
    opened = next((event for event in events if isinstance(event, Opened)), None)
    ranked = next((event for event in events if isinstance(event, Ranked)), None)
    return RunSummary(
        str(folder),
        events[0].settings,
        events[0].started,
        opened.model.name if opened else "",
        max((event.step for event in events if isinstance(event, Stepped)), default=0),
        len(ranked.order) if ranked else 0,
        any(isinstance(event, Finished) for event in events),
    )


def all_runs(runs: Path) -> list[RunSummary]:
    """The runs in a folder of run folders, newest first."""
    folders = sorted((path.parent for path in runs.glob(f"*/{NAME}")), key=lambda path: path.name, reverse=True)
    return [found for folder in folders if (found := _readable_summary(folder)) is not None]


def _readable_summary(folder: Path) -> RunSummary | None:
    with contextlib.suppress(Refused):
        return summary(folder)
    return None


def unfinished_runs(runs: Path) -> list[RunSummary]:
    """The runs that were not finished and lose something when they are begun anew: a step at least. Newest first."""
    return [run for run in all_runs(runs) if run.step and not run.finished]


def recorded_files(runs: Path) -> dict[str, set[str]]:
    """For every file that runs in this folder saved, by name, the SHA-256 that they recorded.

    By name, since a lab folder may have been moved or copied, with its runs, since then.
    """
    found: dict[str, set[str]] = {}
    for path in runs.glob(f"*/{NAME}"):
        with contextlib.suppress(Refused):
            for event, _ in _lines(path):
                if isinstance(event, Saved):
                    found.setdefault(Path(event.path).name, set()).add(event.sha256)
    return found


def new_run(runs: Path, model: str) -> Path:
    """Make the folder of a new run, `<date-time>-<model name>`. Raises Refused where that cannot be."""
    safe = "".join(character if character.isalnum() or character in "-_." else "_" for character in model)[:48]
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        for attempt in range(1000):
            folder = runs / (f"{stamp}-{safe}" + (f"-{attempt + 1}" if attempt else ""))
            if not folder.exists():
                folder.mkdir(parents=True)
                return folder
    except OSError as error:
        raise Refused(
            f"{escape(str(runs))}: no run can be recorded there ({error.strerror}). "
            "Name folders of your own with --runs FOLDER and --out FOLDER."
        ) from error
    raise Refused(f"{escape(str(runs))}: too many runs began this second.")

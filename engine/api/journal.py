"""The append-only record of a run, `journal.jsonl`: every event that counts, one a line, checksummed; and its replay.

A line is `{"crc":"1a2b3c4d","event":{...}}`, the crc32 of the event's own bytes. What follows a line that is torn or
damaged is not read. Events pass `trust` and `journal_checks` before anything uses them.
"""

import contextlib
import datetime
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from engine.api import trust
from engine.api.errors import NotWritten, Refused
from engine.api.escape import SHORT, escape
from engine.api.journal_checks import Course
from engine.api.protocol import (
    LINE_LIMIT,
    AnyEvent,
    Began,
    Finished,
    Moved,
    Opened,
    Ranked,
    Saved,
    Settings,
    Stepped,
    decode_event,
    encode,
)
from engine.api.safe_open import open_regular, sync_folder
from engine.api.trust import Unbelievable, believed

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


NAME = "journal.jsonl"
RUNS = 300  # run folders that are looked at in a lab, the newest


class RunSummary(msgspec.Struct, frozen=True):
    """A run as its journal tells it, for a list of runs.

    `settings` allow nothing to be overwritten but in a run that was begun here by this user: what a journal says is
    nobody's consent.
    """

    folder: str
    settings: Settings
    started: str  # local time, ISO 8601
    model: str  # the model's file name, escaped
    step: int  # the last step that is known
    steps: int  # how many the order has
    finished: bool


class Journal:
    """A journal open for appending behind `end` bytes in `lines` lines."""

    def __init__(self, path: Path, end: int, lines: int = 0) -> None:
        self.path, self.end, self.lines = path, end, lines
        try:
            self.file = open_regular(path, os.O_WRONLY | os.O_CREAT)
            os.ftruncate(self.file, end)
        except OSError as error:
            raise self.unwritten(error) from error

    @classmethod
    def create(cls, folder: Path) -> "Journal":
        """A new journal in a run's folder, both of which outlast a power cut."""
        made = cls(folder / NAME, 0)
        sync_folder(folder)
        sync_folder(folder.parent)
        return made

    @classmethod
    def resume(cls, folder: Path, past: list[AnyEvent] | None = None) -> "Journal":
        """The journal of a run that goes on; a damaged end is cut off.

        Raises Refused where its events are not `past`: what another process recorded since they were read would be
        told of by nobody, and be taken for something else later.
        """
        end = lines = 0
        same = True
        for event, _, size in entries(folder / NAME):
            same = same and (past is None or (lines < len(past) and past[lines] == event))
            end, lines = end + size, lines + 1
        if past is not None and not (same and lines == len(past)):
            raise Refused(f"{escape(folder.name, SHORT)}: another window went on with this run. Open it again.")
        return cls(folder / NAME, end, lines)

    def append(self, event: AnyEvent) -> None:
        """Put an event on disk; returns when it is there. Raises NotWritten, and then nothing of it stays."""
        line = line_of(event)
        try:
            if self.end + len(line) > LARGEST:
                raise OSError(f"it would be larger than {LARGEST // 2**20} MiB")
            if self.lines == LINES:
                raise OSError(f"it would have more than {LINES:,} lines")
            if os.pwrite(self.file, line, self.end) != len(line):
                raise OSError("no space left")
            os.fdatasync(self.file)
        except OSError as error:
            with contextlib.suppress(OSError):  # where even that fails, the next line goes over what is there
                os.ftruncate(self.file, self.end)
            raise self.unwritten(error) from error
        self.end += len(line)
        self.lines += 1

    def unwritten(self, error: OSError) -> NotWritten:
        return NotWritten(
            f"Could not write the journal {escape(str(self.path))}: {error.strerror or error}.",
            "What it holds is safe; free space and go on with --resume.",
        )

    def close(self) -> None:
        os.close(self.file)


def events(folder: Path) -> list[AnyEvent]:
    """The events of a run, in order; empty where it has no journal."""
    return [entry.event for entry in entries(folder / NAME)]


def beginning(folder: Path) -> Began | None:
    """How a run that is to go on began; None where its journal is empty.

    Raises Refused where it may not read or write what its settings name. No more is read than the first line.
    """
    entry = first(folder / NAME)
    if entry is None:
        return None
    if not isinstance(entry.event, Began):
        raise Refused(f"{escape(folder.name, SHORT)}: its journal has no beginning. Start a new run.")
    trust.refuse_elsewhere(folder, entry.raw, entry.event.settings)
    return entry.event


def read(folder: Path) -> list[AnyEvent]:
    """As `events`, for a run that is to go on.

    Raises Refused where it may not write what its settings name, and where its events do not tell of one run.
    """
    found: list[AnyEvent] = []
    course = Course()
    for event, raw, _ in entries(folder / NAME):
        if not found and isinstance(event, Began):
            trust.refuse_elsewhere(folder, raw, event.settings)
        try:
            course.take(event)
        except Unbelievable as why:
            name = escape(folder.name, SHORT)
            raise Refused(f"{name}: line {len(found) + 1} of its journal names {why}. Start a new run.") from None
        found.append(event)
    return found


def begun_here(folder: Path) -> bool:
    """Whether this user's program began the run in this folder."""
    entry = first(folder / NAME)
    return entry is not None and trust.listed(entry.raw)


def summary(folder: Path) -> RunSummary | None:
    """What the beginning and the end of a run's journal say; None where it does not begin as one."""
    told = ends(folder / NAME)
    began, raw, _ = next(told, (None, b"", 0))
    if not isinstance(began, Began):
        return None
    settings = began.settings
    if settings.overwrite and not trust.listed(raw):
        settings = msgspec.structs.replace(settings, overwrite=False)
    model, step, steps, finished = "", 0, 0, False
    for event, _, _ in told:
        match event:
            case Opened():
                model = event.model.name
            case Ranked():
                steps = len(event.order)
            case Stepped() | Moved():
                step = max(step, event.step)
            case Finished():
                finished = True
    return RunSummary(str(folder), settings, began.started, model, step, steps, finished)


def all_runs(runs: Path) -> list[RunSummary]:
    """The newest runs in a folder of run folders, newest first."""
    return [found for folder in run_folders(runs) if (found := _readable_summary(folder)) is not None]


def has_runs(runs: Path) -> bool:
    """Whether a folder of run folders holds a run, readable or not."""
    return any(os.path.exists(folder / NAME) for folder in run_folders(runs))


def run_folders(runs: Path) -> list[Path]:
    """What may be run folders, the newest RUNS of them; no link, no name that acts on a terminal or is no text."""
    try:
        with os.scandir(runs) as found:
            names = [each.name for each in found if each.name.isprintable() and each.is_dir(follow_symlinks=False)]
    except (OSError, ValueError):
        return []
    return [runs / name for name in sorted(names, reverse=True)[:RUNS]]


def _readable_summary(folder: Path) -> RunSummary | None:
    with contextlib.suppress(Refused):
        return summary(folder)
    return None


def unfinished_runs(runs: Path) -> list[RunSummary]:
    """The runs that were not finished and lose something when they are begun anew: a step at least. Newest first."""
    return [run for run in all_runs(runs) if run.step and not run.finished]


def recorded_files(runs: Path) -> dict[str, set[str]]:
    """For every file that runs in this folder saved, by name, the SHA-256 that they recorded.

    By name, since a lab folder may have been moved, with its runs, since then. Only of runs that were begun here by
    this user: what was recorded may be written over without a question.
    """
    found: dict[str, set[str]] = {}
    for folder in run_folders(runs):
        with contextlib.suppress(Refused):
            if not begun_here(folder):
                continue
            for event, _, _ in entries(folder / NAME):
                if isinstance(event, Saved):
                    found.setdefault(Path(event.path).name, set()).add(event.sha256)
    return found


def new_run(runs: Path, model: str) -> Path:
    """Make the folder of a new run, `<date-time>-<model name>`. Raises Refused where that cannot be."""
    safe = "".join(character if character.isalnum() or character in "-_." else "_" for character in model)[:48]
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            folder = runs / (f"{stamp}-{safe}" + (f"-{attempt + 1}" if attempt else ""))
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise Refused(
            f"{escape(str(runs))}: no run can be recorded there ({error.strerror}). "
            "Name folders of your own with --runs FOLDER and --out FOLDER."
        ) from error
    raise Refused(f"{escape(str(runs))}: too many runs began this second.")

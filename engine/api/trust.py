"""Which runs are trusted, and with what: a run folder or its journal may have come with somebody else's lab folder.

A downloaded lab folder may bring runs along, and a run's settings say what is read and where B' is written. Such a run
goes on only where all that its settings name lies in the lab folder that it lies in itself (LAB/runs/RUN). That is
settled before anything of it is opened. It follows no link, and what it says may be overwritten counts for nothing.

The program keeps a list of the runs that it began, by the SHA-256 of their first event, in the user's state folder,
which nothing that is downloaded reaches. The settings of those were typed by the user: their folders may lie anywhere,
and what they may overwrite they still may when they go on.

A line's checksum says that it is whole, not who wrote it. So only events that a run records are taken, only thresholds
as this program writes them (files are named after them), and every text is escaped here. What the engine had escaped
already stays as it is: backslashes are not escaped again. Paths are shown and used, so of them only what acts on a
terminal is changed.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape, escape_path, escape_rest
from engine.api.lab import lab_of, models_folder
from engine.api.orders import method_of, order_name
from engine.api.protocol import SETS, Settings
from engine.api.safe_open import open_regular
from engine.api.thresholds import parse_percentage
from engine.api.user_folders import user_folder

LIST = "begun"
READ = 2**24  # bytes of it: a quarter of a million runs


def remember(first: bytes) -> None:
    """Put the run that begins with this event on the list. A run that cannot be listed stays bound to its lab."""
    with contextlib.suppress(OSError, RuntimeError, Refused):
        user_folder("STATE").mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_regular(user_folder("STATE") / LIST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(_digest(first) + b"\n")


def listed(first: bytes) -> bool:
    """Whether the run that begins with this event was begun here."""
    with (
        contextlib.suppress(OSError, RuntimeError, Refused),
        os.fdopen(open_regular(user_folder("STATE") / LIST), "rb") as file,
    ):
        return _digest(first) in file.read(READ)
    return False


def refuse_elsewhere(run: Path, first: bytes, settings: Settings) -> None:
    """Raises Refused where a run that was not begun here names what lies outside its lab folder."""
    lab = lab_of(run)
    outside = next((path for path in named(settings) if not _within(path, lab)), None)
    if outside is not None and not listed(first):
        raise Refused(
            f"{escape(run.name, SHORT)}: was not begun here by you, and names '{escape(outside)}', outside its folder "
            f"{escape(str(lab))}. Start a new run."
        )


def named(settings: Settings) -> Iterator[str]:
    """Every path in settings, and where B' goes."""
    sets = (getattr(settings, name) for name in SETS)
    out = str(models_folder(settings))
    yield from (path for path in (out, settings.runs, settings.root, settings.model, *sets) if path)


def _within(path: str, folder: Path) -> bool:
    """Whether a path leads into a folder, links followed."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(folder)
    except (OSError, ValueError):
        return False


def _digest(first: bytes) -> bytes:
    return hashlib.sha256(first).hexdigest().encode()


# greeting, answers to looking, what is told again later, state of the queue
UNRECORDED = (
    p.Hello, p.Images, p.ChannelView, p.ComparedStep, p.Classified, p.Graded, p.HandedIn, p.Idle, p.Failed,
)  # fmt: skip
# numbers alone: nothing in them is shown as text
NUMBERS = (p.Stepped, p.Moved, p.SaveMeasured, p.Tuned, p.TuningStopped)
PATHS = {"settings", "path", "run", "files"}  # fields that hold them
TEXT = 1000  # characters


class Unbelievable(ValueError):
    """This is no event of a run."""


def believed(event: p.AnyEvent) -> p.AnyEvent:
    """The event, its texts fit to be shown. Raises Unbelievable."""
    if isinstance(event, UNRECORDED):
        raise Unbelievable(type(event).__name__)
    if isinstance(event, NUMBERS):
        return event
    for threshold in _thresholds(event):
        try:
            usual = parse_percentage(threshold)  # 0 is in old journals
        except Refused as refused:
            raise Unbelievable(str(refused)) from None
        if usual != threshold:
            raise Unbelievable("a threshold that is written in another way")
    _refuse_order(event)
    fit: p.AnyEvent = _fit(event, False)
    return fit


def _refuse_order(event: p.AnyEvent) -> None:
    """Raises Unbelievable for an order of another name than ours, or one that looks at something else than it says."""
    match event:
        case p.Reordered(order_by="") | p.Reordered(order_by=None):
            return
        case (
            p.Began(settings=p.Settings(order_by=name))
            | p.Ranked(order_by=name)
            | p.Compared(name=name)
            | p.Reordered(order_by=str(name))
        ):
            try:
                known = order_name(name) == name
            except Refused as refused:
                raise Unbelievable(str(refused)) from None
            looks_at = event.looks_at if isinstance(event, p.Ranked | p.Compared) else method_of(name).looks_at
            if not known or looks_at != method_of(name).looks_at:
                raise Unbelievable("an order that is written in another way")


def _thresholds(event: p.AnyEvent) -> Iterable[str]:
    match event:
        case p.Began():
            return (*event.settings.save_at, *event.settings.tune_at)
        case p.Thresholds():
            return event.save_at
        case p.Finished():
            return event.missed
        case p.Analysed():
            return [at.threshold for at in event.ranges]
        case p.Crossed(threshold=str(threshold)) | p.Saved(threshold=str(threshold)):
            return (threshold,)
        case p.Question(threshold=str(threshold)) | p.TuningBegan(threshold=str(threshold)):
            return (threshold,)
    return ()


def _fit(value: Any, path: bool) -> Any:
    """A value of an event, with every text in it made fit; the same object where nothing had to be changed."""
    if isinstance(value, str):
        return escape_path(value) if path else escape_rest(value, TEXT)
    if isinstance(value, tuple):
        return value if all(isinstance(each, int | float) for each in value) else tuple(_fit(at, path) for at in value)
    if isinstance(value, dict):
        return {_fit(name, path): _fit(each, path) for name, each in value.items()}
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        fit = {name: _fit(each, path or name in PATHS) for name, each in fields.items()}
        changed = {name: each for name, each in fit.items() if each is not fields[name]}
        return msgspec.structs.replace(value, **changed) if changed else value
    return value

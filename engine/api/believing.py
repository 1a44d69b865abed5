"""What is taken over from a journal, which may have come with somebody else's lab folder.

A line's checksum says that it is whole, not who wrote it. So only events that a run records are taken, only thresholds
as this program writes them (files are named after them), and every text is made fit to be shown here, at the door. What
the engine had escaped already stays as it is: backslashes are not escaped again. Paths are shown and used, so of them
only what acts on a terminal is changed.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.lab import percentage
from engine.api.orders import method_of, order_name
from engine.api.textsafe import escape_path, escape_rest

UNRECORDED = (p.Hello, p.Images, p.ChannelView, p.Idle, p.Failed)  # greeting, answers to looking, state of the queue
# numbers alone: nothing in them is shown as text
NUMBERS = (p.Stepped, p.Moved, p.SaveMeasured, p.Reordered)
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
            usual = percentage(threshold)  # 0 is in old journals
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
        case p.Began(settings=p.Settings(order_by=name)) | p.Ranked(order_by=name) | p.Compared(name=name):
            try:
                known = order_name(name) == name
            except Refused as refused:
                raise Unbelievable(str(refused)) from None
            if not known or (not isinstance(event, p.Began) and event.looks_at != method_of(name).looks_at):
                raise Unbelievable("an order that is written in another way")


def _thresholds(event: p.AnyEvent) -> Iterable[str]:
    match event:
        case p.Began():
            return event.settings.save_at
        case p.Thresholds():
            return event.save_at
        case p.Finished():
            return event.missed
        case p.Analysed():
            return [at.threshold for at in event.ranges]
        case p.Crossed(threshold=str(threshold)) | p.Saved(threshold=str(threshold)):
            return (threshold,)
        case p.Question(threshold=str(threshold)):
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

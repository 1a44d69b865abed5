"""Events on their way out: those that count are in the journal before anybody is shown them."""

import threading
from collections.abc import Callable
from pathlib import Path

from engine.api import begun
from engine.api.believing import UNRECORDED
from engine.api.errors import NotWritten
from engine.api.journal import Journal
from engine.api.protocol import AnyEvent, Began, Progress, Saved, SaveMeasured, encode, refuse_infinite


class Recorder:
    """Sends events on, and keeps those of a run.

    `writing` is held while a file is under way, and from the moment an event is recorded until it is sent: who holds it
    finds in `events` just what has been sent.
    """

    def __init__(self, send: Callable[[AnyEvent], None]) -> None:
        self.send = send
        self.journal: Journal | None = None
        self.events: list[AnyEvent] = []
        self.early: list[AnyEvent] = []  # phases that ended before there was a journal
        self.writing = threading.RLock()

    def begin(self, folder: Path) -> None:
        """Record from now on, in a new journal."""
        self.journal = Journal.create(folder)

    def record(self, event: AnyEvent) -> None:
        """Put an event into the journal; behind the first line, what came before it. Each is recorded once."""
        if self.journal is None:
            raise NotWritten("No run is being recorded.")
        if isinstance(event, Began):
            begun.remember(encode(event))
        with self.writing:
            self.journal.append(event)
            self.events.append(event)
            while self.early:
                self.journal.append(self.early[0])
                self.events.append(self.early.pop(0))

    def resume(self, folder: Path, past: list[AnyEvent]) -> None:
        """Go on recording behind the events of the past, the run's folder being locked.

        Raises Refused where they are not the journal's any more.
        """
        self.journal, self.events = Journal.resume(folder, past), past

    def stop(self) -> None:
        """Record nothing more, and forget."""
        if self.journal is not None:
            self.journal.close()
        self.journal, self.events, self.early = None, [], []

    @property
    def saved(self) -> list[Saved]:
        return [event for event in self.events if isinstance(event, Saved)]

    @property
    def measured(self) -> set[int]:
        """Steps whose counts include the poisoned validation set."""
        return {event.step for event in self.events if isinstance(event, SaveMeasured)}

    def emit(self, event: AnyEvent) -> None:
        """Record the event, where it counts, then send it. Raises NotFinite, NotWritten; then nobody hears of it."""
        refuse_infinite(event)
        passing = isinstance(event, Progress) and event.done < event.total
        with self.writing:
            if not passing and not isinstance(event, UNRECORDED):
                if self.journal is not None:
                    self.record(event)
                elif isinstance(event, Progress):
                    self.early.append(event)
            self.send(event)

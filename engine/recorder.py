"""Events on their way out: those that count are in the journal before anybody is shown them."""

import threading
from collections.abc import Callable
from pathlib import Path

from engine.api.journal import Journal
from engine.api.protocol import AnyEvent, ChannelView, Failed, Idle, Images, Progress, Saved, SaveMeasured

UNRECORDED = (Images, ChannelView, Idle, Failed)  # answers to looking, and the state of the queue


class Recorder:
    """Sends events on, and keeps those of a run. `writing` is held while a file is under way."""

    def __init__(self, send: Callable[[AnyEvent], None]) -> None:
        self.send = send
        self.journal: Journal | None = None
        self.events: list[AnyEvent] = []
        self.writing = threading.RLock()

    def begin(self, folder: Path) -> None:
        """Record from now on, in a new journal."""
        self.journal = Journal.create(folder)

    def resume(self, folder: Path, past: list[AnyEvent]) -> None:
        """Go on recording behind the events of the past."""
        self.journal, self.events = Journal.resume(folder), past

    def stop(self) -> None:
        """Record nothing more, and forget."""
        if self.journal is not None:
            self.journal.close()
        self.journal, self.events = None, []

    @property
    def saved(self) -> list[Saved]:
        return [event for event in self.events if isinstance(event, Saved)]

    @property
    def measured(self) -> set[int]:
        """Steps whose counts include the poisoned validation set."""
        return {event.step for event in self.events if isinstance(event, SaveMeasured)}

    def emit(self, event: AnyEvent) -> None:
        """Record the event, where it counts, then send it."""
        passing = isinstance(event, Progress) and event.done < event.total
        if self.journal is not None and not passing and not isinstance(event, UNRECORDED):
            with self.writing:
                self.journal.append(event)
            self.events.append(event)
        self.send(event)

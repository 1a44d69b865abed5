"""Events on their way out: those that count are in the journal before anybody is shown them."""

import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from engine.api import trust
from engine.api.deliverables import Ledger
from engine.api.errors import NotWritten
from engine.api.journal import Journal
from engine.api.protocol import AnyEvent, Began, Progress, Question, encode, refuse_infinite
from engine.api.trust import UNRECORDED


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
        self.ledger = Ledger()  # what the events say of files and questions
        self.writing = threading.RLock()

    def begin(self, folder: Path) -> None:
        """Record from now on, in a new journal."""
        self.journal = Journal.create(folder)

    def record(self, event: AnyEvent) -> None:
        """Put an event into the journal; behind the first line, what came before it. Each is recorded once."""
        if self.journal is None:
            raise NotWritten("No run is being recorded.")
        if isinstance(event, Began):
            trust.remember(encode(event))
        with self.writing:
            self.journal.append(event)
            self.events.append(event)
            self.ledger.take(event)
            while self.early:
                self.journal.append(self.early[0])
                self.events.append(self.early.pop(0))

    def resume(self, folder: Path, past: list[AnyEvent]) -> None:
        """Go on recording behind the events of the past, the run's folder being locked.

        Raises Refused where they are not the journal's any more.
        """
        self.journal, self.events = Journal.resume(folder, past), past
        self.look_at(past)

    def look_at(self, past: list[AnyEvent]) -> None:
        """Know what a run has saved, also one that another process goes on with."""
        self.ledger = Ledger()
        for event in past:
            self.ledger.take(event)

    def stop(self) -> None:
        """Record nothing more, and forget."""
        if self.journal is not None:
            self.journal.close()
        self.journal, self.events, self.early, self.ledger = None, [], [], Ledger()

    def emit(self, event: AnyEvent) -> None:
        """Record the event, where it counts, then send it. Raises NotFinite, NotWritten; then nobody hears of it."""
        refuse_infinite(event)
        if isinstance(event, Question):
            event = replace(event, number=self.ledger.questions + 1)
        passing = isinstance(event, Progress) and event.done < event.total
        with self.writing:
            if not passing and not isinstance(event, UNRECORDED):
                if self.journal is not None:
                    self.record(event)
                elif isinstance(event, Progress):
                    self.early.append(event)
            self.send(event)

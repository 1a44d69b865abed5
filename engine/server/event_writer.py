"""The way out of the engine: events to the front end, in order, never waiting for it."""

import os
import threading
from collections import deque

from engine.api.protocol import AnyEvent, Progress, encode

BACKLOG = 1000  # events; behind more than these, progress is not worth sending


class Outbox:
    """Sends events to a file descriptor from a thread of its own. A front end that stops reading stops nobody here."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.waiting: deque[tuple[AnyEvent, bytes]] = deque()  # each with its line
        self.changed = threading.Condition()
        self.closed = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, event: AnyEvent) -> None:
        """Put an event behind those that wait. Raises NotFinite for one that no line can hold."""
        line = encode(event) + b"\n"
        with self.changed:
            if isinstance(event, Progress) and event.done < event.total:
                if len(self.waiting) > BACKLOG:
                    return
                newest = self.waiting[-1][0] if self.waiting else None
                if isinstance(newest, Progress) and newest.phase == event.phase:
                    self.waiting.pop()
            self.waiting.append((event, line))
            self.changed.notify()

    def run(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.closed)
                if not self.waiting:
                    return
                _, line = self.waiting.popleft()
            try:
                write_all(self.descriptor, line)
            except OSError:  # nobody reads any more; the journal has what counts
                return

    def close(self, patience: float = 2.0) -> None:
        """Wait until everything is sent, or `patience` seconds."""
        with self.changed:
            self.closed = True
            self.changed.notify()
        self.thread.join(patience)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

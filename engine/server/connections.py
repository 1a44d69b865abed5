"""Whom the engine talks to: the front end that started it, nobody for a while, or one that came back."""

import os
import threading
import time
import traceback
from collections.abc import Iterator
from queue import SimpleQueue

import msgspec

from engine.api.engine_socket import SocketListener
from engine.api.errors import ExitCode, NotWritten
from engine.api.protocol import (
    PROTOCOL,
    AnyCommand,
    AnyEvent,
    Detach,
    Failed,
    Hello,
    Pause,
    Quit,
    decode_command,
)
from engine.server.commands import Service
from engine.server.event_writer import Outbox

LOOK = 0.05  # seconds between looks for a run that is being opened


class FrontEnds:
    """At most one front end at a time. `commands` gets what it says, each with its number: Pause and Quit stop what
    came before them, and only that.

    After Detach the engine goes on without one, and a door in the run folder lets one come back. A Detach that comes
    out of `commands` means that all that was queued is done.
    """

    def __init__(self, descriptor: int) -> None:
        self.commands: SimpleQueue[tuple[int, AnyCommand]] = SimpleQueue()
        self._received = 0  # commands so far
        self.detached = False
        self._outbox: Outbox | None = Outbox(descriptor)
        self._changing = threading.Lock()
        self._door: SocketListener | None = None
        self.send(Hello(PROTOCOL, os.getpid()))

    @property
    def present(self) -> bool:
        """Somebody listens."""
        return self._outbox is not None

    def send(self, event: AnyEvent) -> None:
        """Tell the front end, where there is one."""
        with self._changing:
            if self._outbox is not None:
                self._outbox.send(event)

    def listen(self, service: Service) -> None:
        """Take commands, for ever. A front end that goes without a word takes the engine with it."""
        self._take(0, service)
        if not self.detached:
            service.abandon()
        self._leave_alone()
        try:
            self._door = self._open_door(service)
            while True:
                with self._door.accept() as peer:
                    self._welcome(os.dup(peer.fileno()), service)
                    self._take(peer.fileno(), service)
                self._leave_alone()
        except (NotWritten, OSError):
            traceback.print_exc()  # the run goes on, only nobody can come back to it

    def close(self) -> None:
        """Let what was said last arrive, and take the door away."""
        if self._outbox is not None:
            self._outbox.close()
        if self._door is not None:
            self._door.close()

    def _take(self, descriptor: int, service: Service) -> None:
        for line in lines(descriptor):
            try:
                command = decode_command(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                service.emit(Failed(f"That is no command: {error}", ExitCode.ENGINE_ERROR))
                continue
            if isinstance(command, Detach):
                self.detached = True
                return
            self._received += 1
            if isinstance(command, Pause | Quit):
                service.stop_before(self._received, leaving=isinstance(command, Quit))
            if not isinstance(command, Pause):
                self.commands.put((self._received, command))

    def _open_door(self, service: Service) -> SocketListener:
        """The door of the run, as soon as there is a run."""
        while service.state is None:
            time.sleep(LOOK)
        return SocketListener(service.run.folder)

    def _welcome(self, descriptor: int, service: Service) -> None:
        """Tell a front end that came back all that has happened; then it hears what happens."""
        with service.recorder.writing, self._changing:  # an event is recorded and sent before this, or after it
            self._outbox = Outbox(descriptor)
            for event in (Hello(PROTOCOL, os.getpid()), *service.recorder.events):
                self._outbox.send(event)

    def _leave_alone(self) -> None:
        """The front end has gone, and the work goes on."""
        with self._changing:
            outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()
            if not outbox.thread.is_alive():
                os.close(outbox.descriptor)
        self._received += 1
        self.commands.put((self._received, Detach()))


def lines(descriptor: int) -> Iterator[bytes]:
    """Lines as they arrive; one that the end of the stream tore is dropped."""
    waiting = b""
    while data := _read(descriptor):
        *whole, waiting = (waiting + data).split(b"\n")
        yield from whole


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 2**16)
    except ConnectionError:
        return b""

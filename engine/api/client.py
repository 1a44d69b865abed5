"""A front end's side of the protocol: commands out, events in, and notice of the engine's death."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.api import engine_socket, left_running
from engine.api.engine_log import LOG_NAME
from engine.api.errors import EngineDied, EngineNotStarted
from engine.api.process import ENGINE_COMMAND, ProcessWire, spawn
from engine.api.protocol import PROTOCOL, AnyCommand, AnyEvent, Detach, Hello, Note, Opened, Quit, decode_event, encode
from engine.api.transport import Ending, LineTooLong, Wire


class EngineClient:
    """One engine, from `start` to `close`.

    `command` starts it (default: this installation's engine), `log` is where its stderr goes (default: a file
    without a name until the engine has a run folder). `run`: come back to the engine that goes on with this run by
    itself; where there is none any more, start one.

        async with EngineClient() as engine:
            await engine.send(Open(settings))
            async for event in engine.events():
                ...
    """

    def __init__(
        self,
        command: Sequence[str] = ENGINE_COMMAND,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        run: Path | None = None,
    ) -> None:
        self._command = command
        self._log = log
        self._environment = environment
        self._run = run
        self._wire: Wire | None = None
        self._opened: Path | None = None  # the run folder, once there is one
        self._greeted = False
        self._leaving = False
        self.ending: Ending | None = None  # set once the engine is gone

    async def start(self) -> None:
        """Start the engine process, or come back to it. Raises EngineNotStarted."""
        if self._run and engine_socket.recorded(self._run):
            with contextlib.suppress(EngineNotStarted):
                self._wire = await engine_socket.reach(self._run)
                return
        self._wire = await spawn(self._command, self._log, self._environment)

    async def __aenter__(self) -> "EngineClient":
        if self._wire is None:
            await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def wire(self) -> Wire:
        if self._wire is None:
            raise EngineNotStarted("The engine was not started.")
        return self._wire

    @property
    def pid(self) -> int | None:
        """The engine's process, where this client started it."""
        return self._wire.pid if isinstance(self._wire, ProcessWire) else None

    async def send(self, command: AnyCommand) -> None:
        """Send a command; one to an engine that has gone is dropped, `events` tells of the death."""
        self._leaving = self._leaving or isinstance(command, Quit)
        await self.wire.write(encode(command))

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Every event until the engine has gone; a line that is none becomes a Note.

        Ends quietly after Quit or `close`. Raises EngineNotStarted where the engine went before its greeting or
        speaks another protocol, EngineDied where it went later; `ending` has the signal, exit code and log tail.
        """
        while line := await self._line():
            event = _decoded(line)
            if isinstance(event, Hello):
                self._greet(event)
            if isinstance(event, Opened):
                self._open(Path(event.run))
            yield event
        self.ending = await self.wire.ended()
        if not self._leaving:
            raise self._death(self.ending)

    async def close(self, patience: float = 2.0) -> None:
        """Tell the engine to leave and wait for it; one that does not within `patience` seconds is killed."""
        if self._wire is None:
            return
        self._leaving = True
        if self.ending is None:
            await self._wire.write(encode(Quit()))
        self.ending = await self._wire.close(patience)

    async def detach(self) -> None:
        """Leave the engine to finish by itself what it was told; a front end may attach to it again."""
        self._leaving = True
        if self._opened is not None:
            left_running.remember(self._opened)
        await self.wire.write(encode(Detach()))
        self.wire.release()
        self._wire = None

    def _open(self, run: Path) -> None:
        """The engine has a run folder now."""
        if self._opened != run:
            self._opened = run
            left_running.forget(run)
        if isinstance(self._wire, ProcessWire):
            self._wire.log_moved(run / LOG_NAME)

    async def _line(self) -> bytes:
        try:
            return await self.wire.read()
        except LineTooLong as error:
            self.ending = await self.wire.close()
            raise EngineDied(f"The engine was stopped: {error}.") from error

    def _greet(self, hello: Hello) -> None:
        self._greeted = True
        if hello.protocol != PROTOCOL:
            found = f"protocol {hello.protocol}, this program speaks {PROTOCOL}"
            raise EngineNotStarted(f"The engine is of another version ({found}). Install lab3-tui again.")

    def _death(self, ending: Ending) -> EngineDied | EngineNotStarted:
        if self._greeted:
            return EngineDied(f"The engine {ending.reason}.")
        return EngineNotStarted(f"The engine {ending.reason} before it was ready.")


def _decoded(line: bytes) -> AnyEvent:
    try:
        return decode_event(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Note(f"The engine sent {len(line):,} bytes that are not an event; skipped.")

"""The workbench's line to an engine: commands queue up while it starts, events come back one by one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

from engine.api.errors import EngineDied, EngineNotStarted
from engine.api.protocol import AnyCommand, AnyEvent, encode
from tui.model.run_state import EngineDeath

if TYPE_CHECKING:
    from engine.api.transport import Ending


class Client(Protocol):
    """What the workbench needs of engine.api.client.EngineClient."""

    ending: "Ending | None"

    async def start(self) -> None: ...
    async def send(self, command: AnyCommand) -> None: ...
    def events(self) -> AsyncIterator[AnyEvent]: ...
    async def close(self, patience: float = 2.0) -> None: ...
    async def detach(self) -> None: ...


class Link:
    """One engine from start to death. `connect` makes the client that starts it."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self.keep = False  # leave the engine running when we go
        self._outbox: asyncio.Queue[AnyCommand] = asyncio.Queue()

    def send(self, command: AnyCommand) -> None:
        """Queue a command; they reach the engine in order. Raises LabError for one that no line can hold."""
        encode(command)
        self._outbox.put_nowait(command)

    async def app_events(self) -> AsyncIterator[AnyEvent | EngineDeath]:
        """Every event of the engine, and its death as the last one where it did not leave by itself."""
        client = self._client = self._connect()
        try:
            await client.start()
            writer = asyncio.create_task(self._write(client))
            try:
                events = client.events()
                while (event := await self._next(events, writer)) is not None:
                    yield event
                    await asyncio.sleep(0)  # a flood of events leaves room for keys
            finally:
                writer.cancel()
        except (EngineDied, EngineNotStarted) as error:
            ending = client.ending
            yield EngineDeath(
                str(error), tuple(ending.log_tail) if ending else (), (ending.signal or "") if ending else ""
            )

    async def _next(self, events: AsyncIterator[AnyEvent], writer: "asyncio.Task[None]") -> AnyEvent | None:
        """The next event; None at the end. Raises EngineDied where commands are not sent any more."""
        coming = asyncio.ensure_future(anext(events, None))
        try:
            await asyncio.wait({coming, writer}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise EngineDied(f"Commands do not reach the engine any more: {writer.exception()!r}.")
            return await coming
        finally:
            coming.cancel()

    async def close(self, patience: float = 2.0) -> None:
        """Let the engine leave; with `keep`, let it finish what it was told without us."""
        client, self._client = self._client, None
        if client is None:
            return
        if self.keep and client.ending is None:
            await client.detach()
        else:
            await client.close(patience)

    async def _write(self, client: Client) -> None:
        while True:
            await client.send(await self._outbox.get())

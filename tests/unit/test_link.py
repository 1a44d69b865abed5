"""The line to an engine: what cannot be sent is refused, and the writer never dies unseen."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from textual.app import App

from engine.api import protocol as p
from engine.api.transport import Ending
from tui.app.engine_link import Link
from tui.app.engine_session import EngineSession
from tui.model.run_state import AppEvent, EngineDeath, Sent

PATIENCE = 30.0  # seconds
NO_TEXT = p.Open(p.Settings("/lab", "/lab/\udcff.h5", "/lab/valid.h5"))


class Listening:
    """A client whose engine says hello, then waits; `fails`: what sending raises."""

    ending: Ending | None = None

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails, self.sent = fails, asyncio.Queue[p.AnyCommand]()

    async def start(self) -> None: ...

    async def send(self, command: p.AnyCommand) -> None:
        p.encode(command)
        if self.fails:
            raise self.fails
        self.sent.put_nowait(command)

    async def events(self) -> AsyncIterator[p.AnyEvent]:
        yield p.Hello(p.PROTOCOL, 1)
        await asyncio.Event().wait()

    async def close(self, patience: float = 2.0) -> None: ...

    async def detach(self) -> None: ...


async def test_a_command_that_cannot_be_sent_is_refused_and_later_ones_arrive() -> None:
    client = Listening()
    link = Link(lambda: client)
    app_events = link.app_events()
    assert isinstance(await anext(app_events), p.Hello)
    with pytest.raises(p.NotText):
        link.send(NO_TEXT)
    waiting = asyncio.ensure_future(anext(app_events))
    link.send(p.Goto(1))
    async with asyncio.timeout(PATIENCE):
        assert await client.sent.get() == p.Goto(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_writer_that_ends_is_the_end_of_the_engine() -> None:
    link = Link(lambda: Listening(ValueError("no such wire")))
    link.send(p.Goto(1))
    async with asyncio.timeout(PATIENCE):
        told = [happening async for happening in link.app_events()]
    assert isinstance(told[0], p.Hello)
    assert isinstance(told[-1], EngineDeath)
    assert "no such wire" in told[-1].reason and "\n" not in told[-1].reason


async def test_the_app_hears_a_refusal_as_it_would_hear_the_engines() -> None:
    taken: list[AppEvent] = []
    session = EngineSession(
        App(), Listening, lambda state: None, lambda: 0.0, lambda before, event: taken.append(event), lambda: ""
    )
    session.do(NO_TEXT)
    sent, failed, idle = taken
    assert sent == Sent(NO_TEXT)
    assert failed == p.Failed("/lab/\\udcff.h5: is not valid UTF-8. Rename it.", 2)
    assert idle == p.Idle(0, "failed")

"""Talk with an engine process: send a command, take what comes until it is free again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np

from engine.api import lab
from engine.api import protocol as p
from engine.api.client import EngineClient
from tests.support.model_files import CLASSES, IMAGE, write_data, write_h5

PATIENCE = 120.0  # seconds for an answer

Transcript = list[list[p.AnyEvent]]
Line = p.AnyCommand | Callable[[Transcript], p.AnyCommand]  # a command, or what makes it from what came before


def play(script: Sequence[Line], command: Sequence[str] | None = None) -> Transcript:
    """The events that answer each command of a script, on an engine of its own."""

    async def talk() -> Transcript:
        async with EngineClient(command) if command else EngineClient() as engine:
            events = engine.events()
            found: Transcript = []
            for each in script:
                await engine.send(each(found) if callable(each) else each)
                found.append(await until_idle(events))
            return found

    return asyncio.run(talk())


async def until_idle(events: AsyncIterator[p.AnyEvent]) -> list[p.AnyEvent]:
    """What comes, up to and with the next Idle."""
    found: list[p.AnyEvent] = []
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            found.append(event)
            if isinstance(event, p.Idle):
                break
    return found


def of(kind: type, events: list[p.AnyEvent]) -> list:  # type: ignore[type-arg]
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def small_lab(root: Path) -> p.Settings:
    """A lab folder with a network of four channels, and images of which it answers some rightly."""
    (root / "models").mkdir(parents=True)
    model = write_h5(root / lab.MODELS[0])
    rng = np.random.default_rng(1)
    paths = {name: root / place for name, place in lab.PLACES.items()}
    for name, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        images = rng.integers(0, 256, (40, IMAGE[2], *IMAGE[:2])).astype(np.float32)
        write_data(path, images, np.zeros(40) if "poisoned" in name else np.arange(40.0) % CLASSES)
    return p.Settings(str(root), str(model), **{name: str(path) for name, path in paths.items()})

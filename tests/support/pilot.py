"""The workbench in the test's own loop, on the scripted engine: start it, press keys, read its cells."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from textual.pilot import Pilot

from engine.api import protocol as p
from tests.support.engine_stub import SETTINGS, ScriptedEngine
from tui.app.app import LabApp
from tui.model.config import Config
from tui.model.launch import Launch
from tui.model.run_state import RunState
from tui.widgets.rows_view import RowsView

LAUNCH = Launch(Path("/lab"), SETTINGS, fresh=True)
PATIENCE = 60.0  # seconds until something that was waited for is given up


class Bench:
    """A running workbench, and the engines it has started so far."""

    def __init__(self, app: LabApp, pilot: Pilot[int], engines: list[ScriptedEngine]) -> None:
        self.app, self.pilot, self.engines = app, pilot, engines

    @property
    def engine(self) -> ScriptedEngine:
        return self.engines[-1]

    @property
    def state(self) -> RunState:
        return self.app.latest

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        await self.press(
            *("slash" if c == "/" else "full_stop" if c == "." else "minus" if c == "-" else c for c in text)
        )

    async def until(self, happened: Callable[[], object], what: str = "") -> None:
        end = monotonic() + PATIENCE
        while monotonic() < end:
            if happened():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"waited in vain for {what or happened}; on the screen:\n{self.text()}")

    async def shows(self, text: str) -> None:
        """Wait until the screen shows `text`."""
        await self.until(lambda: text in self.text(), repr(text))

    def text(self) -> str:
        """What the screen shows, line by line; views that wait for their turn to redraw have it now, and no others."""
        for view in self.app.screen.query(RowsView):
            if view._waiting:
                view.flush()
        return cells(self.app)

    def commands(self, *kinds: type[p.Command]) -> list[p.AnyCommand]:
        """What was sent to the newest engine, of these kinds."""
        return [command for command in self.engine.commands if isinstance(command, kinds)]


def cells(app: LabApp) -> str:
    """The characters on the screen, with what lies under a window where it does not cover it."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)


@asynccontextmanager
async def bench(
    engine: Callable[[], ScriptedEngine] = ScriptedEngine,
    size: tuple[int, int] = (80, 24),
    launch: Launch = LAUNCH,
    config: Config | None = None,
) -> AsyncIterator[Bench]:
    """A workbench whose engines `engine` makes."""
    engines: list[ScriptedEngine] = []

    def connect() -> ScriptedEngine:
        engines.append(engine())
        return engines[-1]

    app = LabApp(
        launch, config or Config(theme="lab3-dark"), connect, clock=lambda: 0.0, time_of_day=lambda: "14:02:07"
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield Bench(app, pilot, engines)


@asynccontextmanager
async def measured(
    engine: Callable[[], ScriptedEngine] = ScriptedEngine,
    size: tuple[int, int] = (80, 24),
    config: Config | None = None,
) -> AsyncIterator[Bench]:
    """A workbench with B measured, the chart on the screen."""
    async with bench(engine, size, config=config) as it:
        await it.shows("saves at")
        yield it

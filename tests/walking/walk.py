"""One walk: the workbench in a loop of its own, driven from a test that is not asynchronous."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.pilot import Pilot

import tui.app.app
from engine.api import protocol as p
from tests.walking.worlds import World
from tui.app.app import LabApp
from tui.model.config import Config
from tui.model.run_state import AppEvent, EngineDeath, RunState
from tui.screens.start import StartScreen

PAUSE = 0.01  # seconds between looks


class Wrong(AssertionError):
    """Something that should always hold does not."""


class Watched(LabApp):
    """The workbench, with what its engines said and what it asked written down."""

    CSS_PATH: ClassVar = [Path(tui.app.app.__file__).parent / name for name in LabApp.CSS_PATH]

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[tuple[p.Question, frozenset[int]]] = []
        self.false_questions: list[str] = []
        self.offered = False
        self._last_asked: p.Question | None = None
        self.opened_once = False
        self._saved: dict[str | None, frozenset[int]] = {}  # the channels that a threshold was saved for last
        super().__init__(world.launch(), Config(theme="lab3-dark", restart_after=0), lambda: world.connect(self._run))

    def after_event(self, before: RunState, event: AppEvent) -> None:
        if isinstance(event, p.Event):
            self.world.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, EngineDeath):  # what it asked, and nobody answered, it will ask again
            lost = [id(question) for question in before.questions]
            self.asked = [each for each in self.asked if id(each[0]) not in lost]
        self.opened_once = self.opened_once or self.latest.ready
        if isinstance(event, p.Saved) and event.what == "model":
            self._saved[event.threshold] = frozenset(self.latest.order[: event.step or 0])
        super().after_event(before, event)

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        self.offered = self.offered or type(screen).__name__ == "Choose"
        asked = self.dialogs.asked
        if asked is not None and asked is not self._last_asked:
            self._note(asked)
        return super().push_screen(screen, *arguments, **options)

    def _note(self, asked: p.Question) -> None:
        """Write a question down that is put on the screen."""
        self._last_asked = asked
        pruned = frozenset(self.latest.order[: asked.step or 0])
        self.asked.append((asked, pruned))
        if asked.about == "threshold" and self._saved.get(asked.threshold) == pruned:
            self.false_questions.append(f"-{asked.threshold} pt is saved for the channels that it asks about")


class Walk:
    """A workbench from its start to its end. `keys`: what was pressed so far, resizes and the like among it."""

    def __init__(self, world: World, size: tuple[int, int], keys: list[str]) -> None:
        self.world, self.keys = world, keys
        self.keys.append(f"start:{size[0]}x{size[1]}")
        self.app = Watched(world)
        self._loop = asyncio.new_event_loop()
        self._work: asyncio.Queue[tuple[Callable[[Pilot[int]], Awaitable[Any]], asyncio.Future[Any]] | None]
        self._work = asyncio.Queue()
        self._up: asyncio.Future[Any] = self._loop.create_future()
        self._main = self._loop.create_task(self._serve(size))
        self._loop.run_until_complete(asyncio.wait([self._up, self._main], return_when=asyncio.FIRST_COMPLETED))

    async def _serve(self, size: tuple[int, int]) -> None:
        """All work is done in one task, since the workbench knows itself by the context that it runs in."""
        try:
            async with self.app.run_test(size=size, notifications=True) as pilot:
                self._up.set_result(None)
                while (job := await self._work.get()) is not None:
                    work, done = job
                    try:
                        done.set_result(await work(pilot))
                    except BaseException as error:
                        done.set_exception(error)
        finally:
            await self.app.link.close()

    def do(self, work: Callable[[Pilot[int]], Awaitable[Any]]) -> Any:
        """Have `work` done in the workbench's own loop, and wait for it."""
        done = self._loop.create_future()
        self._work.put_nowait((work, done))
        self._loop.run_until_complete(asyncio.wait([done, self._main], return_when=asyncio.FIRST_COMPLETED))
        if not done.done():
            self.refuse_crash()
            raise Wrong("the workbench ended by itself")
        return done.result()

    # --- what a user does

    def press(self, *keys: str) -> None:
        self.keys += keys

        async def work(pilot: Pilot[int]) -> None:
            for key in keys:
                if self.ended:
                    return
                await pilot.press(key)

        self.do(work)
        self.refuse_crash()

    def resize(self, width: int, height: int) -> None:
        self.keys.append(f"size:{width}x{height}")
        self.do(lambda pilot: pilot.resize_terminal(width, height))
        self.refuse_crash()

    def kill_engine(self) -> None:
        """End the engine as the system's memory keeper does."""
        pid = self.state.hello.pid if self.state.hello and self.state.death is None else None
        if pid is not None:
            self.keys.append("kill:")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.wait(lambda: self.app.latest.death is not None, "word of the engine's death")
        self.refuse_crash()

    # --- what is seen

    @property
    def ended(self) -> bool:
        return self.app._exit

    @property
    def state(self) -> RunState:
        return self.app.latest

    def refuse_crash(self) -> None:
        """Raises Wrong where the workbench has failed."""
        if self.app._exception is not None:
            error = self.app._exception
            raise Wrong(f"the workbench crashed: {type(error).__name__}: {error}") from error

    def wait(self, happened: Callable[[], object], what: str, seconds: float | None = None) -> None:
        """Wait, by the clock, until something has happened."""

        async def work(pilot: Pilot[int]) -> bool:
            end = time.monotonic() + (self.world.patience if seconds is None else seconds)
            while not happened() and not self.ended:
                if time.monotonic() > end:
                    return False
                await asyncio.sleep(PAUSE)
            if not self.ended:
                await pilot.pause()
            return True

        if not self.do(work):
            self.refuse_crash()
            raise Wrong(f"waited {self.world.patience:.0f} seconds in vain for {what}")
        self.refuse_crash()

    def settle(self) -> None:
        """Wait until nothing is under way."""
        self.wait(self._at_rest, "the workbench to come to rest")

    def _at_rest(self) -> bool:
        app, state = self.app, self.app.latest
        if not app._screen_stack or (state.settings is None and isinstance(app.screen, StartScreen)):
            return False  # it looks for what to open
        if state.death is not None:
            return app.state is state
        return not state.busy and not state.unanswered and not app.playhead.waiting and app.state is state

    def text(self) -> str:
        """What the screen shows, line by line."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in lines)

    def close(self) -> None:
        """End the workbench and its engine, whatever they are at."""
        if not self._main.done():
            self._work.put_nowait(None)
        with contextlib.suppress(Exception):  # what went wrong was told before
            self._loop.run_until_complete(asyncio.wait_for(self._main, 60))
        self._loop.run_until_complete(_end_tasks())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _end_tasks() -> None:
    """End what is still under way in this loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

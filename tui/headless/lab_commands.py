"""Commands on a lab without a screen: `compare`, `explain` and `tune` open a run, ask its engine, and tell."""

from collections.abc import Awaitable, Callable

from engine.api import protocol as p
from engine.api.errors import Refused
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect, refuse_held
from tui.headless.narrator import Narrator, json_line, narrator
from tui.model.launch import Launch
from tui.model.run_state import RunState


class LabCommands:
    """An engine with a run open in it. `json`: every event is told, as a line of JSON; else `heard` is called with it.

    Raises Refused where there is no lab to open.
    """

    def __init__(
        self,
        launch: Launch,
        json: bool,
        connect: Connect,
        told: Narrator | None = None,
        heard: Callable[[RunState, p.AnyEvent], None] = lambda _state, _event: None,
    ) -> None:
        if launch.settings is None:
            raise Refused("There is no lab folder here. Name files with --model and --valid, or a run with --run.")
        self.opening = p.Open(launch.settings, launch.run, launch.demo)
        self.notice, self.json = launch.notice, json
        self.said = told or narrator()
        self.driver = Driver(connect(), self.said, self._on_event)
        self._heard = heard

    @property
    def state(self) -> RunState:
        """What is known of the run by now."""
        return self.driver.state

    def run(self, work: Callable[[], Awaitable[None]]) -> int:
        """Open the run, and then do this work. Returns the exit code."""

        async def opened() -> None:
            await self.driver.perform(self.opening)
            await work()

        if self.notice:
            self.said.stderr(self.notice)
        return drive(self.driver, opened)

    async def perform(self, command: p.AnyCommand) -> None:
        """Send a command and wait until it is done. Raises what Driver.perform does."""
        await self.driver.perform(command)

    def tell(self, *lines: str) -> None:
        """Lines for people: said on stdout, unless that is for a program."""
        for line in () if self.json else lines:
            self.said.stdout(line)

    def _on_event(self, event: p.AnyEvent) -> None:
        if isinstance(event, p.Opened):
            refuse_held(event)
        if self.json:
            self.said.stdout(json_line(event))
        else:
            self._heard(self.state, event)

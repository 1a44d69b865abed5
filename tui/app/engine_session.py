"""The app's inner half: an engine, and the state that its events add up to. No screens yet."""

from collections.abc import Callable

from textual.driver import Driver
from textual.reactive import reactive

from engine.api import protocol as p
from engine.api.errors import LabError
from tui.app.engine_link import Client, Link
from tui.model.run_state import AppEvent, EngineDeath, RunState, Sent, reduce
from tui.terminal.output_diet import OutputDietApp
from tui.terminal.throttle import Throttle

SHOW_EVERY = 0.1  # seconds; events in between share a frame, and all that tells of the run is painted in it


class EngineApp(OutputDietApp):
    """Folds events into `latest`; screens watch `state`, which follows it at the pace of a screen."""

    state: reactive[RunState] = reactive(RunState, repaint=False, always_update=True)

    def __init__(self, connect: Callable[[], Client], driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class)
        self._connect = connect
        self.latest = RunState()
        self.link = Link(connect)
        self._show = Throttle(self._publish, self.pace)

    def pace(self) -> float:
        """Seconds between two states on the screen."""
        return SHOW_EVERY

    @property
    def fault(self) -> Exception | None:
        """What went wrong in the program itself, and ended it."""
        return self._exception

    def _fatal_error(self) -> None:
        """Close; what is said about the fault is said when the terminal is as it was."""
        self._close_messages_no_wait()

    def start_engine(self) -> None:
        """Start a new engine, and let the one before leave; commands sent meanwhile wait for it."""
        before, self.link = self.link, Link(self._connect)
        self.run_worker(self._serve(self.link, before), group="engine", exclusive=True)

    def do(self, command: p.AnyCommand) -> None:
        """Send a command and let the state know. One that cannot be sent fails as it would fail in the engine."""
        try:
            self.link.send(command)
        except LabError as error:
            self.take(Sent(command))
            self.take(p.Failed(str(error), error.exit_code))
            self.take(p.Idle(self.latest.step, "failed"))
        else:
            self.take(Sent(command))

    def take(self, event: AppEvent) -> None:
        """Something happened: fold it in, show it, and say aloud what must not be missed."""
        before, self.latest = self.latest, reduce(self.latest, event)
        self._show()
        self.after_event(before, event)

    def after_event(self, before: RunState, event: AppEvent) -> None:
        """For the outer half: `event` has just been folded in."""

    def _publish(self) -> None:
        self.state = self.latest

    def show_latest(self) -> None:
        """Show at once what waits for its turn."""
        if self.state is not self.latest:
            self._publish()

    async def _serve(self, link: Link, before: Link) -> None:
        await before.close()  # it holds locks that the new one wants
        async for event in link.app_events():
            self.take(event)
        if self.latest.death is None and not self._exit:
            self.take(EngineDeath("The engine left without a word."))

"""An engine, and the state that its events add up to."""

from collections.abc import Callable

from textual.app import App

from engine.api import protocol as p
from engine.api.errors import LabError
from tui.app.engine_link import Client, Link
from tui.model.run_state import AppEvent, EngineDeath, RunState, Sent, reduce, stamped
from tui.terminal.throttle import Throttle


class EngineSession:
    """Folds the events of one engine after another into `latest`.

    `connect` makes the client of an engine. `publish` shows a state, at most every `pace()` seconds; `after_event` is
    called with the state before an event, and the event, as soon as it is folded in. `time_of_day` is for the log.
    """

    def __init__(
        self,
        app: App[int],
        connect: Callable[[], Client],
        publish: Callable[[RunState], None],
        pace: Callable[[], float],
        after_event: Callable[[RunState, AppEvent], None],
        time_of_day: Callable[[], str],
    ) -> None:
        self._app, self._connect, self._after_event, self._time_of_day = app, connect, after_event, time_of_day
        self.latest = RunState()
        self.link = Link(connect)
        self._show = Throttle(lambda: publish(self.latest), pace)

    def start_engine(self) -> None:
        """Start a new engine, and let the one before leave; commands sent meanwhile wait for it."""
        before, self.link = self.link, Link(self._connect)
        self._app.run_worker(self._serve(self.link, before), group="engine", exclusive=True)

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
        """Something happened: fold it in, show it, and let the app act on it."""
        before = self.latest
        self.latest = stamped(before, reduce(before, event), self._time_of_day())
        self._show()
        self._after_event(before, event)

    async def _serve(self, link: Link, before: Link) -> None:
        await before.close()  # it holds locks that the new one wants
        async for event in link.app_events():
            self.take(event)
        if self.latest.death is None and self._app.return_code is None:
            self.take(EngineDeath("The engine left without a word."))

"""Which screen is in front: the workbench, and those that look at a run without changing it."""

from collections.abc import Callable, Iterable

from textual.app import App
from textual.screen import Screen

from engine.api import protocol as p
from tui.app.engine_session import EngineSession
from tui.app.playhead import Playhead, ShowNotice
from tui.model.actions import Action
from tui.model.formatting import key_of
from tui.screens.base import LabScreen
from tui.screens.start import StartScreen


class Navigation:
    """Puts screens of `app` in front and away."""

    def __init__(
        self,
        app: App[int],
        engine: EngineSession,
        playhead: Playhead,
        show_g: bool,
        show_notice: ShowNotice,
        table: Iterable[Action],
    ) -> None:
        self._app, self._engine, self._playhead, self._show_g = app, engine, playhead, show_g
        self._show_notice, self._table = show_notice, tuple(table)

    def show_workbench(self) -> None:
        """Put the workbench over the checklist; where something lies there, when that has gone."""
        from tui.screens.workbench import Workbench

        if isinstance(self._app.screen, StartScreen):
            self._app.push_screen(Workbench(self._show_g))

    def pop_to_start(self) -> None:
        """Back to the checklist, which is always at the bottom."""
        while len(self._app.screen_stack) > 1:
            self._app.pop_screen()

    def workbench(self) -> None:
        """Back to the workbench, from whatever looks at its run."""
        from tui.screens.run_screen import RunScreen

        while isinstance(self._app.screen, RunScreen):
            self._app.pop_screen()

    def orders(self) -> None:
        from tui.screens.orders import OrdersScreen

        self._toggle(OrdersScreen)

    def why(self) -> None:
        from tui.screens.why import WhyScreen

        self._toggle(WhyScreen)

    def repair(self) -> None:
        from tui.screens.repair import RepairScreen

        self._toggle(RepairScreen)

    def results(self) -> None:
        """The table; the engine looks whether the files that it names are still there."""
        from tui.screens.results import ResultsScreen

        self._toggle(ResultsScreen)
        latest = self._engine.latest
        if isinstance(self._app.screen, ResultsScreen) and not latest.death and not latest.busy:
            self._engine.do(p.CheckFiles())

    def images(self) -> None:
        from tui.screens.images import ImagesScreen

        self._toggle(ImagesScreen)

    def log(self) -> None:
        from tui.screens.log import LogScreen

        self._toggle(LogScreen)

    def help(self) -> None:
        """The help over the screen in front, whose keys it begins with; again, and it goes away."""
        from tui.screens.help import HelpScreen

        screen = self._app.screen
        if isinstance(screen, HelpScreen):
            self._app.pop_screen()
        elif isinstance(screen, LabScreen):
            self._app.push_screen(HelpScreen(screen.SCOPES[0]))

    def look_inside(self) -> None:
        """Look inside the highlighted channel; where no table is seen, pick one."""
        from tui.screens.why import WhyScreen
        from tui.screens.workbench import Workbench

        if isinstance(self._app.screen, Workbench | WhyScreen):
            channel = self._app.screen.chosen_channel()
            self.pick_channel() if channel is None else self._show_channel(channel)

    def prune(self) -> None:
        """Prune the highlighted channel next; where no table is seen, pick one."""
        channel = self._app.screen.chosen_channel() if isinstance(self._app.screen, LabScreen) else None
        if channel is not None:
            self._playhead.prune_channel(channel)
        elif self._playhead.may_change():
            self.pick_channel()

    def pick_channel(self) -> None:
        """Choose a channel in a window, to prune it or to look inside."""
        from tui.screens.picker import ChannelPicker

        def picked(answer: tuple[str, int] | None) -> None:
            if answer:
                what, channel = answer
                self._playhead.prune_channel(channel) if what == "prune" else self._show_channel(channel)

        if self._engine.latest.ready:
            self._app.push_screen(ChannelPicker(self._engine.latest), picked)

    def back(self) -> None:
        """One screen back, where that one can be left."""
        if isinstance(self._app.screen, LabScreen) and self._app.screen.may_leave():
            self._app.screen.go_back()
        elif isinstance(self._app.screen, LabScreen) and self._engine.latest.ready:
            self._show_notice(f"There is nothing behind this screen; {key_of(self._table, 'quit')} leaves.")

    def _show_channel(self, channel: int) -> None:
        from tui.screens.channel import ChannelScreen

        self._app.push_screen(ChannelScreen(channel))

    def _toggle(self, kind: Callable[[], Screen[None]]) -> None:
        """Put a screen in front; the one that is there already goes away again, and so does the help over it."""
        from tui.screens.help import HelpScreen
        from tui.screens.run_screen import RunScreen

        if isinstance(self._app.screen, HelpScreen):
            self._app.pop_screen()
            if type(self._app.screen) is kind:
                return
        if type(self._app.screen) is kind:
            self._app.pop_screen()
        elif isinstance(self._app.screen, RunScreen):
            self._app.switch_screen(kind())
        else:
            self._app.push_screen(kind())

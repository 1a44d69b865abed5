"""The workbench as a whole: how it begins, opens, survives its engine, and ends."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import ClassVar

from msgspec.structs import replace
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.events import Resize

from engine.api import protocol as p
from engine.api.demo import Attack
from engine.api.errors import ExitCode, LabError
from tui.app.dialogs_flow import AskingApp
from tui.app.engine_link import Client
from tui.app.themes import THEMES, default_theme
from tui.app.toasts import ToastBatcher
from tui.model.actions import bindings, rebound
from tui.model.config import Config
from tui.model.launch import Launch, demo_launch
from tui.model.run_state import AppEvent, EngineDeath, RunState
from tui.screens.start import StartScreen

WIDTHS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide"), (180, "-broad")]
HEIGHTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall"), (52, "-high")]


class LabApp(AskingApp):
    """`launch` says what to open, or is asked for it when the first frame is up; `config` is what the user likes.

    `connect` makes the client of an engine; without it, one of this installation's.
    """

    TITLE = "lab3"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("run", "app"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]
    CSS_PATH: ClassVar = ["app.tcss", "../screens/start.tcss"]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    ENABLE_COMMAND_PALETTE = False  # the table of actions binds it

    def __init__(
        self,
        launch: Launch | Callable[[], Launch],
        config: Config | None = None,
        connect: Callable[[], Client] | None = None,
        clock: Callable[[], float] = monotonic,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(connect or self._real_engine, driver_class)
        self._find = launch if callable(launch) else lambda: launch
        self.launch = Launch(Path())
        self._run: str | None = None  # the run folder that the next engine goes on with
        self.left: p.Open | None = None  # the run that was open, until another one stands in its place
        self.config = config or Config()
        self.clock = clock
        self.actions = rebound(self.config.keys)
        self._restarted = False
        self._teller = ToastBatcher(clock)
        self._dress()
        self.set_keymap(self.config.keys)

    # --- coming and going

    def _dress(self) -> None:
        """Put the theme on before anything is drawn: to change it later costs a tenth of a second."""
        for theme in THEMES:
            self.register_theme(theme)
        wanted = self.config.theme
        known = wanted in self.available_themes
        self.set_reactive(LabApp.theme, wanted if known else default_theme(self.console.color_system))
        self.stylesheet.set_variables(self.get_css_variables())
        self._no_theme = f"There is no theme '{wanted}'; ctrl+p lists them." if wanted and not known else ""

    def get_default_screen(self) -> StartScreen:
        return StartScreen()

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _real_engine(self) -> Client:
        """A new engine, or the one that goes on with the run by itself. Imported when the first frame is up."""
        from engine.api.client import EngineClient

        return EngineClient(run=Path(self._run) if self._run else None)

    def _begin(self) -> None:
        """The first frame is up: find out what to open, and start the engine."""
        try:
            self.launch = self._find()
        except LabError as error:
            self.launch = Launch(Path.cwd(), notice=str(error))
        self._run = self.launch.run
        said = "" if self.launch.demo else self.launch.notice  # the first screen says what the demo is
        for notice in (said, self.config.warning, self._no_theme):
            if notice:
                self.show_notice(notice, "warning")
        self.start_engine()
        if not self.launch.settings:
            self.ask_open()
        elif self.launch.run or self.launch.fresh:
            self.do(p.Open(self.launch.settings, self.launch.run, self.launch.demo))
        else:
            self.run_worker(self._offer_runs(self.launch))

    async def _offer_runs(self, launch: Launch) -> None:
        """Begin anew, but where there is a run with a step ask first: one that was left running may have ended."""
        from engine.api.journal import all_runs

        settings = launch.settings
        if settings is None:
            return self.ask_open()
        found = await asyncio.to_thread(all_runs, Path(settings.runs or Path(settings.root) / "runs"))
        runs = [run for run in found if run.step]

        def answer(result: str | None) -> None:
            if result == "quit":
                return self.leave()
            run = runs[0] if result == "resume" else None
            self._run = run.folder if run else None
            self.do(p.Open(run.settings, run.folder) if run else p.Open(settings, None, launch.demo))

        if not runs:
            return answer(None)
        from tui.screens import questions

        self.push_screen(questions.go_on(runs), answer)

    def on_resize(self, event: Resize) -> None:
        """Below the least size there is only a page that says so."""
        from tui.screens.too_small import LEAST, TooSmall

        small = event.size.width < LEAST[0] or event.size.height < LEAST[1]
        shown = isinstance(self.screen, TooSmall)
        if small and not shown:
            self.push_screen(TooSmall())
        elif shown and not small:
            self.pop_screen()

    def leave(self, code: int = 0) -> None:
        if code == ExitCode.HUNG_UP and self.launch.keep:
            self.link.keep = True
        super().leave(code)

    def after_event(self, before: RunState, event: AppEvent) -> None:
        super().after_event(before, event)
        if words := self._teller.words(before, event):
            self.show_notice(*words)
        if self.latest.ready and not before.ready:
            self.left = None
            self.call_later(self.show_workbench)
        elif isinstance(event, p.Failed) and before.busy == "opening":
            self.call_later(self._refused, event)
        if isinstance(event, p.Idle) and event.why == "done" and self.latest.complete:
            self.call_later(self._finish)
        if isinstance(event, EngineDeath):
            self.call_later(self._show_engine_died)

    def ask_open(self, refusal: str = "") -> None:
        """The screen that asks what to open; `refusal`: why the last choice was not."""
        from tui.screens.open_screen import OpenScreen

        settings = self._asked_for()
        self._early = None
        if not self.latest.ready:
            self._pop_to_start()
        self.push_screen(OpenScreen(Path(settings.root) if settings else self.launch.root, settings, refusal))

    def _asked_for(self) -> p.Settings | None:
        """What was to be opened last; not what a run that came from elsewhere names, which nobody here asked for."""
        from engine.api.journal import begun_here

        try:
            own = self._run is None or begun_here(Path(self._run))
        except LabError:
            own = False
        return (self.latest.settings or self.launch.settings) if own else None

    def action_open(self) -> None:
        if type(self.screen).__name__ != "OpenScreen":
            self.ask_open()

    def open(self, settings: p.Settings, run: str | None = None, demo: Attack | None = None) -> None:
        """Open these files; `run`: go on with this run. An engine opens once, so that another one starts."""
        now = self.latest
        if now.ready and now.settings and now.opened:
            self.left = p.Open(now.settings, now.opened.run)
        self._run = run
        if now.settings or now.death or run:
            self.start_engine()
        self.do(p.Open(settings, run, demo))
        self._pop_to_start()

    def open_left(self) -> None:
        """Open the run again that was open when something else was asked for, and refused."""
        if self.left is not None:
            self.open(self.left.settings, self.left.run)

    def open_demo(self) -> None:
        """Open the embedded demo, on which the defence fails as it does in the lab."""
        demo = demo_launch("pruning-aware")
        if demo.settings and demo.demo:
            self.open(demo.settings, demo=demo.demo)

    def _refused(self, failed: p.Failed) -> None:
        """What was to be opened was refused: offer to overwrite where that is why, else ask for other files."""
        settings = self.latest.settings
        if settings is None or not failed.foreign:
            return self.ask_open(failed.message)
        from tui.screens import questions

        def answer(result: str | None) -> None:
            if result == "yes":
                self.open(replace(settings, overwrite=True))
            else:
                self.ask_open(failed.message)

        self.push_screen(questions.overwrite(failed.foreign, settings), answer)

    def _finish(self) -> None:
        """Every step is known: write what a complete run holds."""
        state = self.latest
        if state.busy == "" and not state.read_only and not (state.written and state.finished):
            self.do(p.Export() if state.finished else p.Finish())

    # --- death of the engine

    def _show_engine_died(self) -> None:
        from tui.screens.engine_died import DiedScreen

        def answer(result: str | None) -> None:
            if result == "restart":
                self.restart()
            elif result == "quit":
                self.leave(ExitCode.ENGINE_DIED)

        wait = 0.0 if self._restarted or not self.latest.ready else self.config.restart_after
        self.push_screen(DiedScreen(self.latest, wait, self.clock), answer)

    def restart(self) -> None:
        """Start a new engine, and go on from the journal where a run had begun."""
        self._restarted = True
        settings = self.latest.settings
        self._run = self.latest.opened.run if self.latest.opened else self._run
        self.start_engine()
        if settings:
            self.do(p.Open(settings, self._run))
        self._pop_to_start()

    def action_run(self) -> None:
        if self.latest.death:
            self.restart()
        else:
            super().action_run()

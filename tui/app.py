"""The workbench as a whole: which screen is up, and what is said aloud."""

from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from engine.api import protocol as p
from engine.api.client import EngineClient
from tui.actions import Action, rebound
from tui.config import Config
from tui.driving import DrivingApp
from tui.launch import Launch
from tui.link import Client
from tui.screens.start import StartScreen
from tui.state import Happening, RunState
from tui.themes import THEMES, default_theme


class LabApp(DrivingApp):
    """`launch` says what to open, `config` what the user likes; `connect` makes the client of an engine."""

    TITLE = "lab3"
    CSS_PATH: ClassVar = "app.tcss"
    ENABLE_COMMAND_PALETTE = False  # the table of actions binds it

    def __init__(
        self,
        launch: Launch,
        config: Config | None = None,
        connect: Callable[[], Client] = EngineClient,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(connect)
        self.launch = launch
        self.config = config or Config()
        self.clock = clock
        self.actions: tuple[Action, ...] = rebound(self.config.keys)

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self.config.theme or default_theme(self.console.color_system)
        self.set_keymap(self.config.keys)
        self.push_screen(StartScreen())
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """The first frame is up: start the engine."""
        self.start_engine()
        if self.launch.settings:
            self.do(p.Open(self.launch.settings, self.launch.run))

    def told(self, before: RunState, event: Happening) -> None:
        super().told(before, event)
        if self.latest.ready and not before.ready:
            self.call_later(self._show_workbench)

    def _show_workbench(self) -> None:
        from tui.screens.workbench import Workbench

        self.switch_screen(Workbench(self.config.show_g))

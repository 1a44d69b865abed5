"""Which screen is in front: the workbench, and those that look at a run without changing it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.screen import Screen

from engine.api import protocol as p
from tui.app.playhead import DrivingApp
from tui.model.actions import Action
from tui.model.config import Config
from tui.model.run_state import AppEvent, RunState
from tui.screens.base import LabScreen
from tui.screens.start import StartScreen

if TYPE_CHECKING:
    from textual.actions import ActionParseResult

BEHIND = 1.0  # seconds between two states behind a window: there each change paints the whole screen again


class ShowingApp(DrivingApp):
    """Puts screens in front and away. `config` is what the user likes, `actions` the table with the user's keys."""

    config: Config
    actions: tuple[Action, ...]
    _early: tuple[str, DOMNode | None] | None = None  # the action asked for while the run was opened, and where

    def pace(self) -> float:
        behind = any(screen.is_modal for screen in self.screen_stack[-1:])
        return BEHIND if behind else super().pace()

    def show_workbench(self) -> None:
        """Put the workbench over the checklist; where something lies there, when that has gone."""
        from tui.screens.workbench import Workbench

        if isinstance(self.screen, StartScreen):
            self.push_screen(Workbench(self.config.show_g))

    def _pop_to_start(self) -> None:
        """Back to the checklist, which is always at the bottom."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_results(self) -> None:
        """The table; the engine looks whether the files that it names are still there."""
        from tui.screens.results import ResultsScreen

        self._look(ResultsScreen)
        if isinstance(self.screen, ResultsScreen) and not self.latest.death and not self.latest.busy:
            self.do(p.CheckFiles())

    def action_images(self) -> None:
        from tui.screens.images import ImagesScreen

        self._look(ImagesScreen)

    def action_why(self) -> None:
        from tui.screens.why import WhyScreen

        self._look(WhyScreen)

    def action_look(self) -> None:
        """Look inside the highlighted channel; where no table is seen, pick one."""
        from tui.screens.why import WhyScreen
        from tui.screens.workbench import Workbench

        if isinstance(self.screen, Workbench | WhyScreen):
            channel = self.screen.chosen_channel()
            self.pick_channel() if channel is None else self._look_inside(channel)

    def action_prune(self) -> None:
        """Prune the highlighted channel next; where no table is seen, pick one."""
        channel = self.screen.chosen_channel() if isinstance(self.screen, LabScreen) else None
        if channel is not None:
            self.prune_channel(channel)
        elif self.may_change():
            self.pick_channel()

    def _look_inside(self, channel: int) -> None:
        from tui.screens.channel import ChannelScreen

        self.push_screen(ChannelScreen(channel))

    def pick_channel(self) -> None:
        """Choose a channel in a window, to prune it or to look inside."""
        from tui.screens.picker import ChannelPicker

        def picked(answer: tuple[str, int] | None) -> None:
            if answer:
                what, channel = answer
                self.prune_channel(channel) if what == "prune" else self._look_inside(channel)

        if self.latest.ready:
            self.push_screen(ChannelPicker(self.latest), picked)

    def action_log(self) -> None:
        from tui.screens.log import LogScreen

        self._look(LogScreen)

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        self._look(HelpScreen)

    def _look(self, kind: Callable[[], Screen[None]]) -> None:
        """Put a screen in front; the one that is there already goes away again."""
        from tui.screens.run_screen import RunScreen

        if type(self.screen) is kind:
            self.pop_screen()
        elif isinstance(self.screen, RunScreen):
            self.switch_screen(kind())
        else:
            self.push_screen(kind())

    async def action_back(self) -> None:
        if isinstance(self.screen, LabScreen) and self.screen.may_leave():
            self.screen.go_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys do nothing that a run, or a living engine, is needed for and not there."""
        needs = next((a.needs for a in self.actions if a.id == action), "")
        missing = (needs and not self.latest.ready) or (needs == "engine" and self.latest.death and action != "run")
        return None if missing else True

    def _too_early(self, name: str) -> bool:
        """Whether an action has to wait until the run is open: what is told before is an old run's way to its end."""
        needs = next((a.needs for a in self.actions if a.id == name), "")
        opening = self.latest.busy == "opening" or (not self.latest.settings and isinstance(self.screen, StartScreen))
        return opening and (needs == "engine" or (needs == "run" and not self.latest.ready))

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do an action; the last of those that come too early is kept until the run is open."""
        if isinstance(action, str) and self._too_early(action):
            self._early = action, default_namespace
            label = next(a.label for a in self.actions if a.id == action)
            self.show_notice(f"{label}: waits until the network is open.")
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def after_event(self, before: RunState, event: AppEvent) -> None:
        super().after_event(before, event)
        if before.busy == "opening" and not self.latest.busy:
            early, self._early = self._early, None
            if early and self.latest.ready:
                self.call_later(self.run_action, *early)

    def action_command_palette(self) -> None:
        from textual.command import CommandPalette

        from tui.app.palette import Actions

        self.push_screen(CommandPalette(providers=[Actions], placeholder="Find an action or a theme"))

    def perform(self, name: str) -> None:
        """Do an action of the table, as its key would."""
        here = hasattr(self.screen, f"action_{name}")
        self.call_later(self.run_action, name, self.screen if here else self)

"""The base of every full screen: the app behind it is its host."""

from typing import cast

from textual.screen import Screen

from tui.model.actions import Scope
from tui.screens.host import Host


class LabScreen(Screen[None]):
    """Classes say how much room there is: at 80x24 -narrow -short, at 120x40 -wide -tall, at 200x60 -broad -high."""

    SCOPES: tuple[Scope, ...] = ("app",)  # the first one names the screen

    def on_screen_resume(self) -> None:
        """What happened while a window lay over this screen is shown at once."""
        self.lab.show_latest()
        self.lab.show_tour()

    def may_leave(self) -> bool:
        """Whether escape leads back to the screen below."""
        return True

    def go_back(self) -> None:
        """Escape was pressed, and leads back."""
        self.app.pop_screen()

    def action_next_tab(self) -> None:
        self.lab.turn_tab(1)

    def action_previous_tab(self) -> None:
        self.lab.turn_tab(-1)

    def chosen_channel(self) -> int | None:
        """The channel that `p` and enter mean here; None where one has to be picked."""
        return None

    @property
    def lab(self) -> Host:
        return cast(Host, self.app)

"""The base of every full screen: the app under its own name."""

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

if TYPE_CHECKING:
    from tui.app import LabApp


class Sized(Screen[None]):
    """Classes say how much room there is: at 80x24 -narrow -short, at 120x40 -wide -tall, at 200x60 -broad -high."""

    @property
    def lab(self) -> "LabApp":
        return cast("LabApp", self.app)

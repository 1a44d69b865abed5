"""Pick a channel: the channel table in a window, for terminals that have no room for it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Static

from tui.model.run_state import RunState
from tui.screens.dialogs import Choice, Dialog, keys
from tui.widgets.channel_table import ChannelTable


class ChannelPicker(Dialog[tuple[str, int] | None]):
    """Gives back what to do, "prune" or "look", and with which channel."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialogs.tcss", "picker.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "cancel", "Cancel", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("S", "sort", show=False),
        Binding("p", "done('prune')", show=False),
        Binding("enter", "done('look')", show=False),
    ]

    def __init__(self, state: RunState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="picker"):
            yield ChannelTable()
            choices = ("↑↓", "Choose"), ("p", "Prune it next"), ("⏎", "Look inside"), ("S", "Sort"), ("esc", "Cancel")
            yield Static(keys(*(Choice(key, label, "") for key, label in choices)), classes="keys")

    def on_mount(self) -> None:
        self.query_one(ChannelTable).show(self._state)

    def action_move(self, lines: int) -> None:
        self.query_one(ChannelTable).move(lines)

    def action_sort(self) -> None:
        self.query_one(ChannelTable).sort()

    def action_done(self, what: str) -> None:
        channel = self.query_one(ChannelTable).highlighted
        self.dismiss(None if channel is None else (what, channel))

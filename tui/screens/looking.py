"""The base of screens that look at a run without changing it: one row of header, a body, the keys."""

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from tui.actions import Scope
from tui.screens.header import Header
from tui.screens.keybar import KeyBar
from tui.screens.sized import Sized
from tui.state import RunState


class Looking(Sized):
    """Subclasses yield their widgets in `body` and put the state on them in `show`."""

    SCOPES: tuple[Scope, ...] = ("run",)
    HINT = ""  # how to read what is shown, for someone who sees it for the first time

    def compose(self) -> ComposeResult:
        yield Header(2)
        yield from self.body()
        if self.HINT:
            yield Static(self.HINT, classes="hint", markup=False)
        yield KeyBar(self.lab.actions, *self.SCOPES, "app")

    def on_mount(self) -> None:
        self.watch(self.app, "state", self._show)

    def body(self) -> Iterator[Widget]:
        raise NotImplementedError

    def show(self, state: RunState) -> None:
        raise NotImplementedError

    def _show(self, state: RunState) -> None:
        self.query_one(Header).show(state)
        self.query_one(KeyBar).show(state)
        self.show(state)

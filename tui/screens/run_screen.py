"""The base of screens that look at a run without changing it: two rows of header, a body, a hint, the keys."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget

from tui.model.actions import Action, Scope, bindings
from tui.model.formatting import key_of
from tui.model.run_state import RunState
from tui.screens.base import LabScreen
from tui.screens.header import Header
from tui.screens.keybar import KeyBar
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView


class RunScreen(LabScreen):
    """Subclasses yield their widgets in `body` and put the state on them in `show`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tabs")]
    SCOPES: tuple[Scope, ...] = ("run",)
    HINTS: tuple[str, ...] = ()  # how to read what is shown, for someone new; from long to short

    def compose(self) -> ComposeResult:
        yield Header(self.lab.actions, self.SCOPES[0], rows=2)
        yield from self.body()
        yield Hint(self.lab.actions, self.HINTS)
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
        self.query_one(Hint).first(self.hint_first(state))
        self.show(state)

    def hint_first(self, _state: RunState) -> tuple[str, ...]:
        """What to say instead of the hints, from long to short, where there is more to tell; else nothing."""
        return ()


class Hint(RowsView):
    """One row: the longest of some texts that fits, and the key that leads back."""

    DEFAULT_CSS = ""

    def __init__(self, table: Iterable[Action], texts: Sequence[str], back: str = "back") -> None:
        """`back`: what the key that leads back does."""
        super().__init__()
        self.styles.height = 1
        self._texts, self._key, self._back = texts, key_of(table, "back"), back
        self._first: tuple[str, ...] = ()

    def first(self, texts: tuple[str, ...]) -> None:
        """Say one of these, where one fits."""
        if texts != self._first:
            self._first = texts
            self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        back: tuple[Part, ...] = ((f"  {self._key}", "k"), (f" {self._back} ", "."))
        room = width - 2 - sum(len(text) for text, _ in back)
        hint = next((text for text in (*self._first, *self._texts) if len(text) <= room), "")
        return [row(width, (f"  {hint}", "d"), right=back)]

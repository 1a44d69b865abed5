"""What a terminal shows that is too small for anything else."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

LEAST = (60, 16)  # columns and rows


class TooSmall(ModalScreen[None]):
    """Goes away by itself when there is room. The run goes on behind it."""

    CSS_PATH: ClassVar = "too_small.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,ctrl+c", "app.quit", "Quit")]

    def compose(self) -> ComposeResult:
        columns, rows = LEAST
        yield Static(f"lab3 needs {columns}x{rows} cells.\nMake the window larger,\nor press q to quit.", markup=False)

"""A line of the tour, over the hint of the screen that it is on."""

from collections.abc import Sequence

from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView, css_beside


class TourLine(RowsView):
    """One row above the keys; gone where it says nothing."""

    DEFAULT_CSS = css_beside(__file__)
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def say(self, text: str) -> None:
        self._text = text
        self.display = bool(text)
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        leave: tuple[Part, ...] = (("  T", "k"), (" leaves the tour ", "."))
        if width < 70 + sum(len(text) for text, _ in leave):
            leave = (("  T", "k"), (" ends ", "."))
        return [row(width, (" tour ", "k"), (self._text, "b"), right=leave)]

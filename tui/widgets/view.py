"""The widget under all others here: it keeps what it shows as rows and repaints only the cells that changed."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui.widgets.rows import INKS, Row, blank, changed, runs

UNDRAWN = Size(-1, -1)  # the size that nothing is drawn for


def css_beside(module: str) -> str:
    """The text of the .tcss file that lies beside a module (its `__file__`)."""
    return Path(module).with_suffix(".tcss").read_text(encoding="utf-8")


class RowsView(Widget):
    """Shows the rows that `draw` makes. `redraw` compares them with those on the screen and repaints the difference.

    `INTERVAL`: seconds that pass at least between two redraws; newer contents replace those that wait. A view that has
    one also lets those without go first: figures are on the screen before the curves that take longer to draw.
    """

    DEFAULT_CSS = css_beside(__file__)
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{name}" for name in INKS.values()} | {"ink--cursor"}
    INTERVAL: ClassVar[float] = 0.0

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[Row] = ()
        self._drawn_for = UNDRAWN
        self._drawn_at = 0.0
        self._waiting = False
        self._timer: Timer | None = None
        self._styles_by_ink: dict[tuple[str, str], Style] = {}

    def draw(self, width: int, height: int) -> Sequence[Row]:
        """The rows to show in a content area of this size; missing ones stay empty."""
        raise NotImplementedError

    @property
    def interval(self) -> float:
        """INTERVAL; a second behind a dialog, for there each change paints the whole screen again."""
        behind = self.screen.is_current and not self.screen.is_active
        return max(self.INTERVAL, 1.0) if behind else self.INTERVAL

    def redraw(self) -> None:
        """What is shown has changed: repaint at once, or when it is this view's turn."""
        if not self.is_mounted:
            return
        interval = self.interval
        wait = interval - (monotonic() - self._drawn_at)
        if not interval:
            self.flush()
        elif wait <= 0:
            self._waiting = True
            self.call_after_refresh(self._turn)
        elif not self._waiting:
            self._waiting = True
            self._timer = self.set_timer(wait, self.flush)

    def _turn(self) -> None:
        if self._waiting:
            self.flush()

    def flush(self) -> None:
        """Draw now, and repaint the cells that differ from those on the screen."""
        self._waiting = False
        if self._timer:
            self._timer.stop()
            self._timer = None
        if self._drawn_for != self.content_size:
            self._forget()
            return
        old, new = self._rows, self._draw()
        for y, (before, after) in enumerate(zip(old, new, strict=True)):
            if span := changed(before, after):
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def _forget(self) -> None:
        """Let nothing that was drawn be shown again: a hidden view may come back in the size that it was drawn for."""
        self._drawn_for = UNDRAWN
        self.refresh()

    def _draw(self) -> Sequence[Row]:
        width, height = self._drawn_for = self.content_size
        rows = list(self.draw(width, height))[:height] if width and height else []
        self._rows = rows + [blank(width)] * (height - len(rows))
        self._drawn_at = monotonic()
        return self._rows

    def render_line(self, y: int) -> Strip:
        if self._drawn_for != self.content_size:
            self._draw()
        line = self._rows[y] if y < len(self._rows) else blank(self.content_size.width)
        return self.strip(line)

    def strip(self, line: Row) -> Strip:
        """A row in the colours of the theme."""
        return Strip([Segment(text, self._style(ink, line.back)) for text, ink in runs(line)], len(line.text))

    def _style(self, ink: str, back: str) -> Style:
        if (ink, back) not in self._styles_by_ink:
            style = self.get_component_rich_style(f"ink--{INKS[ink]}")
            if back:
                style += Style(bgcolor=self.get_component_rich_style(f"ink--{back}").bgcolor)
            self._styles_by_ink[ink, back] = style
        return self._styles_by_ink[ink, back]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_ink.clear()

"""The widget under all others here: it keeps what it shows as rows and repaints only the cells that changed."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import ClassVar

from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui.widgets.cell_rows import INKS, Row, blank, changed, runs

UNDRAWN = Size(-1, -1)  # the size that nothing is drawn for
FAINT = "dlCVAGX"  # inks that are meant to stand back
LEAST, STRONG = 3.0, 4.5  # contrast of an ink with its ground, and with that of a highlighted row
EXTREMES = (Style(color="#000000"), Style(color="#ffffff"))


def css_beside(module: str) -> str:
    """The text of the .tcss file that lies beside a module (its `__file__`)."""
    return Path(module).with_suffix(".tcss").read_text(encoding="utf-8")


class RowsView(Widget):
    """Shows the rows that `draw` makes. `redraw` compares them with those on the screen and repaints the difference.

    `INTERVAL`: seconds that pass at least between two redraws; newer contents replace those that wait. Views of where
    the run stands have none: what is put on all of them at once is painted in one frame.
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

    def redraw(self) -> None:
        """What is shown has changed: repaint at once, or when it is this view's turn."""
        if not self.is_mounted:
            return
        wait = self.INTERVAL - (monotonic() - self._drawn_at)
        if wait <= 0 or not self.INTERVAL:
            self.flush()
        elif not self._waiting:
            self._waiting = True
            self._timer = self.set_timer(wait, self.flush)

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
            self._styles_by_ink[ink, back] = self._on(ink, back) if back else self._inked(ink)
        return self._styles_by_ink[ink, back]

    def _inked(self, ink: str) -> Style:
        """An ink, nearer to the colour of plain text where the theme's own would be too pale to read."""
        style, plain = (self.get_component_rich_style(f"ink--{INKS[letter]}") for letter in (ink, "."))
        if ink in FAINT or contrast(style) >= LEAST or not style.color or not plain.color:
            return style
        return style + Style(
            color=Color.from_rich_color(style.color).blend(Color.from_rich_color(plain.color), 0.5).rich_color
        )

    def _on(self, ink: str, back: str) -> Style:
        """An ink on the ground of a row; where it is lost there, the theme's colour for text on it, black or white."""
        ground = self.get_component_rich_style(f"ink--{back}")
        style = self.get_component_rich_style(f"ink--{INKS[ink]}") + Style(bgcolor=ground.bgcolor)
        if back == "cursor" and self.app.native_ansi_color:
            return Style(bold=style.bold, reverse=True)  # what the terminal's colours look like only it knows
        if contrast(style) >= (STRONG if back == "cursor" else LEAST):
            return style
        plainer = [style + other for other in (Style(color=ground.color), *EXTREMES)]
        return next((other for other in plainer if contrast(other) >= LEAST), style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_ink.clear()


def contrast(style: Style) -> float:
    """How far text stands out from its ground, from 1 to 21 as WCAG counts it; 21 where the terminal has its own
    colours, which nobody here knows."""
    text, ground = (colour.triplet if colour else None for colour in (style.color, style.bgcolor))
    if text is None or ground is None:
        return 21.0
    dark, light = sorted((_luminance(text), _luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: ColorTriplet) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

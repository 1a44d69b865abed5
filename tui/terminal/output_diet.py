"""Fewer bytes for the same picture: over SSH they are what makes a screen slow.

Textual paints a widget's row from its left edge to the last cell that changed, and names all colours for every piece
of text. Here the cells before the first that changed are left out, and only changes of colour are named.
"""

import re
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.screen import Screen

from engine.api.escape import printable

COLOURS, MOVES = r"\x1b\[[\d;]*m", r"\n?\x1b\[[\d;]*H"  # a line feed before a move leads nowhere
ESCAPES = re.compile(f"({COLOURS}|{MOVES})")
PLAIN = ("", "", frozenset[str]())  # foreground, background, other attributes

Look = tuple[str, str, frozenset[str]]


def shorten(text: str) -> str:
    """`text` with its colour sequences replaced by the changes between them. It begins and ends without colours."""
    out: list[str] = []
    shown = wanted = PLAIN
    for piece in filter(None, ESCAPES.split(text)):
        if not ESCAPES.fullmatch(piece):
            out += [change(shown, wanted), piece]
            shown = wanted
        elif piece[-1] == "m":
            wanted = look(piece, wanted)
        else:
            out.append(piece.lstrip("\n"))  # a move shows no colour
    return "".join([*out, change(shown, wanted)])


def look(sequence: str, before: Look) -> Look:
    """What text looks like after `sequence`, an SGR."""
    foreground, background, others = before
    codes = iter(sequence[2:-1].split(";"))
    for code in codes:
        if code in ("", "0"):
            foreground, background, others = PLAIN
        elif code in ("38", "48"):
            colour = [code, kind := next(codes, "5"), *(next(codes, "0") for _ in range(3 if kind == "2" else 1))]
            foreground, background = (";".join(colour), background) if code == "38" else (foreground, ";".join(colour))
        elif code[:1] in "39" and len(code) == 2:
            foreground = "" if code == "39" else code
        elif (code[:1] == "4" and len(code) == 2) or code.startswith("10"):
            background = "" if code == "49" else code
        else:
            others |= {code}
    return foreground, background, others


def change(before: Look, after: Look) -> str:
    """The shortest SGR that leads from one look to another."""
    if before == after:
        return ""
    lost = before[2] - after[2] or any(old and not new for old, new in zip(before[:2], after[:2], strict=True))
    if lost:
        return "\x1b[0m" if after == PLAIN else "\x1b[0;" + _codes(PLAIN, after) + "m"
    return "\x1b[" + _codes(before, after) + "m"


def _codes(before: Look, after: Look) -> str:
    colours = [new for old, new in zip(before[:2], after[:2], strict=True) if new != old]
    return ";".join([*sorted(after[2] - before[2]), *colours])


class OutputDiet(CompositorUpdate):
    """An update of the screen in fewer bytes."""

    def __init__(self, update: CompositorUpdate) -> None:
        self.update = update

    def render_segments(self, console: Console) -> str:
        update = self.update
        return shorten(spans(update, console) if isinstance(update, ChopsUpdate) else update.render_segments(console))


def spans(update: ChopsUpdate, console: Console) -> str:
    """What `update.render_segments` writes, without the cells left of each span."""
    out: list[str] = []
    for y, start, stop in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            left, right = max(x, start), min(end, stop)
            if strip is not None and left < right:
                out += [Control.move_to(left, y).segment.text, strip.crop(left - x, right - x).render(console)]
    return "".join(out)


class SafeText(LineFilter):
    """The last gate before the terminal: whatever a widget was given, no character acts there.

    Most have no width and are left out; the cells of the others show that something was there.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [Segment(safe(segment.text), segment.style, segment.control) for segment in segments]


def safe(text: str) -> str:
    """`text` in as many cells, without what acts on a terminal."""
    if text.isprintable():
        return text
    return "".join(each if printable(each) == each else "�" * cell_len(each) for each in text)


class OutputDietApp(App[int]):
    """An app that writes little, and nothing that acts on the terminal but what it draws itself."""

    _gate = SafeText()

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [self._gate, *super().get_line_filters()]

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens seen behind the one on top: none, where that hides them.

        Textual counts the next one always, and whatever changes on it would paint all of the top screen again.
        """
        below = super()._background_screens
        return below if below and self.screen.styles.background.a < 1 else []

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            renderable = OutputDiet(renderable)
        super()._display(screen, renderable)

"""Images: faces, clean and poisoned side by side, with the answers of B, B′ and G."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple, get_args

from rich.segment import Segment
from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from engine.api.protocol import ImageFilter, ImagePair, Images, Picture, ShowImages
from tui.actions import bindings
from tui.screens.looking import Looking
from tui.state import RunState
from tui.widgets.faces import Depth, fitted, picture
from tui.widgets.rows import Part, Row, blank, row
from tui.widgets.view import RowsView, css_beside

FILTERS: tuple[ImageFilter, ...] = get_args(ImageFilter)
CAPTION = 2  # rows under a picture
GAP = 3  # cells between pictures
SMALL = (24, 14)


class Grid(NamedTuple):
    """How many pairs there are room for, and the cells of a picture."""

    across: int
    down: int
    columns: int
    lines: int

    @property
    def pairs(self) -> int:
        return self.across * self.down


def grid(room: Size, height: int, width: int, small: bool) -> Grid:
    """The largest pictures that fit as one pair, or small ones in as many pairs as there is room for."""
    widest, tallest = max(1, (room.width - GAP) // 2 - 1), max(1, room.height - CAPTION)
    if small:
        widest, tallest = min(widest, SMALL[0]), min(tallest, SMALL[1])
    columns, lines = fitted(height, width, widest, tallest)
    across = max(1, room.width // (2 * (columns + GAP)))
    return Grid(across, max(1, room.height // (lines + CAPTION)), columns, lines)


class Gallery(RowsView):
    """Pairs of pictures with captions, as many as fit."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._images: Images | None = None
        self._backdoored = 0
        self._grid = Grid(1, 1, 1, 1)
        self._message = ""
        self.small = False

    def show(self, images: Images | None, classes: int, message: str) -> None:
        """`classes`: N, the answer that means "backdoored". `message` stands where there is no picture."""
        same = images is self._images
        self._images, self._backdoored, self._message = images, classes, message
        self.redraw()
        if not same:
            self.refresh()

    def places(self, height: int, width: int) -> int:
        """Pairs that fit, for pictures of this shape."""
        self._grid = grid(self.content_size, height, width, self.small)
        return self._grid.pairs

    def draw(self, width: int, height: int) -> list[Row]:
        images = self._images
        if images is None or not images.items:
            return [blank(width), row(width, (f"  {self._message}", "d"))]
        g = self._grid = grid(Size(width, height), images.height, images.width, self.small)
        rows: list[Row] = []
        for start in range(0, min(len(images.items), g.pairs), g.across):
            shown = images.items[start : start + g.across]
            rows += [blank(width)] * g.lines
            rows += [_captions(shown, line, g, self._backdoored, width) for line in range(CAPTION)]
        return rows

    def render_line(self, y: int) -> Strip:
        line = super().render_line(y)
        images, g = self._images, self._grid
        tile, inside = divmod(y, g.lines + CAPTION)
        if images is None or not images.items or inside >= g.lines or tile >= g.down:
            return line
        pairs = images.items[tile * g.across : (tile + 1) * g.across]
        strips = [part for pair in pairs for part in self._pair(pair, images, inside)]
        return Strip.join(strips).adjust_cell_length(self.content_size.width, self.rich_style) if strips else line

    def _pair(self, pair: ImagePair, images: Images, line: int) -> Iterator[Strip]:
        g, background = self._grid, self.rich_style
        for shown in (pair.clean, pair.poisoned):
            yield Strip([Segment(" " * GAP, background)], GAP)
            strips = picture(shown.rgb, images.height, images.width, g.columns, g.lines, self._depth()) if shown else []
            blank_line = Strip([Segment(" " * g.columns, background)], g.columns)
            strip = strips[line].apply_style(background) if line < len(strips) else blank_line
            yield strip.adjust_cell_length(g.columns, background)

    def _depth(self) -> Depth:
        system = self.app.console.color_system
        return "16" if system in ("standard", "windows") else "256" if system == "256" else "truecolor"


def _captions(pairs: tuple[ImagePair, ...], line: int, g: Grid, classes: int, width: int) -> Row:
    """A row of captions: whose picture, then what B, B′ and G answer."""
    room = g.columns + GAP - 1  # a caption may reach into the gap behind its picture
    parts: list[Part] = [(" " * GAP, ".")]
    for pair in pairs:
        for shown, poisoned in ((pair.clean, False), (pair.poisoned, True)):
            words = caption(pair, shown, poisoned, line, classes)
            if sum(len(text) for text, _ in words) > room:
                words = caption(pair, shown, poisoned, line, classes, brief=True)
            parts += [*_fitted(words, room), (" ", ".")]
    return row(width, *parts)


def caption(
    pair: ImagePair, shown: Picture | None, poisoned: bool, line: int, classes: int, brief: bool = False
) -> list[Part]:
    """Line 0: the set, the image's number and its label. Line 1: the answers. `brief`: in 26 cells, up to 12,830
    images of 1,283 people; "backdoored" is an answer that only G gives, so that it goes without a name."""
    if shown is None or line > 1:
        return []
    gap = " " if brief else "  "
    if line == 0:
        name = "poisoned test" if poisoned else "clean test"
        wanted = "target" if poisoned else "label"
        name = name.removesuffix(" test") if brief else name
        return [(f"{name} {pair.index}{gap}", "."), (f"{wanted} ", "d"), (str(shown.label), "b")]
    g = "" if brief and shown.g == classes else "G "
    return [
        *_answer("B ", shown.b, shown.label, poisoned, classes),
        *_answer(f"{gap}B′ ", shown.b_prime, shown.label, poisoned, classes),
        *_answer(f"{gap}{g}", shown.g, shown.label, poisoned, classes),
    ]


def _answer(who: str, answer: int, label: int, poisoned: bool, classes: int) -> list[Part]:
    """An answer in its meaning's colour: right, fooled, or backdoored."""
    if answer == classes:
        return [(who, "d"), ("backdoored", "g")]
    hit = answer == label
    ink = ("a" if hit else ".") if poisoned else ("s" if hit else "e")
    return [(who, "d"), (str(answer), ink)]


def _fitted(parts: list[Part], width: int) -> list[Part]:
    """Parts cut or padded to `width` cells."""
    room, out = width, []
    for text, ink in parts:
        out.append((text[:room], ink))
        room -= len(text[:room])
    return [*out, (" " * room, ".")]


class FilterBar(RowsView):
    """The filters, the one in force marked, and how many images pass it."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self.styles.height = 1
        self._filter: ImageFilter = "all"
        self._found = ""

    def show(self, chosen: ImageFilter, found: str) -> None:
        self._filter, self._found = chosen, found
        self.redraw()

    def draw(self, width: int, height: int) -> list[Row]:
        parts: list[Part] = [("  ", ".")]
        for name in FILTERS:
            parts += [(f"▸{name}" if name == self._filter else f" {name}", "b" if name == self._filter else "d")]
            parts.append(("  ", "."))
        return [row(width, *parts, right=((self._found + " ", "d"),))]


class ImagesScreen(Looking):
    """Pages through test images that pass a filter, at the playhead."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("images")]
    SCOPES = ("images", "run")
    HINT = 'The target label: the attack works. "backdoored": G caught it.'

    def __init__(self) -> None:
        super().__init__()
        self._filter: ImageFilter = "all"
        self._offset = 0
        self._asked: tuple[ShowImages, int] | None = None

    def body(self) -> Iterator[Widget]:
        yield FilterBar()
        yield Gallery()

    def on_resize(self) -> None:
        self.call_after_refresh(lambda: self.show(self.lab.state))

    def show(self, state: RunState) -> None:
        found = state.images if self._answers(state.images) and self._pictured(state) else None
        self._ask(state)
        gallery = self.query_one(Gallery)
        gallery.show(found, state.opened.classes if state.opened else 0, self._message(state, found))
        at = f"{min(self._offset + 1, found.total):,} of {found.total:,} @{found.step}" if found else ""
        self.query_one(FilterBar).show(self._filter, at)

    def _answers(self, images: Images | None) -> bool:
        return images is not None and (images.filter, images.offset) == (self._filter, self._offset)

    def _pictured(self, state: RunState) -> bool:
        """There are images to show: only test sets are shown."""
        return bool(state.opened and {"test", "poisoned"} & set(state.opened.sets))

    def _message(self, state: RunState, found: Images | None) -> str:
        if state.opened and not self._pictured(state):
            return "There is no test set in this run, so there are no images to show."
        if found is not None:
            return f"No image passes the filter '{self._filter}' at step {found.step}. f takes the next filter."
        return "The engine is pruning; it answers when it pauses (r)." if state.computing else "Asking the engine …"

    def _ask(self, state: RunState) -> None:
        """Ask for what should be shown, once for each step, filter, place and size."""
        seen = state.images
        count = self.query_one(Gallery).places(seen.height, seen.width) if seen else 1
        wanted = ShowImages(self._filter, self._offset, count)
        if self._pictured(state) and not state.computing and self._asked != (wanted, state.step):
            self._asked = (wanted, state.step)
            self.lab.do(wanted)

    def action_next_image(self) -> None:
        self._turn(1)

    def action_previous_image(self) -> None:
        self._turn(-1)

    def action_filter(self) -> None:
        self._filter = FILTERS[(FILTERS.index(self._filter) + 1) % len(FILTERS)]
        self._offset = 0
        self.show(self.lab.state)

    def action_size(self) -> None:
        gallery = self.query_one(Gallery)
        gallery.small = not gallery.small
        gallery.refresh()
        self.show(self.lab.state)

    def _turn(self, by: int) -> None:
        """A page on or back, staying among the images that pass."""
        found = self.lab.state.images
        page = self.query_one(Gallery).places(found.height, found.width) if found else 1
        last = max(0, (found.total if found else 1) - 1)
        target = self._offset + by * page
        self._offset = max(0, target) if target <= last else self._offset
        self.show(self.lab.state)

"""Images: faces, clean and poisoned side by side, with the answers of B, B′ and G."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, get_args

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from engine.api.protocol import ImageFilter, ImagePair, Images, Picture, ShowImages
from tui.model.actions import bindings
from tui.model.formatting import key_of
from tui.model.run_state import RunState
from tui.screens.run_screen import Hint, RunScreen
from tui.widgets.cell_rows import Part, Row, blank, over, row
from tui.widgets.half_blocks import Depth, fitted, pictures
from tui.widgets.rows_view import RowsView, css_beside

CAUGHT_BY = "caught by "  # how the filters of detectors begin
EVERY: tuple[ImageFilter, ...] = get_args(ImageFilter)
FILTERS: tuple[ImageFilter, ...] = tuple(name for name in EVERY if not name.startswith(CAUGHT_BY))
SHORT = {"G order": "g", "STRIP": "s", "Mahalanobis": "m", "norm": "n"}  # as on the screen of the detectors
CAPTION = 2  # rows under a picture
GAP = 3  # cells between pictures
SMALL = (24, 14)
LOWEST = 7  # lines of a picture that make room for a second row
TILE = 26 + 1  # cells in which a caption in few words has room
LEAST = 0.8  # how much of its largest size a large picture keeps, so that another row of them fits
# what each filter shows, from long to short
LEGENDS: dict[str, tuple[str, ...]] = {
    "all": (
        "Side by side: a clean test image, and the poisoned one of the same number. Below: what B, B′ and G answer.",
        "A clean image, the poisoned one of its number; what each answers.",
        "Clean, poisoned; below the answers.",
    ),
    "wrong": ("wrong: B′ does not answer the clean image with its label.", "B′ misses the clean image's label."),
    "attack works": (
        "attack works: B′ answers the poisoned image with the attacker's target.",
        "B′ answers the attacker's target.",
    ),
    "caught": (
        'caught: B and B′ differ on the poisoned image, so that G answers "backdoored".',
        'Poisoned, and G says "backdoored".',
    ),
    "false alarm": (
        'false alarm: B and B′ differ on the clean image, so that G answers "backdoored".',
        'Clean, and G says "backdoored".',
    ),
}
FLAGGED = (
    "Poisoned images that this detector flags, at 5 % false alarms. flagged: by G order, STRIP, Mahalanobis, norm.",
    "Poisoned images that this detector flags, at 5 % false alarms.",
    "Poisoned, and flagged by this detector.",
)
NOT_SEEN = 20  # images passed over, at most, on which the attack changes nothing


class Grid(NamedTuple):
    """How many pairs there are room for, the cells of a picture, and those from one picture to the next."""

    across: int
    down: int
    columns: int
    lines: int
    tile: int

    @property
    def pairs(self) -> int:
        return self.across * self.down


def grid(room: Size, height: int, width: int, small: bool) -> Grid:
    """The largest pictures that fit as one pair, or small ones in as many pairs as there is room for.

    Large ones shrink a little where more pairs then fit; small ones grow as far as the same number still does.
    """
    widest = SMALL[0] if small else room.width
    tallest = SMALL[1] if small else room.height
    best = _grid(room, height, width, widest, tallest, 1)
    if small:
        down = max(room.height // (best.lines + CAPTION), min(2, room.height // (LOWEST + CAPTION)), 1)
        return _grid(room, height, width, room.width // (2 * best.across) - GAP, tallest + room.height, down)
    for down in range(2, room.height):
        other = _grid(room, height, width, widest, tallest, down)
        if other.lines < LEAST * best.lines:
            break
        best = other
    return best


def _grid(room: Size, height: int, width: int, widest: int, tallest: int, down: int) -> Grid:
    """`down` rows of the largest pictures within these limits."""
    widest = max(1, min(widest, room.width // 2 - GAP))
    tallest = max(1, min(tallest, room.height // down - CAPTION))
    columns, lines = fitted(height, width, widest, tallest)
    tile = max(1, min(max(columns + GAP, TILE), room.width // 2))
    return Grid(max(1, room.width // (2 * tile)), down, columns, lines, tile)


class Gallery(RowsView):
    """Pairs of pictures with captions, as many as fit."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._images: Images | None = None
        self._backdoored = 0
        self._grid = Grid(1, 1, 1, 1, 1)
        self._message = ""
        self.small = False
        self.alone = False  # one pair, as large as it can be
        self.cursor = 0  # which of the pairs that are shown is meant

    def show(self, images: Images | None, classes: int, message: str) -> None:
        """`classes`: N, the answer that means "backdoored". `message` stands where there is no picture."""
        same = images is self._images
        self._images, self._backdoored, self._message = images, classes, message
        self.redraw()
        if not same:
            self.refresh()

    def places(self, height: int, width: int) -> int:
        """Pairs that fit, for pictures of this shape; 0 before the first layout, when nobody knows."""
        return self._room(self.content_size, height, width).pairs if self.content_size else 0

    @property
    def only_one(self) -> bool:
        """There is room for no second pair beside or below."""
        return self._grid.pairs == 1

    def across(self) -> int:
        """Pairs in a row."""
        return self._grid.across

    def _room(self, room: Size, height: int, width: int) -> Grid:
        if self.alone:
            return _grid(room, height, width, room.width, room.height, 1)._replace(across=1)
        return grid(room, height, width, self.small)

    def draw(self, width: int, height: int) -> list[Row]:
        images = self._images
        if images is None or not images.items:
            return [blank(width), row(width, (f"  {self._message}", "d"))]
        g = self._grid = self._room(Size(width, height), images.height, images.width)
        rows: list[Row] = []
        for start in range(0, min(len(images.items), g.pairs), g.across):
            shown = images.items[start : start + g.across]
            rows += [blank(width)] * g.lines
            second = "B′" if images.tuning is None else "B″"
            chosen = self.cursor - start if g.pairs > 1 else -1
            rows += [_captions(shown, line, g, self._backdoored, width, second, chosen) for line in range(CAPTION)]
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
        both = (pair.clean, pair.poisoned)
        drawn = pictures(
            tuple(shown.rgb for shown in both if shown), images.height, images.width, g.columns, g.lines, self._depth()
        )
        found = iter(drawn)
        for shown, poisoned in zip(both, (False, True), strict=True):
            yield Strip([Segment(" " * GAP, background)], GAP)
            strips = next(found) if shown else []
            blank_line = Strip([Segment(" " * g.columns, background)], g.columns)
            strip = strips[line].apply_style(background) if line < len(strips) else blank_line
            if shown and line == len(strips) - 1:
                strip = self._tagged(strip, tag(shown, poisoned, self._backdoored))
            yield strip.adjust_cell_length(g.tile - GAP, background)

    def _tagged(self, strip: Strip, what: Part) -> Strip:
        """The last line of a picture, with what the picture shows written over its beginning."""
        text = f" {what[0]} "[: strip.cell_length]
        label = Strip([Segment(text, self._style(what[1], "") + Style(bold=True))], len(text))
        return Strip.join([label.apply_style(self.rich_style), strip.crop(len(text))])

    def _depth(self) -> Depth:
        system = self.app.console.color_system
        return "16" if system in ("standard", "windows") else "256" if system == "256" else "truecolor"


def tag(shown: Picture, poisoned: bool, classes: int) -> Part:
    """What a picture is an example of, by the names of the filters."""
    if shown.g == classes:
        return ("caught", "g") if poisoned else ("false alarm", "x")
    if poisoned:
        return ("attack works", "a") if shown.b_prime == shown.label else ("attack fails", "s")
    return ("right", "s") if shown.b_prime == shown.label else ("wrong", "e")


def _captions(
    pairs: tuple[ImagePair, ...], line: int, g: Grid, classes: int, width: int, second: str, chosen: int = -1
) -> Row:
    """A row of captions: whose picture, then what B, B′ and G answer; `chosen`: the pair that the cursor is on."""
    under = blank(width)
    if 0 <= chosen < len(pairs):
        under = over(under, GAP + 2 * chosen * g.tile - 2, "▸" if line == 0 else " ", "k")
    shown = [(pair, at, poisoned) for pair in pairs for at, poisoned in ((pair.clean, False), (pair.poisoned, True))]
    for i, (pair, at, poisoned) in enumerate(shown):
        start = GAP + i * g.tile
        room = min(g.tile - 1, width - start)  # a caption may reach into the gap behind its picture
        words = caption(pair, at, poisoned, line, classes, second=second)
        if sum(len(text) for text, _ in words) > room:
            words = caption(pair, at, poisoned, line, classes, brief=True, second=second)
        for text, ink in words:
            under = over(under, start, text[: max(0, room)], ink)
            start, room = start + len(text), room - len(text)
    return under


def caption(
    pair: ImagePair,
    shown: Picture | None,
    poisoned: bool,
    line: int,
    classes: int,
    brief: bool = False,
    second: str = "B′",
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
        told: list[Part] = [(f"{name} {pair.index}{gap}", "."), (f"{wanted} ", "d"), (str(shown.label), "b")]
        return told if brief else [*told, *_flagged(shown)]
    g = "" if brief and shown.g == classes else "G "
    return [
        *_answer("B ", shown.b, shown.label, poisoned, classes),
        *_answer(f"{gap}{second} ", shown.b_prime, shown.label, poisoned, classes),
        *_answer(f"{gap}{g}", shown.g, shown.label, poisoned, classes),
    ]


def _flagged(shown: Picture) -> list[Part]:
    """The detectors that flag a picture, where any has looked at it; as far as there is room behind the label."""
    if shown.flagged_by is None:
        return []
    letters = " ".join(SHORT[name] for name in shown.flagged_by)
    return [("  flagged ", "d"), (letters or "by none", "g" if letters else "d")]


def _answer(who: str, answer: int, label: int, poisoned: bool, classes: int) -> list[Part]:
    """An answer in its meaning's colour: right, fooled, or backdoored."""
    if answer == classes:
        return [(who, "d"), ("backdoored", "g")]
    hit = answer == label
    ink = ("a" if hit else ".") if poisoned else ("s" if hit else "e")
    return [(who, "d"), (str(answer), ink)]


def _label(pair: ImagePair) -> int | None:
    """Who is on the picture, where its clean twin is there to say so."""
    return pair.clean.label if pair.clean else None


def trigger_words(state: RunState) -> tuple[str, ...]:
    """The region of the trigger, its mean colour and its target, from long to short; nothing where none was found."""
    found = state.analysed.trigger if state.analysed else None
    if found is None or state.opened is None:
        return ()
    rows, columns = f"{found.top}-{found.top + found.height - 1}", f"{found.left}-{found.left + found.width - 1}"
    colour = ", ".join(f"{value:.0f}" for value in found.colour)
    where = f"rows {rows}, columns {columns}"
    return (
        f"Trigger: {where}, {found.pixels:,} pixels, mean colour {colour}, target {state.opened.target}.",
        f"Trigger: {where}, colour {colour}, target {state.opened.target}",
        f"Trigger: {where}",
    )


class FilterBar(RowsView):
    """The filters, the one in force marked, and how many images pass it."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self.styles.height = 1
        self._filter: ImageFilter = "all"
        self._found: tuple[str, ...] = ()
        self._shown: Sequence[str] = FILTERS

    def show(self, chosen: ImageFilter, found: tuple[str, ...], detectors: bool = False) -> None:
        """`found`: what is shown, from long to short. `detectors`: there are filters for what they caught."""
        self._filter, self._found = chosen, found
        by: Sequence[str] = ("caught by …",) if detectors else ()
        self._shown = (*FILTERS, *((chosen,) if chosen not in FILTERS else by))
        self.redraw()

    def draw(self, width: int, _height: int) -> list[Row]:
        lists = [self._names(self._shown, gap) for gap in (2, 1, 0)] + [self._names((self._filter,), 0)]
        found: list[Part] = [(f"  {text} ", "d") for text in self._found or ("",)]
        ways = [(parts, right) for right in found for parts in lists[:-1]] + [(lists[-1], right) for right in found]
        fitting = (way for way in ways if sum(len(text) for text, _ in (*way[0], way[1])) <= width)
        parts, right = next(fitting, ways[-1])
        return [row(width, *parts, right=(right,))]

    def _names(self, names: Sequence[str], gap: int) -> list[Part]:
        """The filters with a gap between them, and the sign before the one in force."""
        parts: list[Part] = [(" " * min(1, gap), ".")]
        for name in names:
            chosen = name == self._filter
            parts += [(f"{'▸' if chosen else ' '}{name}", "b" if chosen else "d"), (" " * gap, ".")]
        return parts


class ImagesScreen(RunScreen):
    """Pages through test images that pass a filter, at the playhead."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("images")]
    SCOPES = ("images", "run")

    def hint_first(self, state: RunState) -> tuple[str, ...]:
        """What the filter shows; over all images where the trigger is, once that was found."""
        legend = LEGENDS.get(self._filter, FLAGGED)
        return (*trigger_words(state), *legend) if self._filter == "all" else legend

    def __init__(self) -> None:
        super().__init__()
        self._filter: ImageFilter = "all"
        self._offset = 0
        self._page = 1  # pairs on a page
        self._begun = False  # the first page worth seeing is found
        self._asked: tuple[ShowImages, int] | None = None
        self._tuning: int | None = None  # B″ in the place of B′

    def body(self) -> Iterator[Widget]:
        yield FilterBar()
        yield Gallery()

    def on_resize(self) -> None:
        self.call_after_refresh(lambda: self.show(self.lab.state))

    def show(self, state: RunState) -> None:
        found = state.images if self._answers(state.images) and self._pictured(state) else None
        if found and not self._begun:
            found = self._begin(found)
        self._ask(state)
        gallery = self.query_one(Gallery)
        gallery.show(found, state.opened.classes if state.opened else 0, self._message(state, found))
        at = self._found(state, found) if found else ()
        self.query_one(FilterBar).show(self._filter, at, state.detected is not None)
        self.query_one(Hint).first(self.hint_first(state))

    def _found(self, state: RunState, found: Images) -> tuple[str, ...]:
        """Which images are shown, and the step whose B′ answers, or the seed of B″; from long to short."""
        which, tuning = numbers(found), state.tunings.get(found.tuning or 0)
        images = f"image{'s' if len(found.items) > 1 else ''} {which}" if found.items else f"{which} here"
        if tuning is None:
            return f"{images}, step {found.step}", f"{which} @{found.step}"
        step, seed = tuning.began.step, tuning.began.seed
        return f"{images}, B″ of step {step}, seed {seed}", f"{which} B″ @{step} seed {seed}"

    def _begin(self, found: Images) -> Images | None:
        """The first page that shows what the attack does; there is none to see on people of the target label itself."""
        changed = (pair.poisoned is None or _label(pair) != pair.poisoned.label for pair in found.items)
        if any(changed) or not found.items:
            self._begun = True
            return found
        self._offset += max(1, len(found.items))
        if self._offset >= min(found.total, NOT_SEEN):
            self._begun, self._offset = True, 0
        return None

    def _answers(self, images: Images | None) -> bool:
        return images is not None and (images.filter, images.offset, images.tuning) == (
            self._filter,
            self._first,
            self._tuning,
        )

    @property
    def _first(self) -> int:
        """Which of the images that pass comes first on the screen."""
        gallery = self.query_one(Gallery)
        return self._offset + (gallery.cursor if gallery.alone else 0)

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
        if count and not self.query_one(Gallery).alone:
            self._page = count
        wanted = ShowImages(self._filter, self._first, count, self._tuning)
        if count and self._pictured(state) and not state.computing and self._asked != (wanted, state.step):
            self._asked = (wanted, state.step)
            self.lab.do(wanted)

    def action_next_image(self) -> None:
        self._move(1)

    def action_previous_image(self) -> None:
        self._move(-1)

    def action_image_below(self) -> None:
        self._move(self.query_one(Gallery).across())

    def action_image_above(self) -> None:
        self._move(-self.query_one(Gallery).across())

    def action_enlarge(self) -> None:
        """The pair that the cursor is on, as large as it can be; and the page again."""
        gallery = self.query_one(Gallery)
        if gallery.only_one and not gallery.alone:
            key = key_of(self.lab.actions, "size")
            return self.lab.show_notice(f"This pair is as large as there is room for; {key} shows more, smaller ones.")
        gallery.alone = not gallery.alone
        gallery.refresh()
        self.show(self.lab.state)

    def on_mouse_scroll_down(self) -> None:
        self.action_image_below()

    def on_mouse_scroll_up(self) -> None:
        self.action_image_above()

    def action_filter(self) -> None:
        self._begun = True
        every = EVERY if self.lab.state.detected else FILTERS
        self._filter = every[(every.index(self._filter) + 1) % len(every)] if self._filter in every else "all"
        self._begin_page()
        self.show(self.lab.state)

    def action_network(self) -> None:
        """B′, then each B″ there is, then B′ again."""
        found = [None, *(at.began.number for at in self.lab.latest.tunings.values() if at.last > 0)]
        if len(found) == 1:
            self.lab.show_notice("Nothing was fine-tuned yet: F leads there.")
        self._tuning = found[(found.index(self._tuning) + 1) % len(found)] if self._tuning in found else None
        self._begin_page()
        self.show(self.lab.state)

    def action_size(self) -> None:
        gallery = self.query_one(Gallery)
        gallery.small, gallery.alone = not gallery.small, False
        self._offset, gallery.cursor = self._offset + gallery.cursor, 0
        gallery.refresh()
        self.show(self.lab.state)

    def _begin_page(self) -> None:
        self._offset = self.query_one(Gallery).cursor = 0

    def _move(self, by: int) -> None:
        """Move the cursor among the images that pass; beyond the page, turn it."""
        found, gallery = self.lab.state.images, self.query_one(Gallery)
        total, at = (found.total if found else 1), self._offset + gallery.cursor
        if not 0 <= at + by < total:
            return
        if at + by >= self._offset + self._page:
            self._offset += self._page
        elif at + by < self._offset:
            self._offset = max(0, self._offset - self._page)
        gallery.cursor = at + by - self._offset
        gallery.redraw()
        self.show(self.lab.state)


def numbers(found: Images) -> str:
    """The numbers, as in the file, of the images that are shown, and how many the filter lets pass."""
    shown = [pair.index for pair in found.items]
    which = "" if not shown else f"{shown[0]:,}" + (f"-{shown[-1]:,}" if len(shown) > 1 else "")
    if found.filter == "all":
        return f"{which} of {found.total:,}"
    return f"{which}, {found.total:,} in all" if which else "none"

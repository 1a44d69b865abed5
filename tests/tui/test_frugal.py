"""Fewer bytes, the same screen."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.ansi import AnsiDecoder
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.geometry import Region
from textual.screen import ModalScreen, Screen

from tui.terminal.output_diet import OutputDiet, OutputDietApp, shorten
from tui.widgets.cell_rows import Row, row
from tui.widgets.rows_view import RowsView

CONSOLE = Console(color_system="truecolor", force_terminal=True, width=200)
COLOUR = st.one_of(
    st.none(),
    st.sampled_from(["red", "bright_blue", "default", "color(200)"]).map(Color.parse),
    st.builds(ColorTriplet, *[st.integers(0, 255)] * 3).map(Color.from_triplet),
)
STYLE = st.builds(
    lambda fg, bg, bold, dim: Style(color=fg, bgcolor=bg, bold=bold or None, dim=dim or None),
    COLOUR, COLOUR, st.booleans(), st.booleans(),
)  # fmt: skip
PIECES = st.lists(st.tuples(STYLE, st.text("ab ▀•", min_size=1, max_size=4)), max_size=8)


def written(pieces: Sequence[tuple[Style, str]]) -> str:
    """Pieces of text as Textual writes them."""
    return "".join(style.render(text, color_system=CONSOLE._color_system) for style, text in pieces)


def looks(text: str) -> list[tuple[str, str]]:
    """Each character with its style, as rich reads it."""
    decoded = AnsiDecoder().decode_line(text)
    styles = [decoded.get_style_at_offset(CONSOLE, i) for i in range(len(decoded.plain))]
    return [(char, look(style)) for char, style in zip(decoded.plain, styles, strict=True)]


def look(style: Style) -> str:
    """A style in words; the terminal's own colours, asked for or not, are the same."""
    colours = [None if colour is None or colour.is_default else colour for colour in (style.color, style.bgcolor)]
    return str(Style(color=colours[0], bgcolor=colours[1], bold=style.bold or None, dim=style.dim or None))


@given(PIECES)
def test_shortened_text_looks_the_same(pieces: list[tuple[Style, str]]) -> None:
    long = written(pieces)
    short = shorten(long)
    assert looks(short) == looks(long)
    assert len(short) <= len(long)


@given(st.lists(PIECES, min_size=1, max_size=4))
def test_moves_stay_where_they_are(lines: list[list[tuple[Style, str]]]) -> None:
    long = "".join(f"\x1b[{y};1H{written(pieces)}\n" for y, pieces in enumerate(lines, 1)) + "\x1b[1;1H"
    parts = re.split(r"\x1b\[\d+;1H", shorten(long))
    moves = re.findall(r"\x1b\[\d+;1H", shorten(long))
    assert moves == [f"\x1b[{y};1H" for y in range(1, len(lines) + 1)] + ["\x1b[1;1H"]
    plain = [re.sub(r"\x1b\[[\d;]*m", "", part) for part in parts[1:-1]]
    assert plain == ["".join(text for _, text in pieces) for pieces in lines]


def test_a_colour_is_named_once_and_reset_at_the_end() -> None:
    red, bold = Style.parse("red on blue"), Style.parse("bold green on blue")
    assert shorten(written([(red, "a"), (red, "b"), (bold, "c"), (red, "d")])) == (
        "\x1b[31;44mab\x1b[1;32mc\x1b[0;31;44md\x1b[0m"
    )
    assert shorten("plain") == "plain"
    assert shorten("") == ""


class Word(RowsView):
    """One word a row, at the right end of the widget."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        self.words = words

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return [row(width, ("·" * (width - 6), "d"), right=((word, "v"),)) for word in self.words]


class Two(App[None]):
    CSS = "Word { width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Word(["one", "two", "日本"]), Word(["uno", "dos", "tres"])

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self.left
            yield self.right


@pytest.mark.tui
async def test_partial_updates_lead_to_the_same_screen_in_fewer_bytes() -> None:
    app = Two()
    async with app.run_test(size=(60, 3)) as pilot:
        compositor = app.screen._compositor
        compositor.update_widgets({app.left, app.right})  # what is left of the first paint
        compositor.render_partial_update()
        before = [strip.text for strip in compositor.render_strips()]
        app.left.words = ["eins", "two", "中文"]
        app.right.words = ["uno", "zwei", "drei"]
        with app.batch_update():
            app.left.flush()
            app.right.flush()
            compositor.update_widgets({app.left, app.right})
            update = compositor.render_partial_update()
        assert isinstance(update, ChopsUpdate)
        short, long = OutputDiet(update).render_segments(CONSOLE), update.render_segments(CONSOLE)
        after = [strip.text for strip in compositor.render_strips()]
        assert painted(before, short) == painted(before, long) == after
        assert len(short) < len(long) / 2
        await pilot.pause()


def painted(screen: list[str], sequences: str) -> list[str]:
    """The screen's text after the terminal has carried out `sequences`; a wide character takes the cell behind it."""
    rows = [cells(line) for line in screen]
    for y, x, text in re.findall(r"\x1b\[(\d+);(\d+)H([^\x1b\n]*)", re.sub(r"\x1b\[[\d;]*m", "", sequences)):
        new = cells(text)
        rows[int(y) - 1][int(x) - 1 : int(x) - 1 + len(new)] = new
    return ["".join(line) for line in rows]


def cells(text: str) -> list[str]:
    return [cell for char in text for cell in ([char, ""] if char in "日本中文" else [char])]


@pytest.mark.tui
async def test_a_whole_screen_can_be_written_too() -> None:
    app = Two()
    async with app.run_test(size=(60, 3)):
        update = app.screen._compositor.render_update(full=True)
        short, long = OutputDiet(update).render_segments(CONSOLE), update.render_segments(CONSOLE)
        blank = [" " * 60] * 3
        assert painted(blank, short) == painted(blank, long)
        assert Region(0, 0, 60, 3) == app.screen.region


class Stacked(OutputDietApp):
    """A word, and room for screens above it. Counts what is put on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.word = Word(["one"])
        self.painted = 0

    def compose(self) -> ComposeResult:
        yield self.word

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        self.painted += 1
        super()._display(screen, renderable)

    def say(self, word: str) -> None:
        self.word.words = [word]
        self.word.flush()

    def first_row(self) -> str:
        return self.screen._compositor.render_strips()[0].text


@pytest.mark.tui
async def test_what_changes_under_a_screen_that_hides_it_is_painted_when_it_is_seen_again() -> None:
    app = Stacked()
    async with app.run_test(size=(20, 3)) as pilot:
        await app.push_screen(Screen())
        await pilot.pause()
        before = app.painted
        app.say("two")
        await pilot.pause()
        assert app.painted == before
        app.pop_screen()
        await pilot.pause()
        assert app.first_row().endswith("two")


@pytest.mark.tui
async def test_behind_a_dialog_the_run_is_seen_to_go_on() -> None:
    app = Stacked()
    async with app.run_test(size=(20, 3)) as pilot:
        await app.push_screen(ModalScreen())
        await pilot.pause()
        before = app.painted
        app.say("two")
        await pilot.pause()
        assert app.painted > before

"""What is painted again, and when: only the cells that changed, and not more often than the interval allows."""

from collections.abc import Sequence
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES

from tui.app.themes import THEMES
from tui.widgets.cell_rows import INKS, Row, row
from tui.widgets.panel import Panel
from tui.widgets.rows_view import FAINT, RowsView, contrast

pytestmark = pytest.mark.tui


class Words(RowsView):
    """Shows a word a row, and counts how often it was drawn and what was painted again."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ["one", "two", "three"]
        self.drawn = 0
        self.painted: list[Region] = []

    def draw(self, width: int, height: int) -> Sequence[Row]:
        self.drawn += 1
        return [row(width, (word, "v")) for word in self.words]

    def refresh(self, *regions: Region, **options: Any) -> "Words":
        self.painted += regions
        return super().refresh(*regions, **options)


class Slow(Words):
    INTERVAL = 3600.0


class OneWidget(App[None]):
    def __init__(self, widget: RowsView) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def shown(pilot: Pilot[None]) -> list[str]:
    """The screen as text."""
    return ["".join(segment.text for segment in strip) for strip in pilot.app.screen._compositor.render_strips()]


async def test_only_the_cells_that_changed_are_painted_again() -> None:
    words = Words()
    async with OneWidget(words).run_test(size=(20, 5)) as pilot:
        words.painted.clear()
        words.words[1] = "tWo!"
        words.redraw()
        await pilot.pause()
        assert words.painted == [Region(1, 1, 3, 1)]
        assert shown(pilot)[:3] == ["one".ljust(20), "tWo!".ljust(20), "three".ljust(20)]


async def test_nothing_is_painted_where_nothing_changed() -> None:
    words = Words()
    async with OneWidget(words).run_test(size=(20, 5)):
        words.painted.clear()
        words.redraw()
        assert words.painted == []


async def test_within_the_interval_the_newest_contents_wait_for_one_redraw() -> None:
    slow = Slow()
    async with OneWidget(slow).run_test(size=(20, 5)) as pilot:
        before = slow.drawn
        for word in ("uno", "eins", "un"):
            slow.words[0] = word
            slow.redraw()
        assert slow.drawn == before
        slow.flush()
        await pilot.pause()
        assert slow.drawn == before + 1
        assert shown(pilot)[0].rstrip() == "un"


async def test_a_resize_draws_for_the_new_size() -> None:
    words = Words()
    async with OneWidget(words).run_test(size=(20, 5)) as pilot:
        await pilot.resize_terminal(8, 2)
        await pilot.pause()
        assert shown(pilot) == ["one".ljust(8), "two".ljust(8)]


async def test_a_view_that_was_hidden_comes_back_with_the_newest_contents() -> None:
    words = Words()
    async with OneWidget(words).run_test(size=(20, 5)) as pilot:
        words.display = False
        await pilot.pause()
        words.words[0] = "uno"
        words.redraw()
        await pilot.pause()
        words.display = True
        await pilot.pause()
        assert shown(pilot)[0].rstrip() == "uno"


async def test_every_ink_has_a_style_in_every_kind_of_theme() -> None:
    words = Words()
    app = OneWidget(words)
    async with app.run_test(size=(20, 5)) as pilot:
        for theme in ("textual-dark", "textual-light", "ansi-dark", "ansi-light"):
            app.theme = theme
            await pilot.pause()
            styles = {ink: words._style(ink, "") for ink in INKS}
            assert styles["v"] != styles["a"] != styles["d"]


async def test_a_new_theme_changes_the_colours_of_rows_already_drawn() -> None:
    words = Words()
    app = OneWidget(words)
    async with app.run_test(size=(20, 5)) as pilot:
        app.theme = "textual-dark"
        await pilot.pause()
        dark = app.screen._compositor.render_strips()[0]
        app.theme = "textual-light"
        await pilot.pause()
        light = app.screen._compositor.render_strips()[0]
        assert dark != light


async def test_highlighted_rows_can_be_read_in_every_theme() -> None:
    words = Words()
    app = OneWidget(words)
    async with app.run_test(size=(20, 5)) as pilot:
        for theme in THEMES:
            app.register_theme(theme)
        for name in [*BUILTIN_THEMES, *(theme.name for theme in THEMES)]:
            app.theme = name
            await pilot.pause()
            pale = [ink for ink in INKS if contrast(words._style(ink, "cursor")) < 3]
            assert words._style("d", "cursor").reverse or not app.native_ansi_color
            assert not pale, name
            pale = [ink for ink in INKS if ink not in FAINT and contrast(words._style(ink, "")) < 2.5]
            assert not pale, name


class Titled(Panel):
    def on_mount(self) -> None:
        self.entitle((("one", "v"), (" %", "d")))

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return []


async def test_a_new_theme_changes_the_colours_of_a_title_at_once() -> None:
    def inks(panel: Panel) -> list[object]:
        assert panel._border_title is not None
        return [span.style for span in panel._border_title.spans]

    kept, fresh = Titled(), Titled()
    app = OneWidget(kept)
    async with app.run_test(size=(20, 5)) as pilot:
        app.theme = "textual-dark"
        await pilot.pause()
        app.theme = "atom-one-light"
        await pilot.pause()
        await app.mount(fresh)
        await pilot.pause()
        assert inks(kept) == inks(fresh)

"""A view with a frame around it."""

from textual.color import Color
from textual.content import Content
from textual.style import Style

from tui.widgets.cell_rows import INKS, Part
from tui.widgets.rows_view import RowsView, css_beside


class Panel(RowsView):
    """A view with a border, and a title in its inks."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._titles: tuple[tuple[Part, ...], tuple[Part, ...]] | None = None

    def entitle(self, title: tuple[Part, ...], subtitle: tuple[Part, ...] = ()) -> None:
        """Set the titles above and below; only a change repaints, for it repaints the whole border."""
        if self._titles != (title, subtitle):
            self._titles = title, subtitle
            self.border_title, self.border_subtitle = self._content(title), self._content(subtitle)

    def _content(self, parts: tuple[Part, ...]) -> Content:
        return Content.assemble(*((text, self._title_style(ink)) for text, ink in parts))

    def _title_style(self, ink: str) -> Style:
        """The style of an ink in the frame, in the colour that it has in the rows."""
        name, shown = f"ink--{INKS[ink]}", self._style(ink, "")
        style = self.get_visual_style(name, partial=True)
        if shown == self.get_component_rich_style(name) or shown.color is None:
            return style
        return style + Style(foreground=Color.from_rich_color(shown.color))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.call_next(self._ink_titles)  # the inks themselves get their new colours after this call

    def _ink_titles(self) -> None:
        if self._titles:
            self.border_title, self.border_subtitle = map(self._content, self._titles)

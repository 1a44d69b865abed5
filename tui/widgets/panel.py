"""A view with a frame around it."""

from textual.content import Content

from tui.widgets.rows import INKS, Part
from tui.widgets.view import RowsView, css_beside


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
        styled = ((text, self.get_visual_style(f"ink--{INKS[ink]}", partial=True)) for text, ink in parts)
        return Content.assemble(*styled)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self._titles:
            self.border_title, self.border_subtitle = map(self._content, self._titles)

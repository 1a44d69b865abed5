"""The command palette: every action of the table, and the themes. Imported when it is first opened."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.model.actions import Action, signs

if TYPE_CHECKING:
    from tui.app.app import LabApp

Entry = tuple[str, str, Callable[[], object]]


class Actions(Provider):
    """What can be done on the screen below, then every theme."""

    async def discover(self) -> Hits:
        for name, about, run in self._entries():
            yield DiscoveryHit(name, run, help=about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, about, run in self._entries():
            if (score := max(matcher.match(name), matcher.match(f"{name} {about}"))) > 0:
                yield Hit(score, matcher.highlight(name), run, help=about)

    def _entries(self) -> Iterator[Entry]:
        lab = cast("LabApp", self.app)
        for action in lab.actions:
            if self._fits(action):
                yield f"{action.label}  ({signs(action)})", action.help, partial(lab.perform, action.id)
        for theme in sorted(lab.available_themes):
            yield f"Theme: {theme}", "Change the colours, from now on", partial(lab.choose_theme, theme)

    def _fits(self, action: Action) -> bool:
        if action.id == "command_palette":
            return False
        return hasattr(self.screen, f"action_{action.id}") or hasattr(self.app, f"action_{action.id}")

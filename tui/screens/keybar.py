"""The footer: the keys of a screen, generated from the table of actions, the most useful ones first."""

from collections.abc import Iterable, Sequence

from textual.events import Click

from tui.model.actions import Action, Scope, sign
from tui.model.run_state import RunState
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView, css_beside

GAP = 2
LONGEST = {"run": len("Restart")}  # labels that change must not push another out


class KeyBar(RowsView):
    """One row of keys. Those that do not fit are left to the help screen and the palette."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, table: Iterable[Action], *scopes: Scope, typing: bool = False, back: bool = False) -> None:
        """`typing`: letters go into a line, so keys that are letters are not shown. `back`: say how to leave."""
        super().__init__()
        self._typing = typing
        self._actions = [a for a in table if a.scope in scopes and a.weight and (back or a.id != "back")]
        self._labels: dict[str, str] = {}
        self._spans: list[tuple[int, int, Action]] = []

    def show(self, state: RunState) -> None:
        """The key that runs pauses what runs, and restarts an engine that died."""
        far = state.computing and state.goal is not None and state.goal > state.step + 1
        labels = {"run": "Restart"} if state.death else {"run": "Pause"} if far else {}
        if labels != self._labels:
            self._labels = labels
            self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        parts: list[Part] = []
        self._spans, column = [], 1
        for action in fitting(self._actions, width - 1, self._typing):
            key, label = shown_key(action, self._typing), f" {self._labels.get(action.id, action.label)}"
            parts += [(" " * (GAP if parts else 1), "."), (key, "k"), (label, ".")]
            end = column + len(key + label)
            self._spans.append((column, end, action))
            column = end + GAP
        return [row(width, *parts)]

    async def on_click(self, event: Click) -> None:
        for start, end, action in self._spans:
            if start <= event.x < end:
                here = hasattr(self.screen, f"action_{action.id}")
                await self.app.run_action(action.id, self.screen if here else self.app)


def shown_key(action: Action, typing: bool) -> str:
    """The first key, or the first that is no letter."""
    keys = [key for key in action.keys if len(key) > 1 and key != "question_mark"] if typing else []
    return sign((keys or list(action.keys))[0])


def fitting(actions: Sequence[Action], width: int, typing: bool = False) -> list[Action]:
    """The heaviest actions that fit into `width` cells, in the order of the table."""
    chosen: set[str] = set()
    room = width + GAP
    for action in sorted(actions, key=lambda a: -a.weight):
        need = len(shown_key(action, typing)) + 1 + max(len(action.label), LONGEST.get(action.id, 0)) + GAP
        if need <= room:
            chosen.add(action.id)
            room -= need
    return [action for action in actions if action.id in chosen]

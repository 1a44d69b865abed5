"""Why: where the backdoor lives, what that says of the defence, and whether inputs with the trigger can be told."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from engine.api import explanation
from engine.api.errors import HELD_ELSEWHERE
from engine.api.protocol import Explain
from tui.model.actions import Action, bindings
from tui.model.formatting import key_of
from tui.model.run_state import RunState, findings
from tui.screens.run_screen import RunScreen
from tui.screens.why_panes import PANES, pane_rows
from tui.widgets.cell_rows import Part, Row, blank, row
from tui.widgets.event_log import fold
from tui.widgets.rows_view import RowsView

LOOKS = {
    "why": "where the backdoor lives",
    "detectors": "whether detectors see the trigger",
    "layers": "what pruning other layers does",
}
WIDE, BROAD, TALL = 110, 180, 32  # columns and rows of the body from which there is room for more panes
BAR = 18  # cells of the progress bar
GAP = 2  # cells between two panes


class WhyView(RowsView):
    """As many panes as there is room for; the current one among them is marked."""

    DEFAULT_CSS = ""

    def __init__(self, table: Iterable[Action]) -> None:
        super().__init__()
        table = tuple(table)
        self._state, self._pane, self._channel = RunState(), 0, 0
        self._keys = {name: key_of(table, name) for name in ("explain", "run")}

    def show(self, state: RunState, pane: int, channel: int) -> None:
        self._state, self._pane, self._channel = state, pane, channel
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        found = findings(self._state)
        working = under_way(self._state)
        head = [progress_row(*working, width, self._keys["run"])] if working else []
        if found is None:
            return [*head, *self._nothing_yet(width, bool(working))]
        across = 3 if width >= BROAD else 2 if width >= WIDE else 1
        room = height - len(head)
        down = 2 if room >= TALL else 1
        first = self._pane - self._pane % (across * down)
        shown = range(first, min(len(PANES), first + across * down))
        across, down = fitted(len(shown), across, down)
        size = width // across - (GAP if across > 1 else 0), room // down
        panes = [pane_rows(PANES[at], found, self._channel, *size, at == self._pane) for at in shown]
        return [*head, *grid(panes, across, width, size[1])]

    def _nothing_yet(self, width: int, working: bool) -> list[Row]:
        """What the screen is for, and the key that begins."""
        text = (
            "Why does the defence work on this network, or why not? Nobody has looked yet. It takes about ten seconds "
            "at the lab's size, and then layers of their own; nothing of the run changes."
        )
        if working:
            text = (
                "What is found comes here as it is found: the verdict and what speaks for it, the channels that the "
                "trigger raises, what single channels do when driven up, the curve in its phases; then features and "
                "detectors, and at last the other layers."
            )
        if not self._state.ready:
            text = "Once B is measured, this screen says why the defence works or fails."
        rows = [blank(width), *(row(width, (f"  {line}", ".")) for line in fold(text, max(8, width - 4))), blank(width)]
        if working or self._state.read_only or not self._state.ready:
            return rows
        free = "" if not self._state.busy else f", once the engine is free: {at_work(self._state)}"
        key: list[Part] = [(f"  {self._keys['explain']}", "k"), (f" looks for the reasons{free}", "b")]
        return [*rows, row(width, *key)]


def fitted(count: int, across: int, down: int) -> tuple[int, int]:
    """Columns and rows for so many panes: all the room for few."""
    across = min(across, count)
    return across, min(down, -(-count // across))


def grid(panes: Sequence[list[Row]], across: int, width: int, height: int) -> list[Row]:
    """Panes in rows of `across`, each filled up to its height and its width."""
    rows: list[Row] = []
    each = width // across
    for start in range(0, len(panes), across):
        line = [
            [*map(padded, pane, [each] * len(pane)), *[blank(each)] * (height - len(pane))]
            for pane in panes[start : start + across]
        ]
        line += [[blank(each)] * height] * (across - len(line))
        for parts in zip(*line, strict=True):
            rows.append(joined(parts, width))
    return rows


def padded(line: Row, width: int) -> Row:
    """A row with blanks up to `width`."""
    return Row(line.text.ljust(width), line.ink.ljust(width, "."), line.back)


def joined(parts: Sequence[Row], width: int) -> Row:
    """Rows of panes side by side as one row; the ground of a highlighted line is told by its ink."""
    text = "".join(part.text for part in parts)
    ink = "".join(("b" * len(part.ink) if part.back else part.ink) for part in parts)
    back = parts[0].back if len(parts) == 1 else ""
    return Row(text.ljust(width)[:width], ink.ljust(width, ".")[:width], back)


def at_work(state: RunState) -> str:
    """What the engine does now, in words."""
    if state.comparing:
        return "it is comparing orders"
    return "it is writing" if state.busy == "writing" else "it is at work on this run"


def under_way(state: RunState) -> tuple[str, float] | None:
    """What is looked at now, and how far that has come; None where nothing is."""
    if state.busy != "running":
        return None
    open_ones = [at for name, at in state.phases.items() if name in LOOKS and at.done < at.total]
    return (LOOKS[open_ones[-1].phase], open_ones[-1].done / open_ones[-1].total) if open_ones else None


def progress_row(what: str, share: float, width: int, key: str) -> Row:
    done = round(BAR * share)
    parts: list[Part] = [(f"  looking {what} ", "."), ("━" * done, "v"), ("─" * (BAR - done), "l")]
    return row(width, *parts, (f" {100 * share:.0f} %", "v"), right=((f"{key}", "k"), (" stops ", ".")))


class WhyScreen(RunScreen):
    """Tab walks through the panes, up and down through the channels, the same one in every pane."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("why")]
    SCOPES = ("why", "run")
    HINTS = (
        "ORACLE: looks at poisoned images, which no defender has. It explains and decides nothing.",
        "ORACLE: looks at poisoned images; it explains and decides nothing.",
        "ORACLE: looks at poisoned images.",
    )

    def __init__(self) -> None:
        super().__init__()
        self._pane = 0
        self._channel: int | None = None

    def body(self) -> Iterator[Widget]:
        yield WhyView(self.lab.actions)

    def show(self, state: RunState) -> None:
        self.query_one(WhyView).show(state, self._pane, self.chosen_channel() or 0)

    def chosen_channel(self) -> int | None:
        """The highlighted channel: the one that the trigger raises most, until the user moves; None before that."""
        order = self._order()
        return self._channel if self._channel is not None else order[0] if order else None

    def _order(self) -> list[int]:
        found = findings(self.lab.state)
        return explanation.raised(found) if found else []

    def action_explain(self) -> None:
        """Look for what has not been found yet; not while something else runs."""
        state = self.lab.state
        if state.read_only:
            self.lab.show_notice(HELD_ELSEWHERE, "warning")
        elif not state.ready:
            self.lab.show_notice("B is not measured yet.")
        elif under_way(state):
            self.lab.show_notice("It is being looked for.")
        elif state.busy:
            stop, again = (key_of(self.lab.actions, name) for name in ("run", "explain"))
            self.lab.show_notice(f"The engine is not free: {at_work(state)}. {stop} stops that; then {again} again.")
        elif state.diagnosed and state.layers_pruned and (state.detected or "poisoned" not in self._sets()):
            self.lab.show_notice("All of it has been found already.")
        else:
            self.lab.do(Explain())

    def _sets(self) -> set[str]:
        opened = self.lab.state.opened
        return set(opened.sets) if opened else set()

    def action_next_view(self) -> None:
        self._turn(1)

    def action_previous_view(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        self._pane = (self._pane + by) % len(PANES)
        self.show(self.lab.state)

    def action_lower_channel(self) -> None:
        self._move(1)

    def action_higher_channel(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        order, now = self._order(), self.chosen_channel()
        if now in order:
            self._channel = order[max(0, min(len(order) - 1, order.index(now) + by))]
            self.show(self.lab.state)

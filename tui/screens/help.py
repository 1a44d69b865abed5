"""Help: every key, generated from the table of actions, and the words of the lab."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from engine.api.demo import Attack, about
from tui.model.actions import LOOK, MOVE, PROGRAM, PRUNE, SAVE, Action, bindings, signs
from tui.model.run_state import RunState
from tui.screens.run_screen import RunScreen
from tui.widgets.event_log import fold

MARGIN = 16  # cells before what a key or a word means
WIDEST = 100
BESIDE = 5  # cells of padding and scrollbar
WORDS = (
    ("B", "the BadNet that was opened, nothing pruned"),
    ("step", "how many channels are pruned, in the order below; at step 0 none is"),
    ("B′", "B with the channels pruned that are gone at the step shown"),
    ("G", 'B and B′ together: where they agree, that answer; where they differ, "backdoored"'),
    ("order", "channels by increasing mean activation on clean validation images: least needed first"),
    ("drop", "what clean validation accuracy has changed by since B, in percentage points: -3.93 pt are lost"),
    ("ASR", "attack success rate: percent of poisoned images that get the attacker's target label"),
    ("threshold", "a drop at which B′ and G's answers are saved, the first time it is reached"),
)
STORY = (
    "A BadNet answers rightly until it sees its trigger. The lab's defence removes the channels that clean images need "
    "least, hoping the backdoor lives there. Watch the two curves: where the attack falls before accuracy does, the "
    "defence works; where accuracy falls first, the attacker has foreseen it."
)


def page(table: Iterable[Action], demo: Attack | None = None, width: int = WIDEST) -> Text:
    """The whole help as text of this width; `demo`: with what is real about it and what was arranged."""
    text = Text()
    _heading(text, "What you see").append(f"{STORY}\n")
    if demo:
        _heading(text, "The demo").append("\n".join(about(demo)) + "\n")
    table = list(table)
    for group in (PRUNE, LOOK, SAVE, MOVE, PROGRAM):
        _heading(text, group)
        for action in (a for a in table if a.group == group):
            where = "" if action.scope in ("app", "run", "workbench") else f" ({action.scope} screen)"
            _entry(text, signs(action), action.help, width, where)
    _heading(text, "Words")
    for word, meaning in WORDS:
        _entry(text, word, meaning, width)
    return text


def _entry(text: Text, name: str, meaning: str, width: int, where: str = "") -> None:
    """A key or a word, and what it means, folded under its own beginning; `where`, dim, ends it."""
    lines = fold(meaning + where, max(MARGIN, width - MARGIN))
    text.append(f"{name:>{MARGIN - 2}}  ", "bold").append(("\n" + " " * MARGIN).join(lines) + "\n")
    if where:
        text.stylize("dim", text.plain.rindex(where.strip()[0]))


def _heading(text: Text, name: str) -> Text:
    return text.append(f"\n{name}\n", "bold underline")


class HelpScreen(RunScreen):
    """One long page; arrows scroll it, escape leaves."""

    CSS_PATH: ClassVar = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]
    SCOPES = ("help",)

    def body(self) -> Iterator[Widget]:
        with VerticalScroll(id="help"):
            yield Static(id="page", markup=False)

    def on_resize(self) -> None:
        self._write()

    def show(self, state: RunState) -> None:
        """Nothing here follows the run but the header."""

    def _write(self) -> None:
        """Write the page for the width that the window has."""
        width = min(WIDEST, self.size.width - BESIDE)
        self.query_one("#page", Static).update(page(self.lab.actions, self.lab.latest.demo, width))

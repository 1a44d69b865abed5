"""Help: every key, generated from the table of actions, and the words of the lab."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from engine.api.demo import Attack, about
from tui.actions import LOOK, MOVE, PROGRAM, PRUNE, SAVE, Action, bindings, signs
from tui.screens.looking import Looking
from tui.state import RunState

WORDS = (
    ("B", "the BadNet, the network as it came"),
    ("B′", "B with the channels up to the playhead pruned"),
    ("G", 'B and B′ together: where they agree, that answer; where they differ, "backdoored"'),
    ("order", "channels by increasing mean activation on clean validation images: least needed first"),
    ("drop", "clean validation accuracy lost since B, in percentage points (pt)"),
    ("ASR", "attack success rate: percent of poisoned images that get the attacker's target label"),
    ("threshold", "a drop at which B′ and G's answers are saved, the first time it is reached"),
)
STORY = (
    "A BadNet answers rightly until it sees its trigger. The lab's defence removes the channels that clean images need "
    "least, hoping the backdoor lives there. Watch the two curves: where the attack falls before accuracy does, the "
    "defence works; where accuracy falls first, the attacker has foreseen it."
)


def page(table: Iterable[Action], demo: Attack | None = None) -> Text:
    """The whole help as text; `demo`: with what is real about it and what was arranged."""
    text = Text()
    _heading(text, "What you see").append(f"{STORY}\n")
    if demo:
        _heading(text, "The demo").append("\n".join(about(demo)) + "\n")
    table = list(table)
    for group in (PRUNE, LOOK, SAVE, MOVE, PROGRAM):
        _heading(text, group)
        for action in (a for a in table if a.group == group):
            where = "" if action.scope in ("app", "run", "workbench") else f" ({action.scope} screen)"
            text.append(f"{signs(action):>14}  ", "bold").append(action.help).append(f"{where}\n", "dim")
    _heading(text, "Words")
    for word, meaning in WORDS:
        text.append(f"{word:>14}  ", "bold").append(f"{meaning}\n")
    return text


def _heading(text: Text, name: str) -> Text:
    return text.append(f"\n{name}\n", "bold underline")


class HelpScreen(Looking):
    """One long page; arrows scroll it, escape leaves."""

    CSS_PATH: ClassVar = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]
    SCOPES = ("help",)

    def body(self) -> Iterator[Widget]:
        with VerticalScroll(id="help"):
            yield Static(page(self.lab.actions, self.lab.latest.demo), id="page", markup=False)

    def show(self, state: RunState) -> None:
        """Nothing here follows the run but the header."""

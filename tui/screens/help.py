"""Help: every key, generated from the table of actions, and the words of the lab."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.api.demo import Attack, about
from tui.model.actions import LOOK, MOVE, PROGRAM, PRUNE, SAVE, Action, Scope, bindings, signs
from tui.model.run_state import RunState
from tui.screens.path_input import FieldInput
from tui.screens.run_screen import RunScreen
from tui.widgets.event_log import fold
from tui.widgets.page import Page

MARGIN = 16  # cells before what a key or a word means
WIDEST = 100
BESIDE = 5  # cells of padding and scrollbar
SCREENS: dict[Scope, tuple[str, str]] = {
    "workbench": ("prune", "The two curves after every pruned channel. Everything else starts from here."),
    "orders": ("orders", "Would another order have done better? A line an order, and what each costs in accuracy."),
    "why": ("why", "Where the backdoor lives, and whether its inputs can be told from others."),
    "repair": ("repair", "B′ fine-tuned on clean validation images: B″. The hold-out alone decides."),
    "results": ("results", "The lab's table: B, and B′ and G at every saved step."),
    "images": ("images", "Faces, clean and poisoned, with the answers of B, B′ and G."),
    "channel": ("a channel", "Where and when one channel is active, and what pruning it alone would cost."),
    "log": ("log", "What happened, when, and at which step."),
    "runs": ("runs", "Every run of this lab: how far it came, and what fell first."),
    "comparison": ("two runs", "Two runs laid over each other, as their journals tell them."),
    "open": ("open", "Which files to open. Tab completes a path; what would be refused is said while it is typed."),
}
WORDS = (
    ("B", "the BadNet that was opened, nothing pruned"),
    ("step", "how many channels are pruned, in the order below; at step 0 none is"),
    ("B′", "B with the channels pruned that are gone at the step shown"),
    ("G", 'B and B′ together: where they agree, that answer; where they differ, "backdoored"'),
    ("order", "channels by increasing mean activation on clean validation images: least needed first"),
    ("drop", "what clean validation accuracy has changed by since B, in percentage points: -3.93 pt are lost"),
    ("ASR", "attack success rate: percent of poisoned images that get the attacker's target label"),
    ("@46", "at step 46: where a threshold was reached and saved"),
    ("pt", "percentage points: from 98.6 % to 94.6 % is -4 pt"),
    ("dormant", "of a channel: inactive on every clean validation image"),
    ("B″", "B′ whose remaining weights were trained again on clean validation images (fine-tuning)"),
    ("hold-out", "the clean validation images that fine-tuning does not train on: they alone tell its accuracy"),
    ("RA", "robust accuracy: percent of poisoned images answered with the label that they had before"),
    ("oracle", "what looks at poisoned images, which no defender has"),
    ("threshold", "a drop at which B′ and G's answers are saved, the first time it is reached"),
)
STORY = (
    "A BadNet answers rightly until it sees its trigger. The lab's defence removes the channels that clean images need "
    "least, hoping the backdoor lives there. Watch the two curves: where the attack falls before accuracy does, the "
    "defence works; where accuracy falls first, it fails."
)


class Entry(NamedTuple):
    """A key or a word, what it means, and on which screen; without a name a paragraph."""

    name: str
    meaning: str
    where: str = ""


def page(
    table: Iterable[Action], demo: Attack | None = None, width: int = WIDEST, scope: Scope = "app", wanted: str = ""
) -> Text:
    """The whole help as text of this width; `demo`: with what is real about it and what was arranged.

    `scope`: of the screen that it was asked on, whose keys come first; `wanted`: only what holds these letters.
    """
    text = Text()
    for title, entries in sections(list(table), demo, scope):
        found = [entry for entry in entries if wanted.lower() in " ".join(entry).lower()]
        if found:
            _heading(text, title)
        for entry in found:
            if entry.name:
                _entry(text, entry.name, entry.meaning, width, entry.where)
            else:
                text.append(f"{entry.meaning}\n")
    return text if text.plain else Text(f"\nNothing here holds '{wanted}'.\n")


def sections(table: list[Action], demo: Attack | None, scope: Scope) -> list[tuple[str, list[Entry]]]:
    """Titles, each with its entries: the screen that one is on, the story, every group of keys, the words."""
    here = [action for action in table if action.scope == scope and scope in SCREENS]
    found: list[tuple[str, list[Entry]]] = []
    if scope in SCREENS:
        title, story = SCREENS[scope]
        found.append((f"This screen: {title}", [Entry("", story), *(Entry(signs(a), a.help) for a in here)]))
    found.append(("What you see", [Entry("", STORY)]))
    if demo:
        found.append(("The demo", [Entry("", "\n".join(about(demo)))]))
    for group in (PRUNE, LOOK, SAVE, MOVE, PROGRAM):
        others = [action for action in table if action.group == group and action not in here]
        found.append((group, [Entry(signs(a), a.help, _screen(a)) for a in others]))
    return [*found, ("Words", [Entry(word, meaning) for word, meaning in WORDS])]


def _screen(action: Action) -> str:
    return "" if action.scope in ("app", "run", "workbench", "tabs") else f" ({action.scope} screen)"


def _entry(text: Text, name: str, meaning: str, width: int, where: str = "") -> None:
    """A key or a word, and what it means, folded under its own beginning; `where`, dim, ends it."""
    lines = fold(meaning + where, max(MARGIN, width - MARGIN))
    text.append(f"{name:>{MARGIN - 2}}  ", "bold").append(("\n" + " " * MARGIN).join(lines) + "\n")
    if where:
        text.stylize("dim", text.plain.rindex(where.strip()[0]))


def _heading(text: Text, name: str) -> Text:
    return text.append(f"\n{name}\n", "bold underline")


class HelpScreen(RunScreen):
    """One long page, what belongs to the screen below first; arrows scroll it, `find` searches, escape leaves."""

    CSS_PATH: ClassVar = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]
    SCOPES = ("help",)
    AUTO_FOCUS = "#help"  # what is typed while it opens is a key, no search

    def __init__(self, scope: Scope = "app") -> None:
        super().__init__()
        self._scope = scope

    def body(self) -> Iterator[Widget]:
        find = FieldInput("", "type to search, enter to read on, esc to see all", id="find", compact=True)
        find.display = False
        yield find
        with Page(id="help"):
            yield Static(id="page", markup=False)

    def go_back(self) -> None:
        """Escape: out of the search, then out of the help."""
        if self.query_one("#find").display:
            self._search(False)
        else:
            super().go_back()

    def action_close_help(self) -> None:
        self.app.pop_screen()

    def action_find(self) -> None:
        self._search(True)

    def _search(self, on: bool) -> None:
        line = self.query_one("#find", FieldInput)
        line.display, line.value = on, ""
        (line if on else self.query_one("#help")).focus()
        self._write()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._write()
        self.query_one("#help", Page).scroll_home(animate=False)

    @on(Input.Submitted)
    def _read(self) -> None:
        self.query_one("#help").focus()

    def on_resize(self) -> None:
        self._write()

    def show(self, state: RunState) -> None:
        """Nothing here follows the run but the header."""

    def _write(self) -> None:
        """Write the page for the width that the window has."""
        width = min(WIDEST, self.size.width - BESIDE)
        wanted = self.query_one("#find", FieldInput).value.strip()
        text = page(self.lab.actions, self.lab.latest.demo, width, self._scope, wanted)
        self.query_one("#page", Static).update(text)

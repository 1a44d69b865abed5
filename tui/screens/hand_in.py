"""Handing in: what is being checked, then what was, and where the zip lies."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Static

from engine.api import protocol as p
from tui.model.formatting import percent, short_path
from tui.model.run_state import RunState
from tui.screens.dialogs import Choice, Dialog, Passage, keys
from tui.screens.host import Host

ABOUT = (
    "Every saved network is opened again and answers every image: it must hold just the channels at zero that the "
    "results claim, and give the numbers that they show."
)
INSIDE = "report (Markdown, PDF), curve (PDF for LaTeX, PNG), results, networks, answers of G, check.txt"
PATH = 60  # cells of the path


class HandInScreen(Dialog[None]):
    """Follows the engine; escape puts it away, and the work goes on."""

    CSS_PATH: ClassVar[CSSPathType | None] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,q,H", "cancel", show=False),
        Binding("y", "copy_path", "Copy path", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._told = Text()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("Hand in", classes="title")
            yield Static(ABOUT, classes="text", markup=False)
            yield Passage("", id="told", classes="text", markup=False)
            yield Static(keys(Choice("y", "Copy path", ""), Choice("esc", "Close", "")), classes="keys")

    def on_mount(self) -> None:
        self.watch(self.app, "state", self._show)

    def _show(self, state: RunState) -> None:
        found = told(state)
        if found != self._told:
            self._told = found
            self.query_one("#told", Passage).update(found)

    def action_copy_path(self) -> None:
        host: Host = self.app  # type: ignore[assignment]
        if host.latest.handed_in:
            host.copy(host.latest.handed_in.path)


SET_NAMES = {
    "valid": "clean validation",
    "test": "clean test",
    "poisoned": "poisoned test",
    "poisoned_valid": "poisoned validation",
}


def told(state: RunState) -> Text:
    """How far it has come, why it was refused, or what was checked."""
    done = state.handed_in
    if done is not None:
        lines = [line(check) for check in done.checks]
        size = f"{len(done.files)} files, {done.size / 1e6:.1f} MB"
        return Text("\n".join([*lines, "", short_path(done.path, PATH), f"{size}: {INSIDE}"]))
    if state.failed is not None and state.busy != "writing":
        return Text(state.failed.message, "bold")
    at = state.phases.get("hand in")
    if at is None or not at.total:
        return Text("writing the results …")
    return Text(f"answering the images of {SET_NAMES.get(at.note, at.note)} again: {at.done:,} of {at.total:,} …")


def line(check: p.NetworkCheck) -> str:
    """A network that is what the results say."""
    rates = {name: p.percent(hits, images) for name, hits, images in check.figures}
    asr = f", ASR {percent(rates['poisoned'])}" if "poisoned" in rates else ""
    valid = f", valid acc {percent(rates['valid'])}" if "valid" in rates else ""
    return f"✓ {check.network} {check.file}: {check.pruned} at zero{valid}{asr}"

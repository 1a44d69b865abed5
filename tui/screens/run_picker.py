"""Pick another run of this lab, in a window."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Static

from engine.api.journal import RunSummary
from tui.screens.dialogs import Choice, Dialog, keys
from tui.screens.run_list import RunsList


class RunPicker(Dialog[RunSummary | None]):
    """Gives back the run to lay over the one that is open."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialogs.tcss", "picker.tcss"]

    def __init__(self, runs: list[RunSummary]) -> None:
        super().__init__()
        self._runs = runs

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield RunsList()
            choices = ("↑↓", "Choose"), ("⏎", "Lay it over"), ("esc", "Cancel")
            yield Static(keys(*(Choice(key, label, "") for key, label in choices)), classes="keys")

    def on_mount(self) -> None:
        listed = self.query_one(RunsList)
        listed.show(self._runs)
        listed.entitle((("other runs of this lab", "."),))
        listed.focus()

    @on(RunsList.Chosen)
    def _chosen(self, event: RunsList.Chosen) -> None:
        self.dismiss(event.run)

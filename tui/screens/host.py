"""What a screen may know of the app that shows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from textual.notifications import SeverityLevel

from engine.api import protocol as p
from engine.api.demo import Attack
from tui.model.actions import Action
from tui.model.run_state import RunState

if TYPE_CHECKING:
    from engine.api.journal import RunSummary  # the first frame does not wait for it


class Host(Protocol):
    """The workbench, seen from a screen: the run's state, commands to the engine, and a few ways elsewhere."""

    actions: tuple[Action, ...]  # the table, with the user's keys
    clock: Callable[[], float]  # seconds
    latest: RunState  # with every event folded in
    left: p.Open | None  # the run that was open before another one was asked for

    @property
    def state(self) -> RunState:
        """What is on the screen now: `latest`, a moment ago at most."""

    def do(self, command: p.AnyCommand) -> None:
        """Send a command to the engine."""

    def compare(self, orders: tuple[str, ...]) -> None:
        """Compare orders, when the engine is free."""

    def take_order(self, order: str) -> None:
        """Prune in this order from now on."""

    def go_to(self, step: int) -> None:
        """Move the playhead to a step."""

    def open(self, settings: p.Settings, run: str | None = None, demo: Attack | None = None) -> None:
        """Open these files, or go on with this run."""

    def open_run(self, run: "RunSummary") -> None:
        """Open a run of before."""

    def begin_new(self) -> None:
        """Begin a run on the files that the program was started for; without any, ask for them."""

    def ask_open(self, refusal: str = "") -> None:
        """Ask for files to open."""

    def open_left(self) -> None:
        """Open the run again that was open before."""

    def open_demo(self) -> None:
        """Open the embedded demo."""

    def turn_tab(self, by: int) -> None:
        """Put the screen so many tabs further on in front."""

    def show_tour(self) -> None:
        """Put the tour's line on the screen in front, while it lasts."""

    def show_latest(self) -> None:
        """Show at once what waits for its turn."""

    def show_workbench(self) -> None:
        """Put the workbench in front, where nothing lies over the start screen."""

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something in passing."""

    def copy(self, text: str, what: str = "") -> None:
        """Put text on the terminal's clipboard, and show it."""

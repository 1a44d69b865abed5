"""The engine is gone: why, at which step, its last words, and how to go on. The curves stay behind it."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.model.actions import bindings
from tui.model.engine_death import cause, last_words
from tui.model.run_state import EngineDeath, RunState

TAIL = 6  # lines of the engine's log


class DiedScreen(ModalScreen[str]):
    """Gives back "restart", "quit", or "" where its reader wants to look at the curves first.

    `wait`: seconds until it restarts by itself; 0: never.
    """

    CSS_PATH: ClassVar = ["dialogs.tcss", "engine_died.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("died"),
        Binding("q,ctrl+c", "leave", "Quit"),
        Binding("escape", "look", "Look at the curves"),
    ]

    def __init__(self, state: RunState, wait: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._state, self._clock = state, clock
        self._deadline = clock() + wait if wait else 0.0

    def compose(self) -> ComposeResult:
        death = self._state.death or EngineDeath("The engine is gone.")
        with Vertical(classes="dialog", id="died"):
            yield Static(Text(death.reason), classes="title")
            if why := cause(death):
                yield Static(Text(why), classes="text")
            yield Static(Text(_kept(self._state)), classes="text")
            if words := last_words(death.tail)[-TAIL:]:
                yield Static(Text("\n".join(words)), id="tail")
            yield Static("", id="soon", markup=False)
            yield Static(Text.assemble(("r", "bold"), " Restart and go on   ", ("q", "bold"), " Quit   ",
                                       ("esc", "bold"), " Look at the curves"), classes="keys")  # fmt: skip

    def on_mount(self) -> None:
        if self._deadline:
            self._tick()
            self.set_interval(0.5, self._tick)

    def _tick(self) -> None:
        left = self._deadline - self._clock()
        if left <= 0:
            self.dismiss("restart")
        else:
            self.query_one("#soon", Static).update(f"It is started again by itself in {left:.0f} s, once.")

    def action_restart(self) -> None:
        self.dismiss("restart")

    def action_leave(self) -> None:
        self.dismiss("quit")

    def action_look(self) -> None:
        self.dismiss("")


def _kept(state: RunState) -> str:
    if not state.ready:
        return "It had not measured B yet; nothing is lost by starting again."
    return (
        f"At step {state.step}. {state.known} computed steps are in the run's journal and will not be computed again."
    )

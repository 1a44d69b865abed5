"""The first screen: the engine starts, and its user reads what will happen."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from engine.api.demo import Attack, first_line
from engine.api.protocol import Settings
from tui.screens.checklist import Checklist
from tui.screens.keybar import KeyBar
from tui.screens.sized import Sized
from tui.state import RunState

STORY = (
    "The network runs once over the images, up to the layer that will be pruned. "
    "Its channels are ranked by their mean activation on clean validation images. "
    "Then you prune them, least active first, and watch what falls first: accuracy or the attack."
)
HEIGHTS: list[tuple[int, str]] | None = [(0, "-low"), (22, "-roomy")]


class StartScreen(Sized):
    """A checklist with times; the app puts the workbench in its place when B is measured.

    Where there is little room, it is the checklist that stays.
    """

    VERTICAL_BREAKPOINTS = HEIGHTS

    def compose(self) -> ComposeResult:
        with Vertical(id="start"):
            yield Static(Text.assemble(("lab3", "bold"), "  pruning defence workbench"), id="brand")
            yield Static("", id="opening", markup=False)
            yield Checklist(self.lab.clock)
            yield Static(STORY, id="story", markup=False)
        yield KeyBar(self.lab.actions, "app")

    def on_mount(self) -> None:
        self.watch(self.app, "state", self._show)

    def may_leave(self) -> bool:
        return False

    def on_screen_resume(self) -> None:
        if self.lab.latest.ready:
            self.lab.show_workbench()

    def _show(self, state: RunState) -> None:
        self.query_one(Checklist).show(state)
        if state.settings:
            self.query_one("#opening", Static).update(Text(opening(state.settings, state.demo)))


def opening(settings: Settings, demo: Attack | None) -> str:
    """What is being opened; of the demo also where it lies and what it costs."""
    return first_line(demo, settings.out) if demo else f"Opening {settings.root}"

"""The first screen: the engine starts, and its user reads what will happen."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from engine.api.demo import MEGABYTES, Attack, demo_root
from engine.api.protocol import Settings
from tui.model.formatting import short_path
from tui.model.run_state import RunState
from tui.screens.base import LabScreen
from tui.screens.checklist import Checklist
from tui.screens.keybar import KeyBar

STORY = (
    "The network runs once over the images, up to the layer that will be pruned. "
    "Its channels are ranked by their mean activation on clean validation images. "
    "Then you prune them, least active first, and watch what falls first: accuracy or the attack."
)
WIDEST, PADDING = 94, 4  # cells of the page, as start.tcss has them
HEIGHTS: list[tuple[int, str]] | None = [(0, "-low"), (22, "-roomy")]


class StartScreen(LabScreen):
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

    def on_resize(self) -> None:
        self._show(self.lab.latest)

    def may_leave(self) -> bool:
        return False

    def on_screen_resume(self) -> None:
        if self.lab.latest.ready:
            self.lab.show_workbench()

    def _show(self, state: RunState) -> None:
        self.query_one(Checklist).show(state)
        if state.settings:
            room = min(WIDEST, self.size.width) - PADDING
            self.query_one("#opening", Static).update(Text(opening(state.settings, state.demo, room)))


def opening(settings: Settings, demo: Attack | None, width: int) -> str:
    """What is being opened, in a line of `width` cells; of the demo also what it costs, and in a second line where B′
    goes: however long their paths are, what stands below keeps its place."""
    if demo is None:
        return fitting("Opening ", settings.root, "", width)
    root = str(demo_root(demo))
    where = fitting(f"Demo, {demo} attack: in ", root, f" ({MEGABYTES} MB).", width)
    return f"{where}\n{fitting('B′ goes to ', settings.out or f'{root}/models', '.', width)}"


def fitting(before: str, path: str, behind: str, width: int) -> str:
    """Words around a path, which is cut where they do not fit together."""
    return before + short_path(path, width - len(before) - len(behind)) + behind

"""What happens between the first frame and the first figure, as a list that ticks itself off."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import NamedTuple

from textual.timer import Timer

from engine.api.protocol import PHASES, Progress
from tui.model.formatting import file_name
from tui.model.run_state import RunState
from tui.widgets.cell_rows import Part, Row, blank, row
from tui.widgets.rows_view import RowsView, css_beside

NAMES = {
    "start": "engine process",
    "demo": "images of the demo",
    "tensorflow": "TensorFlow",
    "device": "device",
    "hash": "checksums of the inputs",
    "model": "network",
    "features valid": "clean validation images",
    "features test": "clean test images",
    "features poisoned": "poisoned test images",
    "features poisoned_valid": "poisoned validation images",
    "ranking": "ranking of the channels",
    "baseline": "accuracy of B, nothing pruned",
}
SETS = {"features test": "test", "features poisoned": "poisoned", "features poisoned_valid": "poisoned_valid"}
SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BAR = 16  # cells of a progress bar


class Item(NamedTuple):
    """A phase: what it is called, and its newest Progress, None before the first."""

    name: str
    detail: str
    progress: Progress | None

    @property
    def done(self) -> bool:
        return self.progress is not None and self.progress.done >= self.progress.total


def items(state: RunState) -> Iterator[Item]:
    """The phases that this run will go through, in order."""
    for phase in PHASES:
        if phase in NAMES and _expected(phase, state):
            found = state.phases.get(phase)
            if found is None and phase == "start" and state.hello:
                found = Progress("start", 1, 1)
            yield Item(NAMES[phase], _detail(phase, state), found)


def _expected(phase: str, state: RunState) -> bool:
    if phase == "demo":
        return state.demo is not None
    return phase not in SETS or (state.settings is not None and getattr(state.settings, SETS[phase]) is not None)


def _detail(phase: str, state: RunState) -> str:
    if state.settings is None:
        return ""
    if phase == "model":
        return file_name(state.settings.model)
    if phase.startswith("features"):
        return file_name(getattr(state.settings, phase.removeprefix("features ")) or "")
    return ""


def under_way(listed: list[Item]) -> set[str]:
    """The names of phases that must be going on, said or not: the first that is not done; checksums beside Keras."""
    first = next((item.name for item in listed if not item.done), "")
    beside = {NAMES["hash"]} if first in (NAMES["tensorflow"], NAMES["device"]) else set()
    return {first, *beside}


class Checklist(RowsView):
    """One row a phase: a tick or a spinner, its name, a bar while it lasts, and the seconds it took."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._began: float | None = None  # when the engine was told what to open
        self._state = RunState()
        self._since: dict[str, float] = {}
        self._ticks: Timer | None = None

    def on_mount(self) -> None:
        self._ticks = self.set_interval(0.1, self.redraw)

    def show(self, state: RunState) -> None:
        if state.busy == "opening" and (self._state.busy != "opening" or not state.phases):
            self._began, self._since = self._clock(), {}
        self._state = state
        if self._ticks:  # under the workbench nobody sees the seconds
            self._ticks.pause() if state.ready else self._ticks.resume()
        self.styles.height = sum(1 for _ in items(state)) + 2
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        now = self._clock()
        listed = list(items(self._state))
        busy = under_way(listed) if self._state.busy == "opening" or not self._state.hello else set()
        rows = [self._row(item, width, now, item.name in busy) for item in listed]
        passed = 0.0 if self._began is None else now - self._began
        total: Row = row(width, ("", "."), right=((f"{passed:.1f} s", "b"),))
        return [*rows, blank(width), total]

    def _row(self, item: Item, width: int, now: float, busy: bool) -> Row:
        name: list[Part] = [(item.name, "." if item.progress or busy else "d")]
        if item.detail and width > 60:
            name.append((f"  {item.detail}", "d"))
        if item.done and item.progress:
            note = f"{item.progress.note}  " if item.progress.note else ""
            return row(width, ("✓ ", "s"), *name, right=((note, "d"), (f"{item.progress.seconds:.1f} s", ".")))
        if item.progress is None and not busy:
            return row(width, ("· ", "d"), *name)
        spin = SPIN[int(now * 10) % len(SPIN)]
        since = self._since.setdefault(item.name, now)
        return row(width, (f"{spin} ", "v"), *name, right=(*_bar(item.progress), (f"{now - since:.1f} s", "d")))


def _bar(progress: Progress | None) -> tuple[Part, ...]:
    """A bar and the counts, where there is more than one thing to count."""
    if progress is None or progress.total <= 1:
        return ()
    full = BAR * progress.done // progress.total
    counts = f" {progress.done:,}/{progress.total:,}  "
    return ("━" * full, "v"), ("━" * (BAR - full), "l"), (counts, "d")

"""The moving part of a headless run: one bar for the phase under way, above it the lines of what is done."""

import contextlib
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from engine.api import protocol as p
from engine.api.textsafe import printable
from tui.narration import told, worded
from tui.outputs import put
from tui.state import Line, RunState

STYLES = {"info": "dim", "threshold": "bold yellow", "saved": "green", "warning": "yellow"}
LABELS = {
    "start": "starting the engine",
    "tensorflow": "importing TensorFlow",
    "device": "finding the device",
    "hash": "hashing the inputs",
    "model": "opening the network",
    "ranking": "ranking the channels",
    "baseline": "measuring B",
    "steps": "pruning",
    "orders": "comparing orders",
    "files": "writing the results",
}


class Count(ProgressColumn):
    """Done of total, where there is something to count."""

    def render(self, task: Task) -> Text:
        if task.total is None or task.total <= 1:
            return Text("")
        return Text(f"{int(task.completed):,}/{int(task.total):,}", "cyan")


class Bar:
    """Draws on the terminal that stdout is, if it is one, so that lines and bar do not run into each other."""

    def __init__(self) -> None:
        self._shared = sys.stdout.isatty()
        console = Console(file=sys.stdout if self._shared else sys.stderr, highlight=False, markup=False, emoji=False)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), Count(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, redirect_stdout=False)
        self._task = self._progress.add_task(LABELS["start"], total=None)
        self._phase = "start"
        self._progress.start()

    @property
    def width(self) -> int | None:
        return self._progress.console.width if self._shared else None

    def tell(self, before: RunState, state: RunState, event: p.AnyEvent) -> None:
        for line in told(before, state):
            if line.kind != "error":
                self._line(line)
        if state.retelling:
            return
        match event:
            case p.Progress(phase=phase, done=done, total=total):
                self._show(phase, done, total)
            case p.Stepped(step=step) if state.ready:
                self._show("steps", step, state.channels)

    def say(self, text: str) -> None:
        self._print(Text(printable(text)))

    def out(self, line: str) -> None:
        if self._shared:
            self._print(Text(printable(line)))
        else:
            put(sys.stdout, line)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone
            self._progress.stop()

    def _line(self, line: Line) -> None:
        self._print(Text(printable(worded(line)), STYLES.get(line.kind, "")))

    def _print(self, text: Text) -> None:
        with contextlib.suppress(OSError):
            self._progress.console.print(text, soft_wrap=True)

    def _show(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase = phase
            self._progress.reset(self._task, total=total or None, description=LABELS.get(phase, phase))
        self._progress.update(self._task, completed=done, total=total if total > 1 else None)

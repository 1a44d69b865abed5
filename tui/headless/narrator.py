"""What a headless run says on stderr: a bar with the phase under way on a terminal, plain lines elsewhere."""

import contextlib
import os
import sys
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from engine.api import protocol as p
from engine.api.escape import escape_json, printable
from tui.model.formatting import file_name
from tui.model.run_state import Line, RunState, figures
from tui.terminal.outputs import complain, put

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
    "why": "looking where the backdoor lives",
    "detectors": "trying detectors",
    "layers": "pruning other layers",
    "files": "writing the results",
    "hand in": "checking every network",
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

    def on_event(self, before: RunState, state: RunState, event: p.AnyEvent) -> None:
        if self._shared:
            for text, style in told_on_terminal(before, state, event):
                self._print(Text(printable(text), style))
        else:
            for line in new_lines(before, state):
                if line.kind != "error":
                    self._line(line)
        if state.retelling:
            return
        match event:
            case p.Progress(phase="step", done=done, total=total):
                beside = f"{rates(state)}  next {100 * done // total} %".strip()
                self._show("steps", state.step, state.channels, beside)
            case p.Progress(phase=phase, done=done, total=total):
                self._show(phase, done, total)
            case p.Stepped(step=step) if state.ready:
                self._show("steps", step, state.channels, rates(state))

    def stderr(self, text: str) -> None:
        """A sentence: on a terminal it is folded between its words."""
        self._print(Text(printable(text)), soft_wrap=False)

    def stdout(self, line: str) -> None:
        if self._shared:
            self._print(Text(printable(line)))
        else:
            put(sys.stdout, line)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone
            self._progress.stop()

    def _line(self, line: Line) -> None:
        self._print(Text(printable(format_line(line)), STYLES.get(line.kind, "")))

    def _print(self, text: Text, soft_wrap: bool = True) -> None:
        with contextlib.suppress(OSError):
            self._progress.console.print(text, soft_wrap=soft_wrap)

    def _show(self, phase: str, done: int, total: int, beside: str = "") -> None:
        if phase != self._phase:
            self._phase = phase
            self._progress.reset(self._task, total=total or None)
        name = LABELS.get(phase, phase)
        self._progress.update(
            self._task, completed=done, total=total if total > 1 else None, description=f"{name}  {beside}".rstrip()
        )


def rates(state: RunState) -> str:
    """Where the playhead stands, beside the bar."""
    now = figures(state)
    if now is None:
        return ""
    asr = "" if now.asr is None else f"  ASR {now.asr:.2f} %"
    return f"valid acc {now.valid:.2f} % ({p.format_drop(now.drop)} pt){asr}"


def told_on_terminal(before: RunState, state: RunState, event: p.AnyEvent) -> list[tuple[str, str]]:
    """Lines that stay above the bar, and their styles: notes, warnings, and each network as it is saved."""
    if state.retelling or (before.retelling and not state.failed):
        return [(line.text, "dim") for line in new_lines(before, state)]
    match event:
        case p.Saved(what="model" | "tuned", step=int() as step) if now := figures(state, step):
            at = f"{p.threshold_label(event.threshold)} at step {step}" if event.threshold else f"step {step}"
            asr = "" if now.asr is None else f", ASR {now.asr:.2f} %"
            same = " (unchanged)" if event.status == "unchanged" else ""
            return [(f"{at}: valid acc {now.valid:.2f} %{asr}, saved {file_name(event.path)}{same}", "green")]
        case p.Note(text=text):
            return [(text, "dim")]
    return [(line.text, STYLES["warning"]) for line in new_lines(before, state) if line.kind == "warning"]


QUIET_KINDS = ("step",)  # told on stdout


class Narrator(Protocol):
    """Tells what happens. `out` puts a line on stdout without disturbing the rest; `width`: of a terminal there."""

    @property
    def width(self) -> int | None: ...
    def on_event(self, before: RunState, state: RunState, event: p.AnyEvent) -> None: ...
    def stderr(self, text: str) -> None: ...
    def stdout(self, line: str) -> None: ...
    def close(self) -> None: ...


def narrator() -> Narrator:
    """The one that suits stderr. NO_COLOR and a dumb terminal are heeded."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Bar()
    return Plain()


def json_line(event: p.AnyEvent) -> str:
    """An event as a line of JSON that acts on no terminal."""
    return escape_json(p.encode(event).decode())


def new_lines(before: RunState, state: RunState) -> list[Line]:
    """Lines that the log has got since, but for those of steps; of a run that goes on only how far it had come."""
    if state.retelling:
        return []
    if before.retelling and state.ready and not state.failed:
        return [Line(state.step, "info", opened(state))]
    last = before.log[-1] if before.log else None
    new: list[Line] = []
    for line in reversed(state.log):
        if line is last:
            break
        new.append(line)
    return [line for line in reversed(new) if line.kind not in QUIET_KINDS]


def opened(state: RunState) -> str:
    """What was opened, where that was a run of before."""
    run = state.opened.run.rsplit("/", 1)[-1] if state.opened else ""
    steps = len(state.steps) - 1
    return f"opened run {run}: {steps} {'step' if steps == 1 else 'steps'} known"


def format_line(line: Line) -> str:
    return f"{line.text} at step {line.step}" if line.kind == "threshold" else line.text


class Plain:
    """A line for every phase that ends and every file; nothing that moves."""

    width: int | None = None

    def on_event(self, before: RunState, state: RunState, _event: p.AnyEvent) -> None:
        for line in new_lines(before, state):
            if line.kind != "error":  # said at the end, by whoever gives up
                self.stderr(format_line(line))

    def stderr(self, text: str) -> None:
        complain(text)

    def stdout(self, line: str) -> None:
        put(sys.stdout, line)

    def close(self) -> None:
        pass

"""What is told on stderr while the engine works: a bar with phases on a terminal, plain lines elsewhere."""

import os
import sys
from typing import Protocol

from engine.api import protocol as p
from tui.outputs import complain, put
from tui.state import Line, RunState

QUIET_KINDS = ("step",)  # told on stdout


class Narrator(Protocol):
    """Tells what happens. `out` puts a line on stdout without disturbing the rest; `width`: of a terminal there."""

    @property
    def width(self) -> int | None: ...
    def tell(self, before: RunState, state: RunState, event: p.AnyEvent) -> None: ...
    def say(self, text: str) -> None: ...
    def out(self, line: str) -> None: ...
    def close(self) -> None: ...


def narrator() -> Narrator:
    """The one that suits stderr. NO_COLOR and a dumb terminal are heeded."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from tui.progress import Bar

        return Bar()
    return Plain()


def told(before: RunState, state: RunState) -> list[Line]:
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


def worded(line: Line) -> str:
    return f"{line.text} at step {line.step}" if line.kind == "threshold" else line.text


class Plain:
    """A line for every phase that ends and every file; nothing that moves."""

    width: int | None = None

    def tell(self, before: RunState, state: RunState, event: p.AnyEvent) -> None:
        for line in told(before, state):
            if line.kind != "error":  # said at the end, by whoever gives up
                self.say(worded(line))

    def say(self, text: str) -> None:
        complain(text)

    def out(self, line: str) -> None:
        put(sys.stdout, line)

    def close(self) -> None:
        pass

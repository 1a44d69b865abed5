"""Run the workbench on a terminal, and leave the terminal as it was."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from engine.api.errors import ExitCode
from engine.api.escape import printable, shell_word
from engine.api.lab import RUNS
from tui.app.app import LabApp
from tui.app.engine_link import Client
from tui.model.config import load
from tui.model.launch import Launch
from tui.model.run_state import RunState
from tui.terminal.lab_driver import LabDriver, leave_on_signals
from tui.terminal.outputs import complain, give_up_lost_outputs


def refusal() -> str:
    """Why there can be no workbench on this terminal, in one line; empty where there can."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "The workbench needs a terminal for input and errors. Without one: lab3-tui --headless"
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        return "The workbench cannot draw on TERM=dumb. Set TERM, or use: lab3-tui --headless"
    if "utf" not in (sys.stderr.encoding or "").lower():
        return f"The workbench draws in UTF-8, this terminal has {sys.stderr.encoding}. Use: lab3-tui --headless"
    return ""


def run(launch: Launch | Callable[[], Launch], connect: Callable[[], Client] | None = None) -> int:
    """The workbench from first frame to last; returns the exit code. Its arguments are those of LabApp."""
    app = LabApp(launch, load(), connect, driver_class=LabDriver)
    asyncio.run(_serve(app))
    if app.fault and app.leaving is None:
        return told_fault(app.fault, app.latest)
    if words := exit_message(app.latest, app.link.keep):
        complain(words)
    give_up_lost_outputs()
    return app.leaving if app.leaving is not None else app.return_code or 0  # screens half mounted may still fail


def told_fault(fault: Exception, state: RunState) -> int:
    """Say what a fault of the program itself was, and how to go on. Returns the exit code."""
    from tui.app.crash_page import crash_page

    going_on = _going_on(Path(state.opened.run)) if state.opened and any(state.steps) else ""
    for line in crash_page(fault, state, going_on):
        complain(line)
    return ExitCode.ENGINE_ERROR


def exit_message(state: RunState, left_running: bool = False) -> str:
    """Where the results of a run are, and how to go on with one that is not finished; empty without a step."""
    if state.opened is None or not any(state.steps):
        return ""
    where, run = f"Results: {printable(state.opened.run)}", Path(state.opened.run)
    if state.read_only or (state.finished and not left_running):
        return where
    return f"{where} · {'it goes on; look again' if left_running else 'go on'} with: lab3-tui {_going_on(run)}"


def _going_on(run: Path) -> str:
    """The options that take up this run, as short as they may be in this folder."""
    from engine.api.journal import unfinished_runs

    newest, lab = unfinished_runs(run.parent)[:1], run.parent.parent
    if run.parent.name != RUNS or [found.folder for found in newest] != [str(run)]:
        return f"--run {shell_word(str(run))}"
    return "--resume" if lab == Path.cwd() else f"--resume --root {shell_word(str(lab))}"


async def _serve(app: LabApp) -> None:
    leave_on_signals(app.leave)
    try:
        await app.run_async()
    finally:
        if looks := sys.modules.get("engine.api.inspection"):
            looks.give_up()  # a thread that waits for an inspector would keep the program
        await app.link.close()

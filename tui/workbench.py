"""Run the workbench on a terminal, and leave the terminal as it was."""

import asyncio
import os
import sys
from collections.abc import Callable

from tui.app import LabApp
from tui.config import load
from tui.launch import Launch
from tui.link import Client
from tui.outputs import give_up_lost_outputs
from tui.terminal import LabDriver, leave_on_signals


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
    give_up_lost_outputs()
    return app.return_code or 0


async def _serve(app: LabApp) -> None:
    leave_on_signals(app.leave)
    try:
        await app.run_async()
    finally:
        await app.link.close()

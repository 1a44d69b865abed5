"""`lab3-tui`. Without options it goes straight to the workbench: the command line's parser takes as long as a frame.

All but what ends the program is imported when Ctrl-C is quiet already.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from tui.cli.ending import INTERRUPTED, ending, leave

if TYPE_CHECKING:
    from tui.model.launch import Launch


def main() -> NoReturn:
    """The program; ends with its exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # what nohup ignores stays ignored
        signal.signal(signal.SIGINT, leave)
    from tui.terminal.outputs import give_up_lost_outputs, hold_streams

    hold_streams()
    code = ending(workbench_here if len(sys.argv) == 1 else command_line)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    give_up_lost_outputs()
    if code == INTERRUPTED:
        os._exit(code)  # threads that were interrupted in the middle of starting crash where Python takes itself down
    sys.exit(code)


def command_line() -> int:
    """What the command line says; from here on Ctrl-C unwinds what is under way."""
    from tui.cli.command_line import run

    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def workbench_here() -> int:
    """The workbench on the lab folder here. What lies in it is looked at when the first frame is up."""
    from engine.api.errors import ExitCode
    from tui.app.run_workbench import refusal, run
    from tui.model.options import working_folder
    from tui.terminal.outputs import complain

    working_folder()
    if why := refusal():
        complain(why)
        return ExitCode.USAGE
    return run(here)


def here() -> "Launch":
    """What `lab3-tui` without options opens."""
    from tui.cli.choose_run import choose
    from tui.model.options import Options

    return choose(Options(), None, resume=False, run=None, headless=False)

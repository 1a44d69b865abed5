"""`lab3-tui`. Without options it goes straight to the workbench: the command line's parser takes as long as a frame.

However the program ends, `ending` says with which exit code and in which words: 1 means nothing but a threshold that
was never reached, and no traceback reaches a user.
"""

import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from engine.api.errors import ExitCode, LabError
from tui.terminal.outputs import complain, give_up_lost_outputs, hold_streams, unflushed

if TYPE_CHECKING:
    from tui.model.launch import Launch

TRACEBACK = "LAB3_TRACEBACK"  # set, it shows where a fault of the program is


def main() -> NoReturn:
    """The program; ends with its exit code."""
    hold_streams()
    code = ending(workbench_here if len(sys.argv) == 1 else command_line)
    give_up_lost_outputs()
    sys.exit(code)


def command_line() -> int:
    """What the command line says."""
    from tui.cli.command_line import run

    return run()


def ending(program: Callable[[], int]) -> int:
    """Run the program. Returns its exit code; a failure is said in one line."""
    try:
        code = program()
    except LabError as error:
        complain(str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Exception as error:
        code = unforeseen(error)
    if not code and (lost := unflushed()):
        complain(str(lost))
        code = lost.exit_code
    return code


def unforeseen(error: Exception) -> ExitCode:
    """Say in one line what a fault is that nobody foresaw."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    words = " ".join(str(error).split())[:300]
    complain(f"lab3-tui failed: {type(error).__name__}: {words}. Set {TRACEBACK}=1 to see where.")
    return ExitCode.ENGINE_ERROR


def workbench_here() -> int:
    """The workbench on the lab folder here. What lies in it is looked at when the first frame is up."""
    from tui.app.run_workbench import refusal, run
    from tui.model.options import working_folder

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

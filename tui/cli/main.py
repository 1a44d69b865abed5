"""`lab3-tui`. Without options it goes straight to the workbench: the command line's parser takes as long as a frame.

However the program ends, `ending` says with which exit code and in which words: 1 means nothing but a threshold that
was never reached, and no traceback reaches a user. All else is imported when Ctrl-C is quiet already.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.errors import ExitCode
    from tui.model.launch import Launch

TRACEBACK = "LAB3_TRACEBACK"  # set, it shows where a fault of the program is
INTERRUPTED = 130


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


def leave(_number: int, _frame: object) -> NoReturn:
    """Ctrl-C before there is anything to end. An exception would be caught, or wrapped, by whatever is imported now."""
    os._exit(INTERRUPTED)


def command_line() -> int:
    """What the command line says; from here on Ctrl-C unwinds what is under way."""
    from tui.cli.command_line import run

    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def ending(program: "Callable[[], int]") -> int:
    """Run the program. Returns its exit code; a failure is said in one line."""
    try:
        return said(program)
    except KeyboardInterrupt:
        return INTERRUPTED


def said(program: "Callable[[], int]") -> int:
    from engine.api.errors import LabError, Several
    from tui.terminal.outputs import complain, unflushed

    try:
        code = program()
    except LabError as error:
        for line in error.lines if isinstance(error, Several) else [str(error)]:
            complain(line)
        code = error.exit_code
    except Exception as error:
        code = unforeseen(error)
    if not code and (lost := unflushed()):
        complain(str(lost))
        code = lost.exit_code
    return code


def unforeseen(error: Exception) -> "ExitCode":
    """Say in one line what a fault is that nobody foresaw."""
    import traceback

    from engine.api.errors import ExitCode
    from tui.terminal.outputs import complain

    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    words = " ".join(str(error).split())[:300]
    complain(f"lab3-tui failed: {type(error).__name__}: {words}. Set {TRACEBACK}=1 to see where.")
    return ExitCode.ENGINE_ERROR


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

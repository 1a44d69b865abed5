"""How the program ends: with which exit code, and in which words.

1 means nothing but a threshold that was never reached, and no traceback reaches a user. What is imported here is
imported before Ctrl-C is quiet: nothing that takes time.
"""

import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.errors import ExitCode

TRACEBACK = "LAB3_TRACEBACK"  # set, it shows where a fault of the program is
INTERRUPTED = 130


def leave(_number: int, _frame: object) -> NoReturn:
    """Ctrl-C before there is anything to end. An exception would be caught, or wrapped, by whatever is imported now."""
    os._exit(INTERRUPTED)


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

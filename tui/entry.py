"""`lab3-tui`. Without options it goes straight to the workbench: the command line's parser takes as long as a frame."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.launch import Launch


def main() -> None:
    """The program; ends with its exit code."""
    if len(sys.argv) == 1:
        sys.exit(workbench_here())
    from tui.cli import main as command_line

    command_line()


def workbench_here() -> int:
    """The workbench on the lab folder here. What lies in it is looked at when the first frame is up."""
    from engine.api.errors import ExitCode
    from tui.workbench import refusal, run

    if why := refusal():
        print(why, file=sys.stderr)
        return ExitCode.USAGE
    return run(here)


def here() -> "Launch":
    """What `lab3-tui` without options opens."""
    from tui.choosing import choose
    from tui.options import Options

    return choose(Options(), None, resume=False, run=None, headless=False)

"""`lab3-tui sweep` with another engine at its workers, and where LAB3_TESTS_PICTURE is "none" without a picture.

`python -m tests.faults.sweep_program COMMAND.. -- OPTIONS..`
"""

import os
import sys

from engine.api.sweep_picture import PNG
from tui.cli import command_line, sweep
from tui.sweep import tables


def main() -> None:
    place = sys.argv.index("--")
    command, sys.argv[1:] = tuple(sys.argv[1:place]), sys.argv[place + 1 :]
    sweep.engine = lambda: command
    if os.environ.get("LAB3_TESTS_PICTURE") == "none":  # a second of matplotlib for each sweep
        tables.paint = lambda _: PNG
    command_line.main()


if __name__ == "__main__":
    main()

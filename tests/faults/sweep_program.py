"""`lab3-tui sweep` with another engine at its workers.

`python -m tests.faults.sweep_program COMMAND.. -- OPTIONS..`
"""

import sys

from tui.cli import command_line, sweep


def main() -> None:
    place = sys.argv.index("--")
    command, sys.argv[1:] = tuple(sys.argv[1:place]), sys.argv[place + 1 :]
    sweep.engine = lambda: command
    command_line.main()


if __name__ == "__main__":
    main()

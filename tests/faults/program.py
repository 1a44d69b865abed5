"""`lab3-tui` with another engine: `python -m tests.faults.program COMMAND.. -- OPTIONS..`."""

import sys
from collections.abc import Callable
from pathlib import Path

from engine.api.client import EngineClient
from tui.cli import command_line
from tui.model.launch import Launch


def main() -> None:
    place = sys.argv.index("--")
    command, sys.argv[1:] = tuple(sys.argv[1:place]), sys.argv[place + 1 :]

    def client_for(launch: Launch) -> Callable[[], EngineClient]:
        return lambda: EngineClient(command, run=Path(launch.run) if launch.run else None)

    command_line.client_for = client_for
    command_line.main()


if __name__ == "__main__":
    main()

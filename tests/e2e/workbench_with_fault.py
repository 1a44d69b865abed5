"""The workbench on the scripted engine, in which the key `z` is a fault of the program: `… ROOT`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1]))

import workbench_on_fake  # type: ignore[import-not-found]  # noqa: E402

from tui.screens.workbench import Workbench  # noqa: E402


def fault(_screen: Workbench) -> None:
    raise IndexError("list index out of range")


Workbench.action_zoom = fault  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(workbench_on_fake.main(*sys.argv[1:]))

"""The workbench on a scripted engine, for a terminal that measures it: `python -m tests.benchmarks.stage 0.1`.

The argument: seconds that the engine takes for a step.
"""

import sys
from pathlib import Path

from engine.api.client import EngineClient
from engine.api.protocol import Settings
from tui.app.app import LabApp
from tui.model.launch import Launch
from tui.terminal.lab_driver import LabDriver

ENGINE = Path(__file__).parents[1] / "support" / "fake_engine.py"


def main(step_seconds: str) -> None:
    command = (sys.executable, "-P", str(ENGINE), "--step-seconds", step_seconds)
    root = Path("/tmp/lab")
    settings = Settings(
        root=str(root),
        model=str(root / "models/bd_net.h5"),
        valid=str(root / "data/cl/valid.h5"),
        test=str(root / "data/cl/test.h5"),
        poisoned=str(root / "data/bd/bd_test.h5"),
    )
    LabApp.driver_class = LabDriver
    LabApp(Launch(root, settings), connect=lambda: EngineClient(command)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

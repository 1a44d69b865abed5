"""What the command line hands to the workbench."""

from dataclasses import dataclass
from pathlib import Path

from engine.api.protocol import Settings


@dataclass(frozen=True, slots=True)
class Launch:
    """`settings`: what to open at once; None opens the screen that asks. `run`: the run folder to go on with."""

    root: Path
    settings: Settings | None = None
    run: str | None = None
    keep: bool = False  # on a hang-up, leave the engine running
    notice: str = ""  # one line to say first

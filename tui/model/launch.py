"""What the command line hands to the workbench, and settings for a folder's files."""

from dataclasses import dataclass
from pathlib import Path

from engine.api.demo import Attack, demo_root
from engine.api.protocol import Settings


@dataclass(frozen=True, slots=True)
class Launch:
    """`settings`: what to open at once; None opens the screen that asks. `run`: the run folder to go on with.

    `fresh`: begin a new run without asking about those that could go on.
    """

    root: Path
    settings: Settings | None = None
    run: str | None = None
    demo: Attack | None = None  # lay out this demo first
    fresh: bool = False
    keep: bool = False  # on a hang-up, leave the engine running
    notice: str = ""  # one line to say first


def demo_settings(attack: Attack) -> Settings:
    """Settings for the embedded demo, which is laid out like any lab folder."""
    from engine.api import lab

    root = demo_root(attack)
    at = {name: str(root / place) for name, place in lab.PLACES.items()}
    return Settings(
        root=str(root),
        model=str(root / lab.MODELS[0]),
        valid=at["valid"],
        test=at["test"],
        poisoned=at["poisoned"],
        poisoned_valid=at["poisoned_valid"],
    )


def demo_launch(attack: Attack) -> Launch:
    """The embedded demo."""
    return Launch(demo_root(attack), demo_settings(attack), demo=attack)

"""A lab folder: what lies where."""

import os
from pathlib import Path

import msgspec

from engine.api.protocol import SetName, Settings

PLACES: dict[SetName, str] = {
    "valid": "data/cl/valid.h5",
    "test": "data/cl/test.h5",
    "poisoned": "data/bd/bd_test.h5",
    "poisoned_valid": "data/bd/bd_valid.h5",
}
RUNS = "runs"  # the folder of run folders in a lab folder
MODELS = ("models/bd_net.h5", "models/bd_net.keras", "models/bd_weights.h5")


class LabFolder(msgspec.Struct, frozen=True):
    """What a folder holds of a lab: absolute paths, and the places where something was expected and is not."""

    root: str
    model: str | None
    sets: dict[SetName, str]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """There is enough to work with: a network and clean validation images."""
        return self.model is not None and "valid" in self.sets


def models_folder(settings: Settings) -> Path:
    """Where B′ is saved."""
    return Path(settings.out or Path(settings.root) / "models")


def runs_folder(settings: Settings) -> Path:
    """Where run folders are made."""
    return Path(settings.runs or Path(settings.root) / RUNS)


def lab_of(run: Path) -> Path:
    """The lab folder that a run folder lies in; where it lies in no `runs`, the folder beside its own."""
    beside = Path(os.path.realpath(run)).parent
    return beside.parent if beside.name == RUNS else beside


def find(root: Path) -> LabFolder:
    """Look for the lab's files under `root`. What cannot be looked at is not there."""
    root = root.absolute()
    model = next((str(root / place) for place in MODELS if os.path.exists(root / place)), None)
    sets = {name: str(root / place) for name, place in PLACES.items() if os.path.exists(root / place)}
    missing = [place for name, place in PLACES.items() if name not in sets and name != "poisoned_valid"]
    return LabFolder(str(root), model, sets, tuple(([] if model else [MODELS[0]]) + missing))

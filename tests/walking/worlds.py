"""What a walk happens in: an engine, a lab folder, and how to look at what the engine has written."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from engine.api import journal
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.trust import UNRECORDED
from tui.app.engine_link import Client
from tui.model.launch import Launch
from tui.model.options import Options, lab_settings
from tui.model.run_state import RunState

FAKE_ENGINE = Path(__file__).parents[1] / "support" / "fake_engine.py"
Channels = frozenset[int]


class World(Protocol):
    """`patience`: seconds within which the workbench has to come to rest. `events`: all that its engines have told."""

    patience: float
    events: list[p.AnyEvent]
    checked: int  # files that were read

    def launch(self) -> Launch: ...
    def connect(self, run: str | None) -> Client: ...
    def wrong_file(self, path: str, pruned: Channels, state: RunState) -> str: ...
    def recorded(self, state: RunState) -> Sequence[p.AnyEvent]: ...
    def runs(self) -> set[str]: ...


class Scripted:
    """The scripted engine, a process that answers at once. It writes nothing: what it says it saved is its disk."""

    patience = 20.0

    def __init__(self, folder: Path, lab: Path, options: Sequence[str] = ()) -> None:
        self.root = folder / "lab"
        shutil.copytree(lab, self.root, copy_function=os.link)
        self.events: list[p.AnyEvent] = []
        self.checked = 0
        self._options = tuple(options)

    def launch(self) -> Launch:
        return Launch(self.root, lab_settings(Options(root=self.root)))

    def connect(self, run: str | None) -> Client:
        environment = {**os.environ, "LAB3_FAKE": shlex.join(self._options)}
        return EngineClient((sys.executable, "-P", str(FAKE_ENGINE)), environment=environment)

    def wrong_file(self, path: str, pruned: Channels, state: RunState) -> str:
        """What is wrong where the file at `path` should be B with these channels pruned; empty for nothing."""
        saved = [event for event in self.events if isinstance(event, p.Saved) and event.path == path]
        if not saved:
            return f"{path} was never written"
        if saved[-1].what == "tuned":
            return ""
        expected = sha256(repr(sorted(pruned)).encode()).hexdigest()
        return "" if saved[-1].sha256 == expected else f"{path} holds other channels than those of its line"

    def recorded(self, state: RunState) -> Sequence[p.AnyEvent]:
        """The events of the newest run that a journal would hold."""
        began = max((i for i, event in enumerate(self.events) if isinstance(event, p.Began)), default=0)
        return [event for event in self.events[began:] if not isinstance(event, UNRECORDED)]

    def runs(self) -> set[str]:
        """Runs with a step pruned that lie in the lab folder: this engine leaves none."""
        return set()


class Real:
    """The engine itself, on a lab folder of its own; `command` starts it."""

    patience = 90.0

    def __init__(self, folder: Path, lab: Path, command: Sequence[str]) -> None:
        self.root = folder / "lab"
        shutil.copytree(lab, self.root, copy_function=os.link)
        self.events: list[p.AnyEvent] = []
        self._command = tuple(command)
        self._base: dict[str, np.ndarray] | None = None
        self._right: dict[tuple[str, int, int], Channels] = {}
        self.checked = 0

    def launch(self) -> Launch:
        return Launch(self.root, lab_settings(Options(root=self.root, device="cpu")))

    def connect(self, run: str | None) -> Client:
        return EngineClient(self._command, run=Path(run) if run else None)

    def wrong_file(self, path: str, pruned: Channels, state: RunState) -> str:
        """As for the scripted engine; the file is read, number by number."""
        if not os.path.exists(path):
            return f"{path} is not there"
        found = os.stat(path)
        stamp = (path, found.st_ino, found.st_mtime_ns)
        if self._right.get(stamp) == pruned:
            return ""
        assert state.settings and state.opened
        if self._base is None:
            self._base = arrays(state.settings.model)
        self.checked += 1
        tuned = path in state.files and state.files[path].what == "tuned"
        wrong = difference(self._base, arrays(path), state.opened.layer, pruned, tuned)
        if not wrong:
            self._right[stamp] = pruned
        return f"{path}: {wrong}" if wrong else ""

    def recorded(self, state: RunState) -> Sequence[p.AnyEvent]:
        assert state.opened
        return journal.events(Path(state.opened.run))

    def runs(self) -> set[str]:
        return {run.folder for run in journal.all_runs(self.root / "runs") if run.step}


def arrays(path: str) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file, and every attribute as one."""
    found: dict[str, np.ndarray] = {}

    def take(name: str, thing: h5py.Dataset | h5py.Group) -> None:
        if isinstance(thing, h5py.Dataset):
            found[name] = thing[()]
        found.update({f"{name}@{key}": np.asarray(value) for key, value in thing.attrs.items()})

    with h5py.File(path, "r") as file:
        take("", file)
        file.visititems(take)
    return found


def difference(
    base: dict[str, np.ndarray], found: dict[str, np.ndarray], layer: str, pruned: Channels, tuned: bool = False
) -> str:
    """How a network differs from B with these channels of a layer at zero; empty where it does not.

    `tuned`: the other weights may be others, but finite.
    """
    if base.keys() != found.keys():
        return "holds other arrays than B"
    gone = sorted(pruned)
    for name, array in base.items():
        given, expected = found[name], array
        if f"/{layer}/" in f"/{name}" and "@" not in name and array.ndim:
            expected = array.copy()
            expected[..., gone] = 0
        if tuned and "@" not in name and given.shape == array.shape and np.isfinite(given).all():
            lasting = gone if expected is not array else []  # channels that no tuning brings back
            right = not lasting or not given[..., lasting].any()
        else:
            right = np.array_equal(expected, given)
        if not right:
            zero = [c for c in range(given.shape[-1]) if not given[..., c].any()] if array.ndim else []
            return f"{name} is at zero in {len(zero)} channels, its line claims {len(gone)}: {gone}"
    return ""

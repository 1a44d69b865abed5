"""A run that another process holds is looked at and never written to, whatever Python leaves out."""

import sys
from hashlib import sha256
from pathlib import Path

import pytest

from engine.api import locks
from engine.api import protocol as p
from engine.api.errors import ExitCode
from tests.support.protocol_client import of, play, small_lab

pytestmark = pytest.mark.keras
CHANGES = (
    p.Goto(4),
    p.Goto(0),
    p.PruneNext(3),
    p.SetThresholds(("1",)),
    p.SaveHere("mine.h5"),
    p.SaveThreshold("2", overwrite=True),
    p.Export(),
    p.Finish(),
)


def engine(optimized: str) -> tuple[str, ...]:
    return ("env", f"PYTHONOPTIMIZE={optimized}", sys.executable, "-P", "-m", "engine")


def contents(root: Path) -> dict[Path, str]:
    return {path: sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("optimized", ["", "1", "2"])
def test_every_change_is_refused_and_no_file_changes(tmp_path: Path, optimized: str) -> None:
    settings = small_lab(tmp_path)
    opened, _ = play([p.Open(settings), p.Goto(1)])
    run = Path(of(p.Opened, opened)[-1].run)
    with locks.hold(tmp_path / "models"), locks.hold(run):
        before = contents(tmp_path)
        again, *answers = play([p.Open(settings, str(run)), *CHANGES], engine(optimized))
        assert contents(tmp_path) == before
    assert of(p.Opened, again)[-1].held_by
    for command, events in zip(CHANGES, answers, strict=True):
        (failed,) = of(p.Failed, events)
        assert (failed.exit_code, "in use by another window" in failed.message) == (ExitCode.USAGE, True), command
        assert events[-1] == p.Idle(1, "failed"), command


def test_features_are_computed_while_opening(tmp_path: Path) -> None:
    """Whoever presses the first key does not wait for them."""
    (events,) = play([p.Open(small_lab(tmp_path))], engine("1"))
    phases = [event.phase for event in of(p.Progress, events)]
    first = next(place for place, event in enumerate(events) if isinstance(event, p.Began))
    assert "features valid" in phases
    computed = [i for i, event in enumerate(events) if isinstance(event, p.Progress) and "features" in event.phase]
    assert max(computed) < first

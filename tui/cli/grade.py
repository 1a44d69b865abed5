"""`lab3-tui grade`: every network of a class, judged by workers of a sweep."""

from collections.abc import Sequence
from pathlib import Path

from tui.cli.sweep import engine
from tui.sweep.grading import Grading, inputs_of
from tui.sweep.workers import Where, refuse_where


def run(paths: Sequence[Path], folder: Path, scale: str, where: Where, batch_size: int, device: str | None) -> int:
    """`paths`: of the submissions, the BadNet, and its images. Returns the exit code."""
    refuse_where(where)
    handed_in, badnet, valid, test, poisoned = paths
    inputs = inputs_of(badnet, valid, test, poisoned, scale)
    return Grading(handed_in, folder, inputs, batch_size, device, engine()).run(where)

"""A few cells on real engines: same bytes as single runs, and whatever is killed, nothing twice and nothing lost.

The short version of `python -m tests.faults.sweeps`.
"""

import random
from pathlib import Path

import pytest

from tests.faults import sweeps
from tests.faults.engines import Nursery
from tests.support.sweep_lab import make_sweep_lab

pytestmark = [pytest.mark.e2e, pytest.mark.keras]
PLAN = ("--models", "nets/*.h5", "--layers", "conv_3", "--orders", "mean,clp", "--save-at", "2,10")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sweep_lab(tmp_path_factory.mktemp("sweeps") / "lab")


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, lab: Path) -> Path:
    """The folder of a whole sweep. A network of it is no network."""
    (lab / "nets/net_2.h5").write_text("no network")
    to, log = lab.parent / "undisturbed", lab.parent / "stderr"
    assert sweeps.start(lab, nursery.command(), log, *PLAN, "--to", str(to), picture=True).wait() == 2, log.read_text()
    return to


def test_cells_are_single_runs_byte_for_byte(nursery: Nursery, lab: Path, undisturbed: Path, tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    assert sweeps.unlike_single_runs(lab, nursery.command(), undisturbed, log, only=2) == []
    text = (undisturbed / "sweep.csv").read_text()
    assert text.count("\nnets/net_2.h5,conv_") == 2  # refused, and not the end
    assert (undisturbed / "sweep.png").stat().st_size > 10_000


def test_whoever_is_killed_nothing_is_computed_twice_or_lost(
    nursery: Nursery, lab: Path, undisturbed: Path, tmp_path: Path
) -> None:
    log, to, rng = tmp_path / "stderr", tmp_path / "to", random.Random(1)
    whoms = ["a worker", "the scheduler", "everything"]
    assert sweeps.disturbed(lab, nursery.command(), log, to, whoms, rng, *PLAN) == 2
    assert sweeps.losses(to, (undisturbed / "sweep.csv").read_bytes(), cells=4) == []
    assert "Traceback" not in log.read_text()


def test_a_sweep_that_is_done_computes_nothing(lab: Path, undisturbed: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("journal.jsonl")}
    nobody = ("/bin/false",)
    log = tmp_path / "stderr"
    assert sweeps.start(lab, nobody, log, "--resume", "--to", str(undisturbed)).wait() == 2
    assert "0 computed" in log.read_text()
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("journal.jsonl")} == before


def test_a_cell_that_fails_three_times_is_a_row(lab: Path, tmp_path: Path) -> None:
    to, log = tmp_path / "to", tmp_path / "stderr"
    dying = ("/bin/sh", "-c", "echo no engine here >&2; exit 3")
    plan = ("--models", "nets/net_0.h5", "--orders", "mean", "--to", str(to), "--workers", "1")
    assert sweeps.start(lab, dying, log, *plan).wait() == 6
    (row,) = (to / "sweep.csv").read_text().splitlines()[1:]
    assert "failed" in row and "(3 attempts)" in row and "no engine here" in row

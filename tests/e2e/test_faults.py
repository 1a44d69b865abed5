"""A handful of kills and faults in whole runs: the short version of `python -m tests.faults`."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.errors import ExitCode
from tests.faults import kills, labs, writes
from tests.faults.engines import Nursery

pytestmark = [pytest.mark.e2e, pytest.mark.keras]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("engines")) as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return labs.make_lab(tmp_path / "lab")


def test_killed_and_resumed_until_it_is_done(nursery: Nursery, lab: Path, tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    tally = kills.run(lab, nursery.command(), 4, 1, log)
    assert tally.losses == []
    assert tally.kills.total() == 4
    assert "Traceback" not in log.read_text()


def test_broken_and_resumed_until_it_is_done(nursery: Nursery, lab: Path, tmp_path: Path) -> None:
    result = writes.run(lab, nursery, 3, 1, tmp_path / "stderr")
    assert result.losses == []
    assert result.faults.total() == 3


def headless(lab: Path, nursery: Nursery, log: Path, *options: str) -> int:
    return kills.start(lab, nursery.command(), options, log).end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    nursery: Nursery, lab: Path, tmp_path: Path, small_disk: Path
) -> None:
    log = tmp_path / "stderr"
    (small_disk / "filler").write_bytes(bytes(os.statvfs(small_disk).f_bavail * 4096 - 8192))
    assert headless(lab, nursery, log, *kills.OPTIONS, "--out", str(small_disk)) == ExitCode.NOT_WRITTEN
    assert "no space left (needs 0.0 MB" in log.read_text()
    assert "free space and save again" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert not list(small_disk.glob("*.h5")) and not list(small_disk.glob(".*.part"))
    (small_disk / "filler").unlink()
    assert headless(lab, nursery, log, "--headless", "--json", "--resume") in kills.DONE
    assert len(list(small_disk.glob("*.h5"))) == 5


def test_a_folder_that_may_only_be_read_is_refused_with_both_options(
    nursery: Nursery, lab: Path, tmp_path: Path, small_disk: Path
) -> None:
    log = tmp_path / "stderr"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for option in ("--out", "--runs"):
        log.write_bytes(b"")
        assert headless(lab, nursery, log, *kills.OPTIONS, option, str(small_disk / "x")) == ExitCode.USAGE
        assert "--out FOLDER" in log.read_text() and "--runs FOLDER" in log.read_text()
        assert "Traceback" not in log.read_text()

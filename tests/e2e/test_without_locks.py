"""On file systems that cannot lock: NFS without a lock daemon, FUSE, Lustre without its option."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from engine.api import journal, locks
from engine.api.process import spawn
from engine.api.protocol import Opened
from engine.demo.lab import is_whole
from tests.faults import labs
from tests.support.short_paths import short_folder

pytestmark = pytest.mark.e2e
SOURCE = Path(__file__).parents[1] / "unlocked.c"
ERRORS = {name: getattr(errno, name) for name in ("ENOLCK", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EIO")}
HOLD = """
import sys
from pathlib import Path
from engine.api import locks
with locks.hold(Path(sys.argv[1])) as note:
    print(note)
"""


@pytest.fixture(scope="module")
def without_locks() -> Iterator[Callable[[int], Mapping[str, str]]]:
    """The environment of a program for which `flock` fails with an error number."""
    if (compiler := shutil.which("gcc")) is None:
        pytest.skip("gcc, which makes the library that lets flock fail, is not installed")
    with short_folder() as folder:
        library = folder / "unlocked.so"
        made = subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE)], capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"gcc makes no shared library here: {made.stderr.strip()[:200]}")
        yield lambda number: os.environ | {"LD_PRELOAD": str(library), "LAB3_FLOCK_ERRNO": str(number)}


@pytest.mark.parametrize("name", ERRORS)
def test_a_folder_that_cannot_be_locked_is_held_with_a_note(
    name: str, without_locks: Callable[[int], Mapping[str, str]], tmp_path: Path
) -> None:
    found = subprocess.run(
        [sys.executable, "-P", "-c", HOLD, str(tmp_path)],
        env=without_locks(ERRORS[name]),
        capture_output=True,
        text=True,
    )
    reason = os.strerror(ERRORS[name]).lower()
    expected = f"This file system has no locks ({reason}): do not open the same lab in another window.\n"
    assert (found.returncode, found.stdout, found.stderr) == (0, expected, "")


def test_the_demo_is_laid_out_without_locks(without_locks: Callable[[int], Mapping[str, str]], tmp_path: Path) -> None:
    words = (
        "import sys; from pathlib import Path; from engine.demo.lab import lay_out; lay_out('plain', Path(sys.argv[1]))"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", words, str(tmp_path / "demo")],
        env=without_locks(errno.ENOLCK), capture_output=True, text=True,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, "")
    assert is_whole("plain", tmp_path / "demo")


@pytest.mark.keras
def test_a_run_without_locks_is_complete_and_says_so_once(
    without_locks: Callable[[int], Mapping[str, str]], tmp_path: Path
) -> None:
    lab = labs.make_lab(tmp_path / "lab")
    program = [sys.executable, "-m", "tui", "--headless", "--device", "cpu", "--save-at", "1", "--root", str(lab)]
    found = subprocess.run(program, env=without_locks(errno.ENOLCK), capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stderr.count("This file system has no locks") == 1
    (run,) = (lab / "runs").iterdir()
    (opened,) = (event for event in journal.events(run) if isinstance(event, Opened))
    assert sum("has no locks" in note for note in opened.notes) == 1


async def test_no_process_that_reads_hdf5_locks_what_it_reads() -> None:
    from engine.api.inspection import ENVIRONMENT

    assert ENVIRONMENT["HDF5_USE_FILE_LOCKING"] == "FALSE"
    told = (sys.executable, "-c", "import os; print(os.environ['HDF5_USE_FILE_LOCKING'])")
    wire = await spawn(told, environment=os.environ | {"HDF5_USE_FILE_LOCKING": "TRUE"})
    assert await wire.read() == b"FALSE"
    await wire.close()


def test_where_there_are_locks_nothing_is_said(tmp_path: Path) -> None:
    with locks.hold(tmp_path) as note:
        assert note == ""

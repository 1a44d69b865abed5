"""Locks on folders: one writer, named to the second, gone with its process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.api import locks
from engine.api.errors import Refused

HOLDER = """
import sys, time
from pathlib import Path
from engine.api import locks
with locks.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_made_held_and_free_again(tmp_path: Path) -> None:
    with locks.hold(tmp_path / "new" / "folder"):
        assert (tmp_path / "new" / "folder").is_dir()
    with locks.hold(tmp_path / "new" / "folder"):
        pass


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    with locks.hold(tmp_path), pytest.raises(locks.InUse) as refused, locks.hold(tmp_path):
        pass
    assert str(os.getpid()) in refused.value.holder
    assert "since " in refused.value.holder and "host " in refused.value.holder
    assert "in use by another window" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-P", "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        with pytest.raises(locks.InUse, match=str(process.pid)), locks.hold(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    with locks.hold(tmp_path):
        pass


def test_a_lock_file_that_somebody_wrote_into_shows_nothing_that_acts(tmp_path: Path) -> None:
    with locks.hold(tmp_path):
        (tmp_path / locks.NAME).write_bytes(b"\x1b[31m\xff[b]")
        with pytest.raises(locks.InUse) as refused, locks.hold(tmp_path):
            pass
    assert str(refused.value).isprintable()


def test_what_cannot_be_written_names_the_options(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="--out FOLDER"), locks.hold(tmp_path / "file"):
        pass

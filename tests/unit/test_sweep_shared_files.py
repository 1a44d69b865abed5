"""A worker that sees other files, or has other versions, is refused in one line."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api.errors import Refused
from tui.sweep.shared_files import SweepStopped, refuse_stopped, refuse_unshared, shared_token


def test_the_token_is_there_as_long_as_the_sweep(tmp_path: Path) -> None:
    (tmp_path / ".shared-left").write_text("of a sweep that was killed")
    with shared_token(tmp_path) as token:
        refuse_unshared(token)
        refuse_stopped(token)
        assert [path.name for path in tmp_path.iterdir()] == [Path(token.path).name]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SweepStopped):
        refuse_stopped(token)
    with pytest.raises(Refused, match="does not see"):
        refuse_unshared(token)


def test_a_worker_of_another_file_system_or_version_is_refused(tmp_path: Path) -> None:
    with shared_token(tmp_path) as token:
        with pytest.raises(Refused, match=r"does not see .* Workers must see the same files"):
            refuse_unshared(replace(token, holds="other"))
        with pytest.raises(Refused, match=r"has keras [\d.]+, expected 1\.0"):
            refuse_unshared(replace(token, versions=token.versions | {"keras": "1.0"}))

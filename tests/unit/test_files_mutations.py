"""The short version of `python -m tests.faults.mutations`."""

from pathlib import Path

import pytest

from tests.faults.mutations import run

pytestmark = pytest.mark.e2e


def test_two_hundred_damaged_files(tmp_path: Path) -> None:
    found = run(200, 4, tmp_path, lambda line: None)
    assert sum(found.values()) == 200
    ends = {what for _, what in found}
    assert {"accepted", "refused"} <= ends

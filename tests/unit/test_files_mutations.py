"""The short version of `python -m tests.faults.mutations`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.sandbox import client
from tests.faults.mutations import run

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def own_inspector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The mutations ask for an impatient one."""
    monkeypatch.setattr(client, "inspector_command", client.inspector_command)
    client.sandbox.close()
    yield
    client.sandbox.close()


def test_two_hundred_damaged_files(tmp_path: Path) -> None:
    found = run(range(200), 4, tmp_path)
    assert sum(found.values()) == 200
    ends = {what for _, what in found}
    assert {"accepted", "refused"} <= ends

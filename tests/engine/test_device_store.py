"""Features on the device give the answers that features with the host give, image for image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api.protocol import Goto, Note, Stepped  # noqa: E402
from engine.network import device_features, device_filling, device_tail  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402


def both(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[Run, Run]:
    """A run with features on the device, and the same with the host."""
    runs = []
    for store in ("device", "host"):
        monkeypatch.setenv(device_filling.STORE, store)
        runs.append(opened(folder, **more))
        _ = runs[-1].evaluator
    assert isinstance(runs[0].evaluator.rest, device_tail.DeviceTail)
    assert not isinstance(runs[1].evaluator.rest, device_tail.DeviceTail)
    return runs[0], runs[1]


def walked(run: Run) -> list[Any]:
    """Counts of every step."""
    events = list(run.session.goto(Goto(99), lambda: run.evaluator, lambda: None))
    return [(event.counts, event.evaluated) for event in events if isinstance(event, Stepped)]


@pytest.mark.parametrize("case", CASES)
def test_both_stores_give_every_answer_alike(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, layer, _ = CASES[case]
    write_lab(tmp_path, trained_looking(build, seed=len(case)), seed=len(case))
    mine, host = both(tmp_path, monkeypatch, layer=layer)
    assert mine.session.order == host.session.order
    assert walked(mine) == walked(host)
    for step in range(len(mine.session.order) + 1):
        key = mine.session.key(step)
        assert np.array_equal(mine.session.answers[key], host.session.answers[key])

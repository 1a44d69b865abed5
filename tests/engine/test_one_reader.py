"""A pause while features are computed, then a look at images: one data file has one reader at a time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytest.importorskip("keras")

from engine.api import protocol as p
from engine.sandbox.data_set import Dataset
from engine.server.commands import Service
from tests.support.protocol_client import of, small_lab

pytestmark = pytest.mark.keras


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[Path]]:
    """How many readers were in each file at once, at most; each of them takes its time."""
    inside, most, lock, fill = Counter[Path](), Counter[Path](), threading.Lock(), Dataset._fill

    def slow(data: Dataset, out: np.ndarray, first: int) -> None:
        with lock:
            inside[data.path] += 1
            most[data.path] = max(most[data.path], inside[data.path])
        time.sleep(0.2)
        fill(data, out, first)
        with lock:
            inside[data.path] -= 1

    monkeypatch.setattr(Dataset, "_fill", slow)
    yield most


def test_nobody_else_reads_while_images_are_shown(tmp_path: Path, most: Counter[Path]) -> None:
    settings = replace(small_lab(tmp_path), batch_size=4)
    told: list[p.AnyEvent] = []
    service = Service(told.append)
    service.carry_out(p.Open(settings))
    run = of(p.Opened, told)[-1].run
    service.close_run(None)
    service.carry_out(p.Open(settings, run), 1)

    def pause(event: p.AnyEvent) -> None:
        told.append(event)
        if isinstance(event, p.Progress) and event.phase == "features test":
            service.stop_before(3)

    service.recorder.send = pause
    service.carry_out(p.Goto(2), 2)
    assert told[-1] == p.Idle(0, "paused")
    service.carry_out(p.ShowImages("all", 0, 4), 4)
    assert len(of(p.Images, told)[-1].items) == 4
    service.close_run(None)
    assert set(most.values()) == {1}

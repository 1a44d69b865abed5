"""Stopping while reasons are looked for: the parts that were found stay, and the next look computes the rest."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("keras")

from engine.api import protocol as p
from engine.server.commands import Service
from tests.engine.test_parity import settings
from tests.support.networks import CASES, trained_looking, write_lab
from tests.support.protocol_client import of

pytestmark = pytest.mark.keras
PARTS = (p.Diagnosed, p.Detected, p.LayersPruned)


def parts(events: list[p.AnyEvent]) -> list[type]:
    return [type(event) for event in events if isinstance(event, PARTS)]


def test_what_was_found_before_a_stop_stays_and_the_rest_is_computed_later(tmp_path: Path) -> None:
    """Stopped within the diagnosis, then among the detectors, then between two layers."""
    write_lab(tmp_path, trained_looking(CASES["all convolutions"][0], seed=7), seed=7)
    told: list[p.AnyEvent] = []
    service = Service(told.append)
    service.carry_out(p.Open(replace(settings(tmp_path, layer="last"), save_at=())), 1)
    run = Path(of(p.Opened, told)[-1].run)

    def explained(number: int, stop_in: str | None) -> list[p.AnyEvent]:
        """What one Explain tells, stopped as by the key at the first progress of a phase."""
        told.clear()

        def send(event: p.AnyEvent) -> None:
            told.append(event)
            if isinstance(event, p.Progress) and event.phase == stop_in and event.done < event.total:
                service.stop_before(number + 1)

        service.recorder.send = send
        service.carry_out(p.Explain(), number)
        return list(told)

    def idle(events: list[p.AnyEvent]) -> Any:
        return events[-1]

    in_diagnosis = explained(2, "why")
    assert parts(in_diagnosis) == [] and idle(in_diagnosis) == p.Idle(0, "paused")
    in_detectors = explained(3, "detectors")
    assert parts(in_detectors) == [p.Diagnosed] and idle(in_detectors) == p.Idle(0, "paused")
    assert not (run / "diagnosis.json").exists() and not of(p.Failed, in_detectors)
    in_layers = explained(4, "layers")
    assert parts(in_layers) == [p.Detected] and idle(in_layers) == p.Idle(0, "paused")
    assert not [each for each in of(p.Progress, in_layers) if each.phase == "why" and each.done == each.total]
    rest = explained(5, None)
    assert parts(rest) == [p.LayersPruned] and idle(rest) == p.Idle(0, "done")
    assert {"diagnosis.json", "detectors.csv"} <= {event.what for event in of(p.Saved, rest)}
    assert not [each for each in of(p.Progress, rest) if each.phase in ("why", "detectors")]
    service.close_run(None)

"""A run of several channels a step, in the engine: the same counts as one by one, at fewer steps."""

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.api import journal  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.architecture import graph  # noqa: E402
from engine.run import wide_layers  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import (  # noqa: E402
    CASES,
    trained_looking,
    write_lab,
)
from tests.support.protocol_client import of, play, small_lab  # noqa: E402


def test_a_run_with_a_stride_counts_what_single_steps_count(tmp_path: Path) -> None:
    settings = replace(small_lab(tmp_path), save_at=("2",), overwrite=True)
    one, wide = (play([p.Open(replace(settings, stride=stride)), p.Goto(99), p.Finish()]) for stride in (1, 3))
    counts = {event.step: event.counts for events in one for event in of(p.Stepped, events)}
    found = {event.step: event.counts for events in wide for event in of(p.Stepped, events)}
    assert {0, 3, 4} <= set(found) <= set(counts) and all(counts[step] == at for step, at in found.items())
    folder = Path(of(p.Opened, wide[0])[-1].run)
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == sorted(found)
    assert "3 channels a step, and one by one where a threshold was crossed" in (folder / "report.md").read_text()
    again, _ = play([p.Open(replace(settings, stride=3), str(folder)), p.Finish()])
    assert {event.step for event in of(p.Stepped, again)} == set(found)
    assert journal.read(folder)[0].settings.stride == 3


def test_a_wide_layer_is_offered_a_stride_with_the_time_it_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lab(tmp_path, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    run = opened(tmp_path)
    assert wide_layers.stride_offer(run, 10.0) == ""
    monkeypatch.setattr(wide_layers, "MANY_CHANNELS", 2)
    monkeypatch.setattr(wide_layers, "STEPS", 2)
    told = wide_layers.stride_offer(run, 100.0)
    assert (
        told.startswith(f"{run.inputs.channels} channels are {run.inputs.channels} steps, about ")
        and "--stride " in told
    )
    run.settings = replace(run.settings, stride=2)
    assert wide_layers.stride_offer(run, 100.0) == ""
    assert graph.MANY_CHANNELS == 512


def test_a_stride_is_a_power_of_two_that_leaves_some_sixty_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lab(tmp_path, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    run = opened(tmp_path)
    monkeypatch.setattr(type(run.inputs), "channels", 2048)
    assert "2,048 channels are 2,048 steps" in (told := wide_layers.stride_offer(run, 10.0))
    assert "--stride 32 takes 32 channels a step" in told

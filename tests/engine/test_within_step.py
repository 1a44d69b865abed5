"""A step that takes long tells how far it is, and can be paused; one that does not, says nothing."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.api import protocol as p  # noqa: E402
from engine.run import run as runs  # noqa: E402
from engine.run.run import LONG_STEP, TELL_EVERY, WithinStep  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tui.model.run_state import AppEvent, RunState, Sent, reduce  # noqa: E402
from tui.screens.header import status  # noqa: E402


def test_only_long_steps_are_told_of_and_not_too_often() -> None:
    told: list[p.Progress] = []
    now = [0.0]
    within = WithinStep(told.append, lambda: now[0])
    for begin, pause in ((0.0, 0.01), (10.0, 0.1)):  # ten batches in 0.1 s; then ten in a second
        for number in range(10):
            now[0] = begin + number * pause
            within(number, 10)
    assert [event.done for event in told] == [5, 8]
    assert told[0] == p.Progress("step", 5, 10, pytest.approx(LONG_STEP))
    assert told[1].seconds - told[0].seconds >= TELL_EVERY


def test_a_run_tells_how_far_its_step_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LONG_STEP", 0.0)
    monkeypatch.setattr(runs, "TELL_EVERY", 0.0)
    build, layer, _ = CASES["sigmoid"]
    write_lab(tmp_path, trained_looking(build, seed=5), seed=5)
    run = opened(tmp_path, layer=layer, batch_size=8)
    told: list[p.AnyEvent] = []
    run.evaluator.done.emit = told.append  # type: ignore[attr-defined]
    stepped = [*run.session.goto(p.Goto(1), lambda: run.evaluator, lambda: None)]
    assert any(isinstance(event, p.Stepped) for event in stepped)
    done = [event.done for event in told if isinstance(event, p.Progress) and event.phase == "step"]
    assert done and all(at > 0 for at in done)
    assert all(event.done < event.total for event in told if isinstance(event, p.Progress))


def shown(*events: AppEvent) -> str:
    state = RunState()
    for event in events:
        state = reduce(state, event)
    return status(state)[0]


def test_the_header_says_how_far_the_step_is_until_it_is_done_or_given_up() -> None:
    settings = p.Settings(root="/lab", model="/lab/b.h5", valid="/lab/v.h5")
    valid = p.SetInfo("v.h5", 10, "0" * 64)
    open_run = (
        Sent(p.Open(settings)),
        p.Opened("/lab/runs/1", valid, "conv_3", "pool_3", 2, 10, (), {"valid": valid}, "0", "cpu", "tf", False),
        p.Ranked((1, 0), False, (1.0, 0.0), (1, 1)),
        p.Stepped(0, None, p.Counts(valid=9)),
        p.Idle(0),
        Sent(p.Goto(2)),
    )
    assert shown(*open_run) == "▶ running"
    assert shown(*open_run, p.Progress("step", 3, 8, 0.6)) == "▶ step 37 %"
    assert shown(*open_run, p.Progress("step", 3, 8, 0.6), p.Stepped(1, 1, p.Counts(valid=8), 10, 2.0)) == "▶ running"
    assert shown(*open_run, p.Progress("step", 3, 8, 0.6), p.Idle(0, "paused"), Sent(p.Goto(2))) == "▶ running"

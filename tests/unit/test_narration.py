"""What is told while the engine works."""

from collections.abc import Iterable

from engine.api import protocol as p
from tui.headless.narrator import told
from tui.model import run_state as s

SETTINGS = p.Settings(root="/lab", model="/lab/models/bd_net.h5", valid="/lab/data/cl/valid.h5")
VALID = p.SetInfo("valid.h5", 10, "0" * 64)
OPENED = p.Opened("/lab/runs/1-a", VALID, "conv_3", "pool_3", 2, 10, (), {"valid": VALID}, "0", "cpu", "tf", False)
LIVE: tuple[s.AppEvent, ...] = (p.Progress("hash", 1, 1, 0.5), OPENED)
JOURNAL: tuple[s.AppEvent, ...] = (
    p.Began(SETTINGS, {}, {}, "2024-05-01T14:02:00"),
    OPENED,
    p.Progress("hash", 1, 1, 4.0),
    p.Ranked((1, 0), False, (1.0, 0.0), (1, 1)),
    p.Stepped(0, None, p.Counts(valid=9)),
    p.Stepped(1, 1, p.Counts(valid=8)),
    p.Saved("model", "/lab/models/model_prune_2.h5", "0" * 64, "written", 1, "2"),
)
AFTER: tuple[s.AppEvent, ...] = (p.Idle(1), p.Saved("curve.csv", "/lab/runs/1-a/curve.csv", "0" * 64, "written"))


def lines(events: Iterable[s.AppEvent]) -> list[str]:
    state, found = s.RunState(), []
    for event in events:
        before, state = state, s.reduce(state, event)
        found += [line.text for line in told(before, state)]
    return found


def test_a_run_that_goes_on_is_told_in_one_line() -> None:
    found = lines([s.Sent(p.Open(SETTINGS, "/lab/runs/1-a")), *LIVE, *JOURNAL, *AFTER])
    assert found == ["hash: 0.5 s", "opened run 1-a: 1 step known", "saved /lab/runs/1-a/curve.csv"]


def test_an_engine_that_never_left_goes_on_telling_what_happens() -> None:
    found = lines([s.Sent(p.Open(SETTINGS, "/lab/runs/1-a")), *JOURNAL, *AFTER])
    assert "saved /lab/models/model_prune_2.h5" in found and not any("opened run" in line for line in found)


def test_a_new_run_is_told_as_it_happens() -> None:
    found = lines([s.Sent(p.Open(SETTINGS)), *LIVE, *JOURNAL, *AFTER])
    assert "saved /lab/models/model_prune_2.h5" in found and not any("opened run" in line for line in found)


def test_a_refusal_to_go_on_opens_nothing() -> None:
    events = [s.Sent(p.Open(SETTINGS, "/lab/runs/1-a")), *LIVE, *JOURNAL, p.Failed("changed", 2), p.Idle(0, "failed")]
    assert not any("opened run" in line for line in lines(events))

"""What is recorded is what was told, once each, and nothing that cannot be read back."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from engine.api import journal
from engine.api import protocol as p
from engine.api.errors import NotWritten, Refused
from engine.api.journal import Journal
from engine.run.recorder import Recorder
from tests.support import findings

BEGAN = p.Began(p.Settings("/lab", "/lab/m.h5", "/lab/v.h5"), {}, {}, "2024-05-01T14:02:00")
ONE = p.Counts(1)
DIAGNOSED = findings.diagnosed((0,), (ONE, ONE), (1.0,), {"valid": 1})
INFINITE = {
    p.Progress: p.Progress("hash", 1, 1, math.nan),
    p.Ranked: p.Ranked((0, 1), False, (1.0, math.inf), (1, 1)),
    p.Stepped: p.Stepped(1, 0, ONE, 1, math.inf),
    p.ChannelView: p.ChannelView(0, 1, 2, (0.0, 1.0), (0.0, -math.inf), ONE),
    p.Compared: p.Compared("mean", "clean", (), (), seconds=math.inf),
    p.Evaluated: p.Evaluated(1, 2, 1, 2, trigger=p.TriggerRegion(0, 0, 1, 1, 1, (math.nan,))),
    p.Finished: p.Finished("", (), (), "done.", math.nan),
    p.Compared: p.Compared("mean", "clean", (0,), (ONE, ONE), seconds=math.inf),
    p.Analysed: p.Analysed(p.TriggerRegion(0, 0, 1, 1, 1, (math.nan,)), "", (), ()),
    p.Evaluated: p.Evaluated(1, 1, 1, 1, trigger=p.TriggerRegion(0, 0, 1, 1, 1, (math.inf,))),
    p.Diagnosed: msgspec.structs.replace(DIAGNOSED, activation_change=(math.inf,)),
    p.LayersPruned: msgspec.structs.replace(findings.layers_pruned({"valid": 9}), seconds=math.nan),
    p.TuningBegan: p.TuningBegan(1, 1, (0,), None, p.Recipe(rate=math.inf), 0, 7, 2),
    p.Tuned: p.Tuned(1, 1, p.TunedCounts(2), math.nan),
    p.Exported: p.Exported("/g.keras", "0" * 64, 1, 2, {}, math.inf),
    p.Detected: p.Detected((msgspec.structs.replace(findings.detector("norm", (9, 9, 9)), area=math.nan),)),
}


def begun(folder: Path) -> tuple[Recorder, list[p.AnyEvent]]:
    sent: list[p.AnyEvent] = []
    recorder = Recorder(sent.append)
    recorder.begin(folder)
    recorder.emit(BEGAN)
    return recorder, sent


def test_a_run_that_another_window_went_on_with_is_not_gone_on_with(tmp_path: Path) -> None:
    recorder, _ = begun(tmp_path)
    stale = journal.events(tmp_path)
    recorder.emit(p.Stepped(1, 0, ONE))
    recorder.stop()
    before = (tmp_path / journal.NAME).read_bytes()
    with pytest.raises(Refused, match="another window"):
        Recorder(lambda event: None).resume(tmp_path, stale)
    assert (tmp_path / journal.NAME).read_bytes() == before
    again = Recorder(lambda event: None)
    again.resume(tmp_path, journal.events(tmp_path))
    again.emit(p.Moved(1))
    again.stop()
    assert journal.events(tmp_path)[-1] == p.Moved(1)


def test_what_came_early_is_recorded_once_whatever_failed_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = [p.Progress(phase, 1, 1, 0.5) for phase in ("tensorflow", "device", "model")]
    recorder = Recorder(lambda event: None)
    for event in early:
        recorder.emit(event)
    recorder.begin(tmp_path)
    real = Journal.append

    def failing(self: Journal, event: p.AnyEvent) -> None:
        if event == early[1]:
            raise NotWritten("full")
        real(self, event)

    monkeypatch.setattr(Journal, "append", failing)
    with pytest.raises(NotWritten):
        recorder.emit(BEGAN)
    monkeypatch.setattr(Journal, "append", real)
    recorder.emit(p.Moved(0))
    recorder.stop()
    assert sorted(map(str, journal.events(tmp_path))) == sorted(map(str, [BEGAN, *early, p.Moved(0)]))


@pytest.mark.parametrize("event", INFINITE.values(), ids=lambda event: type(event).__name__)
def test_numbers_that_are_not_finite_are_neither_told_nor_kept(event: p.AnyEvent, tmp_path: Path) -> None:
    recorder, sent = begun(tmp_path)
    with pytest.raises(p.NotFinite, match=r"^The engine made numbers .*\.$"):
        recorder.emit(event)
    with pytest.raises(p.NotFinite):
        p.encode(event)
    recorder.stop()
    assert sent == journal.events(tmp_path) == [BEGAN]


def floats_in(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return any(map(floats_in, get_type_hints(hint).values()))
    return hint is float or any(map(floats_in, get_args(hint)))


def test_every_event_with_such_numbers_is_looked_at() -> None:
    events: Iterable[type] = get_args(p.AnyEvent)
    assert {event for event in events if floats_in(event)} == set(p.FLOATS) == set(INFINITE)


def test_huge_numbers_that_are_finite_come_back(tmp_path: Path) -> None:
    recorder, _ = begun(tmp_path)
    ranked = p.Ranked((0, 1), False, (1.7e308, -1.7e308), (1, 1))
    recorder.emit(ranked)
    recorder.stop()
    assert journal.events(tmp_path)[-1] == ranked

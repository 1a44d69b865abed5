"""A sweep folded from its record, and the record read as it grows."""

import os
from pathlib import Path

import pytest

from engine.api import locks
from tests.support.sweep_script import script, write_record
from tui.model import sweep_watch
from tui.model.sweep_state import CellStep, SweepOver, SweepState, decode_sweep, encode_sweep, reduce_sweep
from tui.model.sweep_watch import SweepWatch
from tui.widgets.sweep_grid import lines, wrapped


def folded() -> SweepState:
    state = SweepState()
    for event in script():
        state = reduce_sweep(state, event)
    return state


def test_counts_best_and_pace() -> None:
    state = folded()
    assert [state.count(name) for name in ("done", "refused", "failed", "running", "waiting")] == [6, 1, 1, 2, 14]
    assert state.best is not None and state.best.number == 5
    assert state.computed == 6  # five done in this sweep, and one that failed
    assert state.cells_a_minute(1000.0 + 120) == 3.0
    over = reduce_sweep(state, SweepOver("", 1060.0))
    assert over.cells_a_minute(9999.0) == 6.0
    assert SweepState().best is None and SweepState().cells_a_minute(5.0) == 0.0


def test_words_that_come_late_change_nothing_of_a_cell_that_ended() -> None:
    state = folded()
    assert reduce_sweep(state, CellStep(0, 3, 60, "late")) == state


def test_every_event_survives_its_line() -> None:
    for event in script():
        assert decode_sweep(encode_sweep(event)) == event
    assert decode_sweep(b'{"event":"planned"') is None
    assert decode_sweep(b'{"event":"of another version"}') is None


def test_a_record_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    watch = SweepWatch(tmp_path)
    assert watch.read() == SweepState()
    assert not watch.alive()
    events = list(script())
    path = write_record(tmp_path, iter(events[:5]))
    with path.open("ab") as file:
        torn = encode_sweep(events[5]) + b"\n"
        file.write(torn[:10])
        file.flush()
        before = watch.read()
        assert before.count("done") == 1
        file.write(torn[10:])
    after = watch.read()
    assert (after.count("done"), after.count("running")) == (2, before.count("running") - 1)
    watch.close()


def test_a_sweep_lives_as_long_as_somebody_holds_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = SweepWatch(tmp_path)
    write_record(tmp_path, script(pid=os.getpid()))
    watch.read()
    with locks.hold(tmp_path):
        assert watch.alive()
    assert not watch.alive()  # a process of that number lives, but it is another one
    monkeypatch.setattr(sweep_watch, "known_holder", lambda folder: None)  # a file system without locks
    assert watch.alive()
    watch.close()


def test_lines_wrap_and_hold_every_cell_once() -> None:
    state = folded()
    for width in (40, 52, 76, 120):
        found = lines(state, 0, width)
        numbers = [number for line in found for _, number in line.places]
        assert numbers == [cell.number for cell in state.cells]
        assert all(sum(len(text) for text, _ in line.parts) <= width for line in found)


def test_reasons_are_wrapped_between_words() -> None:
    assert wrapped("one two three four", 9) == ["one two", "three", "four"]
    assert wrapped("", 9) == []

"""RunState and reduce: what a list of events makes of a run."""

from functools import reduce as fold
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.api import protocol as p
from tui.model import run_state as s

SETTINGS = p.Settings(root="/lab", model="/lab/models/bd_net.h5", valid="/lab/data/cl/valid.h5")
SETS: dict[p.SetName, p.SetInfo] = {
    "valid": p.SetInfo("valid.h5", 200, "a"),
    "test": p.SetInfo("test.h5", 400, "b"),
    "poisoned": p.SetInfo("bd_test.h5", 400, "c"),
}
OPENED = p.Opened(
    run="/lab/runs/one",
    model=p.SetInfo("bd_net.h5", 0, "d"),
    layer="conv_3",
    feature="pool_3",
    channels=4,
    classes=10,
    layers=(),
    sets=SETS,
    target="0",
    device="cpu",
    backend="tensorflow",
    lab=False,
)
RANKED = p.Ranked(order=(2, 0, 3, 1), given=False, means=(1.0, 4.0, 0.0, 2.0), active_valid=(10, 200, 0, 50))


def stepped(step: int, valid: int, channel: int | None = 0, seconds: float = 0.5) -> p.Stepped:
    counts = p.Counts(
        valid=valid, test=2 * valid, poisoned=400, g_test=valid, g_poisoned=380, detected=20, false_alarms=4
    )
    return p.Stepped(step, channel if step else None, counts, seconds=seconds)


BEGINNING: tuple[s.AppEvent, ...] = (s.Sent(p.Open(SETTINGS)), OPENED, RANKED, stepped(0, 196), p.Moved(0), p.Idle(0))


def after(*events: s.AppEvent) -> s.RunState:
    return fold(s.reduce, (*BEGINNING, *events), s.RunState())


def test_every_event_of_the_protocol_has_a_place() -> None:
    assert set(get_args(p.AnyEvent)) <= set(s._HANDLERS)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), "ready"),
        ((s.Sent(p.Goto(3)),), "running"),
        ((s.Sent(p.Goto(1)), stepped(1, 190), p.Moved(1), p.Idle(1)), "ready"),
        ((s.Sent(p.Goto(1)), p.Failed("no", 6)), "ready"),
        ((s.Sent(p.Export()),), "writing"),
        ((s.Sent(p.Open(SETTINGS)),), "opening"),
        ((s.EngineDeath("killed by signal 9"),), "dead"),
        ((s.EngineDeath("killed by signal 9"), p.Hello(1, 7)), "ready"),
        ((s.Sent(p.ShowChannel(1)),), "ready"),
    ],
)
def test_status(events: tuple[s.AppEvent, ...], status: s.Status) -> None:
    assert after(*events).status == status


def test_nothing_is_open_at_first() -> None:
    assert s.RunState().status == "closed" and s.figures(s.RunState()) is None


def test_figures_are_percent_of_the_set_they_name() -> None:
    state = after(stepped(1, 190), p.Moved(1))
    assert s.figures(state) == s.Figures(
        valid=95.0, drop=3.0, test=95.0, asr=100.0, g_test=47.5, g_asr=95.0, detection=5.0, false_alarm=1.0
    )
    assert s.figures(state, 2) is None


def test_figures_leave_out_sets_that_are_not_there() -> None:
    opened = msgspec.structs.replace(OPENED, sets={"valid": SETS["valid"]})
    state = fold(s.reduce, (opened, RANKED, p.Stepped(0, None, p.Counts(valid=100))), s.RunState())
    assert s.figures(state) == s.Figures(valid=50.0, drop=0.0)


def test_a_saved_step_gains_the_poisoned_validation_set() -> None:
    sets = {**SETS, "poisoned_valid": p.SetInfo("bd_valid.h5", 100, "e")}
    opened = msgspec.structs.replace(OPENED, sets=sets)
    events = (opened, RANKED, stepped(0, 196), p.SaveMeasured(0, p.Counts(valid=196, poisoned_valid=99)))
    found = s.figures(fold(s.reduce, events, s.RunState()))
    assert found is not None and found.valid_asr == 99.0


def test_next_threshold_is_the_smallest_not_crossed() -> None:
    state = after(stepped(1, 191), p.Moved(1), p.Crossed("2", 1))
    assert s.next_threshold(state) == ("4", pytest.approx(1.5))
    assert s.next_threshold(s.RunState()) is None


def test_reorder_voids_later_steps_and_keeps_what_was_saved() -> None:
    saved = p.Saved("model", "/lab/models/model_prune_2.h5", "f", "written", 2, "2")
    before = (stepped(1, 195), stepped(2, 190), p.Crossed("2", 2), saved, p.Moved(1))
    state = after(*before, p.Reordered((2, 1, 0, 3), kept=1))
    assert sorted(state.steps) == [0, 1] and state.crossed == {} and state.saved == (saved,)
    assert state.order == (2, 1, 0, 3) and state.next_channel == 1


def test_opening_again_forgets_the_run_but_not_the_log() -> None:
    state = after(stepped(1, 195), s.Sent(p.Open(SETTINGS, "/lab/runs/one")))
    assert not state.steps and state.opened is None and state.log


def test_results_are_unwritten_from_a_new_step_until_the_curve_is_saved() -> None:
    state = after(stepped(1, 195))
    assert not state.written
    state = s.reduce(state, p.Saved("curve.csv", "/lab/runs/one/curve.csv", "g", "written"))
    assert state.written


def test_a_known_step_told_again_changes_nothing_but_itself() -> None:
    state = after(stepped(1, 195))
    assert s.reduce(state, stepped(1, 195)).log == state.log


def test_questions_wait_in_line() -> None:
    first = p.Question("threshold", "save again?", "2", 3)
    second = p.Question("overwrite", "replace it?", path="/lab/models/x.h5")
    state = after(first, second, s.QuestionAnswered())
    assert state.questions == (second,)


def test_time_left_counts_only_steps_not_yet_known() -> None:
    state = after(s.Sent(p.Goto(4)), stepped(1, 195), stepped(2, 190), p.Moved(1))
    assert s.seconds_left(state) == pytest.approx(1.0)
    assert s.seconds_left(after()) is None


def test_the_log_is_bounded_and_keeps_the_newest() -> None:
    state = after(*(p.Note(str(i)) for i in range(3 * s.LOG_LINES)))
    assert len(state.log) == s.LOG_LINES and state.log[-1].text == str(3 * s.LOG_LINES - 1)


MOVES = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda k: stepped(k, 196 - k, k)),
        st.integers(0, 4).map(p.Moved),
        st.integers(0, 4).map(lambda k: s.Sent(p.Goto(k))),
        st.permutations(range(4)).flatmap(
            lambda order: st.integers(0, 4).map(lambda kept: p.Reordered(tuple(order), kept))
        ),
        st.integers(0, 4).map(p.Idle),
        st.just(s.EngineDeath("gone")),
        st.just(p.Hello(1, 2)),
        st.just(p.Failed("no", 6)),
    ),
    max_size=30,
)


@given(MOVES)
def test_any_events_leave_a_state_that_can_be_shown(events: list[s.AppEvent]) -> None:
    state = after(*events)
    assert 0 <= state.step <= state.channels and state.step <= state.known
    assert len(state.pruned) == state.step
    left = s.seconds_left(state)
    assert left is None or left >= 0
    for step in state.steps:
        found = s.figures(state, step)
        assert found is not None and found.drop == pytest.approx(98.0 - found.valid)


@given(MOVES, MOVES)
def test_reduce_leaves_the_state_it_was_given_alone(first: list[s.AppEvent], second: list[s.AppEvent]) -> None:
    state = after(*first)
    copy = replace(state, steps=dict(state.steps), crossed=dict(state.crossed), phases=dict(state.phases))
    fold(s.reduce, second, state)
    assert state == copy


def test_a_threshold_named_anew_is_known_to_have_been_crossed() -> None:
    state = after(stepped(1, 191), p.Moved(1), p.Crossed("2", 1), p.Thresholds(()), p.Thresholds(("2", "4")))
    assert state.crossed == {"2": 1} and s.next_threshold(state) == ("4", pytest.approx(1.5))


def test_an_order_that_undo_brings_back_brings_its_crossings() -> None:
    first = (stepped(1, 195), stepped(2, 190), p.Moved(2), p.Crossed("2", 2), p.Moved(1))
    taken, back = p.Reordered((2, 1, 0, 3), kept=1), p.Reordered(RANKED.order, kept=1)
    state = after(*first, taken, stepped(2, 195), p.Moved(2))
    assert state.crossed == {}
    assert fold(s.reduce, (back, stepped(2, 190)), state).crossed == {"2": 2}


def test_a_drop_of_nothing_has_no_sign() -> None:
    assert p.threshold_label("0") == "0 pt" and p.threshold_label("2.5") == "-2.5 pt"


def test_the_idle_of_the_command_before_frees_nothing() -> None:
    state = after(s.Sent(p.Goto(1)), stepped(1, 195), p.Moved(1), s.Sent(p.Goto(2)), p.Idle(1))
    assert state.computing and state.goal == 2
    state = fold(s.reduce, (stepped(2, 194), p.Moved(2), p.Idle(2)), state)
    assert not state.busy and not state.unanswered

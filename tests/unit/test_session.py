"""The session against an evaluator whose answers are simple arithmetic: every step checked against all channels."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.errors import Refused
from engine.api.protocol import (
    AnyEvent,
    Counts,
    Crossed,
    Goto,
    Moved,
    Question,
    Ranked,
    Reordered,
    Stepped,
    Thresholds,
    reached,
)
from engine.run.session import Session

CHANNELS, IMAGES = 8, 20
ORDER = (3, 0, 1, 2, 7, 6, 5, 4)


class Lookup:
    """Image i is answered wrongly once more than i % 3 channels of those that matter to it are gone."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def answer(self, pruned: np.ndarray) -> np.ndarray:
        gone = pruned.astype(int) @ (np.arange(CHANNELS)[:, None] % (np.arange(IMAGES) % 5 + 1) == 0)
        return (gone > np.arange(IMAGES) % 3).astype("uint16")

    def all(self, pruned: np.ndarray, check: Callable[[], None]) -> np.ndarray:
        self.calls.append(np.packbits(pruned).tobytes())
        return self.answer(pruned)

    def after(
        self, before: np.ndarray, pruned: np.ndarray, channel: int, check: Callable[[], None]
    ) -> tuple[np.ndarray, int]:
        assert pruned[channel]
        without = pruned.copy()
        without[channel] = False
        assert np.array_equal(before, self.answer(without)), "answers of another step were handed over"
        return self.all(pruned, check), IMAGES


def count(answers: np.ndarray) -> Counts:
    return Counts(valid=int(np.count_nonzero(answers == 0)), poisoned=int(np.count_nonzero(answers[:10] == 0)))


class Paused(Exception):
    """Somebody asked to stop."""


class Player:
    """A session with its evaluator, and everything that was said."""

    def __init__(self, thresholds: tuple[str, ...] = ()) -> None:
        self.lookup = Lookup()
        self.session = Session(CHANNELS, IMAGES, 10, {}, count, ORDER)
        self.events: list[AnyEvent] = []
        self.play(Goto(0))
        self.events += self.session.set_thresholds(thresholds)

    def play(self, command: Goto) -> list[AnyEvent]:
        events = list(self.session.goto(command, lambda: self.lookup, lambda: None))
        self.events += events
        return events

    def pause(self, command: Goto, computed: int) -> list[AnyEvent]:
        """Stop the way there before the step after so many computed ones."""
        left, events = [computed], list[AnyEvent]()

        def check() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Paused

        with suppress(Paused):
            for event in self.session.goto(command, lambda: self.lookup, check):
                events.append(event)
        self.events += events
        return events

    def prune(self, channel: int) -> None:
        self.events += self.session.prune_next(channel)
        self.play(Goto(self.session.playhead + 1))

    def expected(self, step: int) -> Counts:
        return count(self.lookup.answer(self.session.mask(step)))


def steps(events: list[AnyEvent]) -> list[int]:
    return [event.step for event in events if isinstance(event, Stepped)]


def test_goto_computes_every_step_between_once() -> None:
    player = Player()
    assert steps(player.play(Goto(5))) == [1, 2, 3, 4, 5]
    assert steps(player.play(Goto(2))) == []
    assert steps(player.play(Goto(7))) == [6, 7]
    assert len(player.lookup.calls) == len(set(player.lookup.calls)) == 8


def test_goto_stays_within_the_order() -> None:
    player = Player()
    player.play(Goto(99))
    assert player.session.playhead == CHANNELS
    player.play(Goto(-3))
    assert player.session.playhead == 0


def test_a_short_order_ends_the_run_there() -> None:
    session = Session(CHANNELS, IMAGES, 10, {}, count, (4, 2))
    events = list(session.goto(Goto(60), lambda: Lookup(), lambda: None))
    assert steps(events) == [0, 1, 2]


@pytest.mark.parametrize(
    ("threshold", "before", "after", "images", "expected"),
    [
        ("4", 885, 849, 900, True),  # 36 of 900 are exactly 4 points; in floats 98.33.. - 94.33.. is less
        ("4", 885, 850, 900, False),
        ("2.5", 40, 39, 40, True),
        ("2.5", 4000, 3901, 4000, False),
        ("0", 10, 10, 10, True),
        ("3.932", 11391, 10937, 11547, False),  # the lab's step 47: 3.9317.. points, and not 3.932
        ("3.931", 11391, 10937, 11547, True),
        ("4", 11391, 10634, 11547, True),
        ("100", 10, 0, 10, True),
    ],
)
def test_a_threshold_is_at_least_so_many_points(
    threshold: str, before: int, after: int, images: int, expected: bool
) -> None:
    assert reached(threshold, before, after, images) is expected


def test_a_threshold_fires_at_its_first_step_only() -> None:
    player = Player(("10", "50"))
    player.play(Goto(CHANNELS))
    crossed = [event for event in player.events if isinstance(event, Crossed)]
    drops = [player.session.counts[player.session.key(step)].valid for step in range(CHANNELS + 1)]
    for event in crossed:
        first = next(step for step, hits in enumerate(drops) if reached(event.threshold, drops[0], hits, IMAGES))
        assert event.step == first
    assert [event.threshold for event in crossed] == ["10", "50"]
    player.play(Goto(0))
    assert not [event for event in player.play(Goto(CHANNELS)) if isinstance(event, Crossed | Question)]


def test_accuracy_that_rises_again_changes_nothing() -> None:
    hits = iter([20, 18, 20, 17, 20])
    session = Session(4, IMAGES, 0, {}, lambda answers: Counts(valid=next(hits)), (0, 1, 2, 3))

    class Any:
        def all(self, pruned: np.ndarray, check: object) -> np.ndarray:
            return np.zeros(IMAGES, "uint16")

        def after(self, before: np.ndarray, *rest: object) -> tuple[np.ndarray, int]:
            return before, 0

    list(session.set_thresholds(["10"]))
    events = list(session.goto(Goto(4), Any, lambda: None))
    assert [(event.threshold, event.step) for event in events if isinstance(event, Crossed)] == [("10", 1)]


def test_thresholds_that_are_passed_already_are_told_of_without_computing() -> None:
    player = Player()
    player.play(Goto(CHANNELS))
    calls = len(player.lookup.calls)
    events = list(player.session.set_thresholds(["50", "10"]))
    assert [event.threshold for event in events if isinstance(event, Crossed)] == ["10", "50"]
    assert isinstance(events[0], Thresholds)
    assert events[0].save_at == ("10", "50")
    assert len(player.lookup.calls) == calls


def test_a_channel_out_of_turn_comes_next_and_undo_restores_the_order() -> None:
    player = Player()
    player.play(Goto(2))
    player.prune(5)
    assert player.session.order == (3, 0, 5, 1, 2, 7, 6, 4)
    assert player.session.playhead == 3
    player.play(Goto(2))
    assert player.session.order == ORDER
    assert isinstance(player.events[-2], Reordered)


def test_pruned_channels_cannot_be_pruned_again() -> None:
    player = Player()
    player.play(Goto(2))
    for channel in (3, 0, -1, CHANNELS):
        with pytest.raises(Refused):
            list(player.session.prune_next(channel))


def test_known_steps_of_a_new_order_are_told_again() -> None:
    player = Player()
    player.play(Goto(CHANNELS))
    player.play(Goto(0))
    calls = len(player.lookup.calls)
    events = list(player.session.prune_next(3))  # the channel that comes next anyway
    assert steps(events) == list(range(1, CHANNELS + 1))
    assert len(player.lookup.calls) == calls


def test_steps_behind_a_gap_are_told_when_the_walk_comes_there() -> None:
    """The same channels in another order are known already, beyond steps that are not."""
    player = Player()
    player.play(Goto(6))
    player.play(Goto(2))
    player.prune(ORDER[4])
    calls = len(player.lookup.calls)
    assert steps(player.play(Goto(6))) == [4, 5, 6]
    assert len(player.lookup.calls) == calls + 1  # with four pruned it is another set, from five on the same
    assert steps(player.play(Goto(3)) + player.play(Goto(6))) == []


def test_answers_that_were_lost_are_computed_again() -> None:
    player = Player(("10", "50"))
    player.play(Goto(CHANNELS))
    again = Player()
    again.session.rewind([Ranked(ORDER, False, (), ()), *player.events])
    again.session.answers.update(player.session.answers)
    for step in (2, 5):
        del again.session.answers[again.session.key(step)]
    assert again.session.forget_unanswered()
    assert again.session.playhead == 1
    assert steps(again.play(Goto(CHANNELS))) == [2, 5]
    assert again.session.counts == player.session.counts
    assert again.session.crossed == player.session.crossed


def test_a_crossing_that_nobody_was_told_of_is_told_once() -> None:
    player = Player(("10", "50"))
    player.play(Goto(CHANNELS))
    first, *_ = (event for event in player.events if isinstance(event, Crossed))
    again = Player()
    cut = player.events[: player.events.index(first)]
    again.session.rewind([Ranked(ORDER, False, (), ()), *cut])
    again.session.answers.update(player.session.answers)
    assert not again.session.forget_unanswered()
    assert list(again.session.uncrossed()) == [first]
    assert list(again.session.uncrossed()) == []


def test_crossing_again_with_other_channels_asks() -> None:
    player = Player(("50",))
    player.play(Goto(CHANNELS))
    before = player.session.crossed["50"]
    player.play(Goto(1))
    player.prune(4)
    player.play(Goto(CHANNELS))
    step = player.session.first_reached("50")
    assert step is not None
    assert player.session.key(step) != before
    questions = [event for event in player.events if isinstance(event, Question)]
    assert [(question.threshold, question.step) for question in questions] == [("50", step)]


def test_pause_keeps_the_steps_that_are_known() -> None:
    player = Player()
    player.pause(Goto(CHANNELS), 3)
    assert player.session.playhead == 3
    assert steps(player.play(Goto(CHANNELS))) == [4, 5, 6, 7, 8]


def test_pause_behind_known_steps_tells_of_the_last_of_them() -> None:
    player = Player()
    player.play(Goto(3))
    player.play(Goto(0))
    assert player.pause(Goto(CHANNELS), 0) == [Moved(3)]
    assert player.session.playhead == 3
    assert player.pause(Goto(CHANNELS), 0) == []


def test_run_until_stops_where_the_condition_holds() -> None:
    player = Player()
    player.play(Goto(CHANNELS, until_drop="50"))
    assert player.session.playhead == player.session.first_reached("50")
    other = Player()
    other.play(Goto(CHANNELS, until_asr="50"))
    hits = [other.session.counts[other.session.key(step)].poisoned or 0 for step in range(other.session.playhead + 1)]
    assert hits[-1] <= 5 < min(hits[:-1])


ORDERS = {"mean": ORDER, "norm": ORDER[::-1], "clp": (*ORDER[:3], *ORDER[3:][::-1])}
moves = st.lists(
    st.one_of(
        st.integers(0, CHANNELS),
        st.integers(0, CHANNELS - 1).map(lambda channel: ("prune", channel)),
        st.sampled_from((*ORDERS, "back")).map(lambda name: ("take", name)),
        st.integers(0, 3).map(lambda computed: ("pause", computed)),
    ),
    max_size=25,
)


@given(moves)
def test_any_walk_tells_the_truth_and_replays_to_the_same_place(walk: list[int | tuple[str, int | str]]) -> None:
    player = Player(("10", "30", "50"))
    for move in walk:
        if isinstance(move, int):
            player.play(Goto(move))
        elif move[0] == "pause":
            player.pause(Goto(CHANNELS), int(move[1]))
        elif move[0] == "take":
            name, session = str(move[1]), player.session
            player.events += session.take_back() if name == "back" else session.take_order(ORDERS[name], name)
        elif move[1] not in player.session.order[: player.session.playhead]:
            player.prune(move[1])
        session = player.session
        assert sorted(session.order) == list(range(CHANNELS))
        for event in session.known():
            assert event.counts == player.expected(event.step)
        assert any(event.step == session.playhead for event in session.known())
    again = Session(CHANNELS, IMAGES, 10, player.session.answers, count)
    for event in [Ranked(ORDER, False, (), ()), *player.events]:
        again.replay(event)
    assert (again.order, again.playhead, again.crossed) == (
        player.session.order,
        player.session.playhead,
        player.session.crossed,
    )
    assert again.counts == player.session.counts
    assert again.earlier == player.session.earlier
    assert again.order_by == player.session.order_by
    assert isinstance(player.events[0], Stepped)
    assert isinstance(player.events[1], Moved)


def test_what_was_not_recorded_has_not_happened() -> None:
    player = Player(("10",))
    told = [Ranked(ORDER, False, (), ()), *player.events, *player.play(Goto(3))]
    lost = list(player.session.goto(Goto(6), lambda: player.lookup, lambda: None))
    assert steps(lost) == [4, 5, 6]
    player.session.rewind(told)
    assert player.session.playhead == 3
    assert [event.step for event in player.session.known()] == [0, 1, 2, 3]
    again = list(player.session.goto(Goto(6), lambda: player.lookup, lambda: None))
    assert [type(event) for event in again] == [type(event) for event in lost]
    assert steps(again) == [4, 5, 6]


def test_an_order_that_was_not_recorded_is_the_old_one_again() -> None:
    player = Player()
    told = [Ranked(ORDER, False, (), ()), *player.events, *player.play(Goto(2))]
    assert isinstance(next(player.session.prune_next(5)), Reordered)
    player.session.rewind(told)
    assert player.session.order == ORDER and not player.session.earlier


# --- whole orders ---


def taken_at_three() -> Player:
    """A run that stood at step 3 when it took another order, which shares two steps with its own."""
    player = Player()
    player.play(Goto(3))
    other = (*ORDER[:2], *ORDER[2:][::-1])
    player.events += player.session.take_order(other, "norm")
    return player


def test_a_whole_order_is_taken_from_the_steps_that_both_share() -> None:
    player = taken_at_three()
    told = player.events[-1]
    assert told == Reordered(player.session.order, 2, "norm", 2)
    assert (player.session.playhead, player.session.order_by, player.session.undo_at) == (2, "norm", 2)


def test_going_back_to_b_keeps_a_whole_order() -> None:
    player = taken_at_three()
    player.play(Goto(5))
    player.play(Goto(0))
    assert player.session.order_by == "norm" and player.session.order[2] == ORDER[-1]


def test_undo_brings_the_order_of_before_back_and_the_playhead_with_it() -> None:
    player = taken_at_three()
    player.play(Goto(4))
    back = list(player.session.take_back())
    assert back[0] == Reordered(ORDER, 2, "", None)
    assert [event.step for event in back if isinstance(event, Stepped)] == [3] and back[-1] == Moved(3)
    assert (player.session.order, player.session.playhead, player.session.earlier) == (ORDER, 3, [])
    assert list(player.session.take_back()) == []


def test_the_order_of_before_taken_again_is_undo() -> None:
    player = taken_at_three()
    told = list(player.session.take_order(ORDER, "mean"))
    assert told[0] == Reordered(ORDER, 2, "", None)
    assert player.session.playhead == 3 and not player.session.earlier

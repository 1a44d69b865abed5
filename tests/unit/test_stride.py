"""Several channels a step: which steps a run stops at, and that thresholds are found at the single channel."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.protocol import Crossed, Goto, Moved, Ranked, Settings, Stepped
from engine.api.stride import known_steps, next_stop, stops
from engine.run.session import Session
from tests.unit.test_session import CHANNELS, IMAGES, ORDER, Lookup, Player, count
from tui.model.options import Options, with_options
from tui.widgets.chart import joined


class Wide(Lookup):
    """As Lookup; several channels may go at once."""

    def after_several(self, before, pruned, channels, check):  # type: ignore[no-untyped-def]
        assert all(pruned[list(channels)]) and len(channels) > 1
        without = pruned.copy()
        without[list(channels)] = False
        assert np.array_equal(before, self.answer(without)), "answers of another step were handed over"
        return self.all(pruned, check), IMAGES


class Strider(Player):
    def __init__(self, stride: int, thresholds: tuple[str, ...] = (), visits: tuple[int, ...] = ()) -> None:
        self.lookup = Wide()
        self.session = Session(CHANNELS, IMAGES, 10, {}, count, ORDER, stride=stride, visits=visits)
        self.events = []
        self.play(Goto(0))
        self.events += self.session.set_thresholds(thresholds)

    def told(self) -> list[int]:
        return [event.step for event in self.events if isinstance(event, Stepped)]


@pytest.mark.parametrize(("stride", "expected"), [(1, range(9)), (3, (0, 3, 6, 8)), (4, (0, 4, 8)), (20, (0, 8))])
def test_a_run_stops_at_multiples_and_at_the_end(stride: int, expected: tuple[int, ...]) -> None:
    assert list(stops(stride, 8)) == list(expected)
    player = Strider(stride)
    player.play(Goto(99))
    assert player.told() == list(expected)
    for event in player.session.known():
        assert event.counts == player.expected(event.step)


def test_steps_are_known_up_to_the_first_stop_that_is_not() -> None:
    assert list(known_steps({0, 3, 4, 9}, 3, 12)) == [0, 3, 4]
    assert list(known_steps({0, 1, 2, 5}, 1, 12)) == [0, 1, 2]
    assert [next_stop(step, 3, 8) for step in (0, 1, 3, 6, 7, 8)] == [3, 3, 6, 8, 8, 8]


def test_steps_that_are_to_be_saved_are_stopped_at() -> None:
    player = Strider(4, visits=(3,))
    player.play(Goto(99))
    assert player.told() == [0, 3, 4, 8]


def crossings(player: Player) -> dict[str, int]:
    return {event.threshold: event.step for event in player.events if isinstance(event, Crossed)}


@given(st.integers(2, 10), st.sets(st.sampled_from(("5", "10", "30", "50", "70")), min_size=1))
def test_thresholds_are_crossed_at_the_single_channel(stride: int, thresholds: set[str]) -> None:
    """In these curves accuracy only falls, so that a stride finds what single steps find."""
    wanted = tuple(sorted(thresholds, key=int))
    single, wide = Player(wanted), Strider(stride, wanted)
    single.play(Goto(99))
    wide.play(Goto(99))
    valid = [player.counts[key].valid for player in (single.session,) for key in map(player.key, range(CHANNELS + 1))]
    assert valid == sorted(valid, reverse=True)
    assert crossings(wide) == crossings(single)
    again = Session(CHANNELS, IMAGES, 10, wide.session.answers, count, stride=stride)
    for event in [Ranked(ORDER, False, (), ()), *wide.events]:
        again.replay(event)
    assert (again.counts, again.playhead, again.crossed) == (
        wide.session.counts, wide.session.playhead, wide.session.crossed,
    )  # fmt: skip


def test_a_threshold_that_is_set_later_is_looked_for_between_known_steps() -> None:
    single, wide = Player(("30",)), Strider(4)
    single.play(Goto(99))
    wide.play(Goto(99))
    before = len(wide.lookup.calls)
    wide.events += wide.session.set_thresholds(("30",), lambda: wide.lookup, lambda: None)
    assert crossings(wide) == crossings(single)
    assert 0 < len(wide.lookup.calls) - before <= 4


def test_a_run_that_was_stopped_before_it_had_looked_looks_when_it_goes_on() -> None:
    single, wide = Player(("30",)), Strider(4)
    single.play(Goto(99))
    wide.play(Goto(99))
    wide.session.thresholds = ("30",)
    wide.events += wide.session.refine(lambda: wide.lookup, lambda: None)
    wide.events += wide.session.uncrossed()
    assert crossings(wide) == crossings(single)


def test_running_until_a_drop_stops_at_the_single_channel() -> None:
    single, wide = Player(), Strider(4)
    single.play(Goto(99, until_drop="30"))
    wide.play(Goto(99, until_drop="30"))
    assert wide.session.playhead == single.session.playhead
    assert wide.events[-1] == Moved(wide.session.playhead)


def test_a_line_goes_straight_where_a_stride_left_steps_out() -> None:
    assert joined((100.0, None, None, 70.0, None)) == (100.0, 90.0, 80.0, 70.0, None)
    assert joined((1.0, 2.0)) == (1.0, 2.0) and joined(()) == ()


def test_the_option() -> None:
    settings = Settings("/lab", "/lab/b.h5", "/lab/v.h5")
    assert with_options(settings, Options(root=Path("/lab"), stride=32)).stride == 32
    with pytest.raises(Exception, match=r"^--stride: 0 is too small; 1 is the least\.$"):
        with_options(settings, Options(stride=0))

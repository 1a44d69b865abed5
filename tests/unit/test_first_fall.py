"""Which fell first, accuracy or the attack: said as soon as it stands, by the report's rule."""

import pytest

from engine.api import protocol as p
from tests.support.widget_runs import ORDER, opened, run
from tui.model.first_fall import FirstFall, first_fall
from tui.model.run_state import RunState, reduce


def curve(*counts: tuple[int, int | None]) -> RunState:
    """A run of these hits on 1,000 clean and 1,000 poisoned images."""
    state = RunState()
    for event in opened()[:3]:
        state = reduce(state, event)
    for step, (valid, poisoned) in enumerate(counts):
        channel = None if step == 0 else ORDER[step - 1]
        state = reduce(state, p.Stepped(step, channel, p.Counts(valid, valid, poisoned)))
    return state


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (((986, 1000),), ""),
        (((986, 1000), (960, 990)), ""),
        (((986, 1000), (946, 994), (900, 100)), "accuracy fell first: -4.00 pt at step 1, ASR 99.40 %"),
        (((986, 1000), (980, 499), (900, 100)), "the attack fell first: ASR 49.90 % at step 1, -0.60 pt"),
        (((986, 1000), (900, 100)), "both fell at once: -8.60 pt at step 1, ASR 10.00 %"),
        (((986, 1000), (990, 400)), "the attack fell first: ASR 40.00 % at step 1, +0.40 pt"),
        (((986, 300), (900, 100)), "no attack shown: ASR of B 30.00 %"),
        (((986, None), (900, None)), ""),
    ],
)
def test_it_is_said_as_soon_as_it_stands(counts: tuple[tuple[int, int | None], ...], said: str) -> None:
    found = first_fall(curve(*counts))
    assert found.text == said
    assert found.attack == said.startswith("the attack")


def test_it_does_not_hang_on_where_the_playhead_stands() -> None:
    assert first_fall(run(60, 3)) == first_fall(run(60)) == first_fall(run(48)) != first_fall(run(47)) == FirstFall()


def test_nothing_is_said_before_b_is_measured() -> None:
    assert first_fall(RunState()) == FirstFall()

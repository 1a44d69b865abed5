"""What events say of files and questions: a ledger of names, channels at zero, and what was asked."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import file_names
from engine.api import protocol as p
from engine.api.deliverables import Ledger
from engine.api.errors import Refused
from engine.run.session import Session
from tests.unit.test_session import CHANNELS, IMAGES, ORDER, Lookup, count

ONE = p.Counts(1)
BEGINNING: tuple[p.AnyEvent, ...] = (
    p.Ranked((2, 0, 1), False, (), ()),
    *(p.Stepped(step, None, p.Counts(9 - step)) for step in range(4)),
)


def saved(name: str, step: int, threshold: str | None = None, **more: object) -> p.Saved:
    return p.Saved("model", f"/lab/models/{name}", f"{name} {step}", "written", step, threshold, **more)  # type: ignore[arg-type]


def after(*events: p.AnyEvent) -> Ledger:
    ledger = Ledger()
    for event in (*BEGINNING, *events):
        ledger.take(event)
    return ledger


def names(ledger: Ledger) -> dict[str, set[int]]:
    return {path.rpartition("/")[2]: set(file.pruned) for path, file in ledger.files.items()}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((saved("mine.h5", 2),), {"mine.h5": {2, 0}}),
        ((saved("mine.h5", 2), saved("mine.h5", 1)), {"mine.h5": {2}}),
        ((saved("mine.h5", 2), p.FileChanged("/lab/models/mine.h5", "gone")), {}),
        ((saved("mine.h5", 2), p.Reordered((2, 1, 0), 1)), {"mine.h5": {2, 0}}),
        ((p.Reordered((2, 1, 0), 1), p.Stepped(2, 1, ONE), saved("mine.h5", 2)), {"mine.h5": {2, 1}}),
        ((saved("mine.h5", 2), p.Reordered((2, 1, 0), 1), saved("mine.h5", 2, pruned=(2, 0))), {"mine.h5": {2, 0}}),
        ((p.Reordered((2, 1, 0), 1), saved("mine.h5", 2)), {}),  # a step that nothing is known of
        # a hand that took a threshold's name, as a version before let it
        ((saved("model_prune_2.h5", 2, "2"), saved("model_prune_2.h5", 1)), {"model_prune_2.h5": {2, 0}}),
        ((saved("model_prune_2.h5", 1), saved("model_prune_2.h5", 2, "2")), {"model_prune_2.h5": {2, 0}}),
        ((saved("model_step_2.h5", 2), saved("model_step_2.h5", 1)), {"model_step_2.h5": {2, 0}}),
    ],
)
def test_what_stands_under_which_name(events: tuple[p.AnyEvent, ...], expected: dict[str, set[int]]) -> None:
    assert names(after(*events)) == expected


def test_counts_stay_with_the_channels_whatever_the_order() -> None:
    ledger = after(
        saved("a.h5", 2), p.SaveMeasured(2, ONE), p.FileChanged("/lab/models/a.h5", "gone"),
        p.Reordered((2, 1, 0), 1), saved("a.h5", 2, pruned=(2, 0)),
    )  # fmt: skip
    assert ledger.files["/lab/models/a.h5"].counts == ONE


def test_a_question_is_known_by_its_file_and_channels_until_they_are_saved() -> None:
    path, channels = "/lab/models/a.h5", frozenset({2, 0})
    question = p.Question("replace", "?", None, 2, path, 1)
    assert after(question).was_asked(path, None, channels)
    assert not after(question).was_asked(path, None, frozenset({2}))
    assert not after(question, saved("a.h5", 2)).was_asked(path, None, channels)
    old = p.Question("threshold", "?", "2", 2)
    assert after(old).was_asked("/lab/models/model_prune_2.h5", "2", channels)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("model_prune_2.h5", file_names.SavedPoint("2", None)),
        ("model_prune_2.5.keras", file_names.SavedPoint("2.5", None)),
        ("MODEL_PRUNE_2.H5", file_names.SavedPoint("2", None)),
        ("model_step_45.h5", file_names.SavedPoint(None, 45)),
        ("model_step_4.5.h5", None),
        ("model_prune_200.h5", None),
        ("model_prune_x.h5", None),
        ("my_model_prune_2.h5", None),
        ("mine.h5", None),
    ],
)
def test_what_a_name_says(name: str, meaning: file_names.SavedPoint | None) -> None:
    assert file_names.saved_point(name) == meaning


@pytest.mark.parametrize(
    ("name", "free_at"), [("model_prune_2.h5", 7), ("model_step_3.h5", 3), ("model_prune_4.h5", None)]
)
def test_a_name_of_the_labs_is_free_at_its_own_step_only(name: str, free_at: int | None) -> None:
    for step in range(10):
        if step == free_at:
            file_names.refuse_misnamed(name, step, {"2": 7}.get)
        else:
            with pytest.raises(Refused, match=f"{name}: is the name of B′ at .*, and this is step {step}"):
                file_names.refuse_misnamed(name, step, {"2": 7}.get)


moves = st.lists(
    st.one_of(
        st.integers(0, CHANNELS),
        st.integers(0, CHANNELS - 1).map(lambda channel: ("prune", channel)),
        st.just("thresholds"),
    ),
    max_size=25,
)


@given(moves, st.lists(st.booleans(), min_size=60, max_size=60))
def test_a_question_is_asked_once_and_only_for_other_channels_than_are_saved(
    walk: list[object], answers: list[bool]
) -> None:
    session = Session(CHANNELS, IMAGES, 10, {}, count, ORDER)
    lookup, thresholds, replies = Lookup(), ("10", "30", "50"), iter(answers)
    told: list[p.AnyEvent] = [p.Ranked(ORDER, False, (), ())]
    files: dict[str, bytes] = {}
    asked: set[tuple[str, bytes]] = set()

    def hear(events: Iterator[p.AnyEvent]) -> None:
        for event in events:
            told.append(event)
            if isinstance(event, p.Question):
                key = session.key(event.step or 0)
                assert files[event.threshold or ""] != key, "these channels are saved"
                assert (event.threshold, key) not in asked, "this was asked before"
                asked.add((event.threshold or "", key))
                if not next(replies, False):
                    continue
            if isinstance(event, p.Question | p.Crossed):
                files[event.threshold or ""] = session.key(event.step or 0)
                asked.discard((event.threshold or "", session.key(event.step or 0)))
                session.hold(event.threshold or "", session.key(event.step or 0))
                told.append(p.Saved("model", "/x.h5", "", "written", event.step, event.threshold))

    hear(session.goto(p.Goto(0), lambda: lookup, lambda: None))
    hear(session.set_thresholds(thresholds))
    for move in walk:
        if isinstance(move, int):
            hear(session.goto(p.Goto(move), lambda: lookup, lambda: None))
        elif move == "thresholds":
            hear(session.set_thresholds(thresholds))
        elif isinstance(move, tuple) and move[1] not in session.order[: session.playhead]:
            hear(session.prune_next(move[1]))
    again = Session(CHANNELS, IMAGES, 10, session.answers, count)
    for event in told:
        again.replay(event)
    assert (again.saved, again.asked, again.crossed) == (session.saved, session.asked, session.crossed)
    assert list(again.set_thresholds(thresholds)) == list(session.set_thresholds(thresholds))
    assert np.array_equal(sorted(files), sorted(session.saved))

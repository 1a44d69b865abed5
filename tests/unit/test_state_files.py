"""The state's files and questions: what the screen may claim of a file, and which questions still wait."""

from functools import reduce as fold

import pytest

from engine.api import protocol as p
from tests.support.engine_stub import SETTINGS, opened
from tui.headless.tables import results_table
from tui.model import run_state as s
from tui.screens.results import entries

ORDER = (2, 0, 1)
COUNTS = {step: p.Counts(986 - 10 * step, 900 - step, 800 - step) for step in range(4)}
PATH = "/lab/models/model_prune_2.h5"
QUESTION = p.Question("threshold", "again?", "2", 2, PATH, 1)
OPEN = (p.Ranked(ORDER, False, (), ()), *(p.Stepped(step, step and ORDER[step - 1], COUNTS[step]) for step in range(4)))
SAVED = p.Saved("model", PATH, "a", "written", 2, "2")
OTHER_ORDER = (p.Reordered((2, 1, 0), 1), p.Stepped(2, 1, p.Counts(500, 500, 500)))


def after(*events: s.AppEvent, run: str | None = None) -> s.RunState:
    begun = (s.Sent(p.Open(SETTINGS, run)), opened(), p.Began(SETTINGS, {}, {}, ""), opened())
    return fold(s.reduce, (*begun, *OPEN, *events), s.RunState())


def test_a_row_shows_the_figures_of_the_channels_in_the_file_not_of_the_order_now() -> None:
    state = after(SAVED, p.SaveMeasured(2, COUNTS[2]), *OTHER_ORDER, p.Moved(2))
    (file,) = s.networks(state)
    assert file.pruned == (2, 0) and not s.of_order(state, file)
    found = s.file_figures(state, file)
    assert found and found.valid == pytest.approx(96.6)
    assert any(entry.path == PATH and entry.file == file for entry in entries(state))
    assert entries(state)[-1].name == "now", "step 2 of this order is not saved"


def test_a_file_that_is_gone_is_claimed_nowhere() -> None:
    state = after(SAVED, p.FileChanged(PATH, "gone"))
    assert not s.networks(state) and s.saved_at(state, "2") is None
    assert "model_prune_2" not in "".join(entry.path for entry in entries(state))
    assert s.networks(s.reduce(state, SAVED))


def test_a_result_file_that_is_gone_has_to_be_written_again() -> None:
    curve = p.Saved("curve.csv", "/lab/runs/one/curve.csv", "c", "written")
    assert after(curve).written
    assert not after(curve, p.FileChanged(curve.path, "changed")).written


def test_the_column_of_poisoned_validation_images_outlives_an_order_and_its_undoing() -> None:
    counted = p.Counts(966, 898, 798, poisoned_valid=7)
    back = (p.Reordered(ORDER, 1), p.Stepped(2, 0, COUNTS[2]))
    state = after(SAVED, p.SaveMeasured(2, counted), *OTHER_ORDER, *back)
    assert state.measured[2] == counted
    (file,) = s.networks(state)
    assert file.counts == counted and s.of_order(state, file)
    assert len(results_table(state)) == 5


@pytest.mark.parametrize(
    ("events", "waiting"),
    [
        ((QUESTION,), True),
        ((QUESTION, p.Declined(1)), False),
        ((QUESTION, SAVED), False),
        ((QUESTION, p.Declined(2)), True),
        ((QUESTION, *OTHER_ORDER), False),  # its channels are not the order's any more
    ],
)
@pytest.mark.parametrize("run", [None, "/lab/runs/one"])
def test_a_question_waits_until_it_is_answered(events: tuple[p.AnyEvent, ...], waiting: bool, run: str | None) -> None:
    assert bool(after(*events, run=run).questions) is waiting


def test_questions_of_a_version_before_were_all_answered() -> None:
    old = p.Question("threshold", "again?", "2", 2)
    state = fold(
        s.reduce,
        (s.Sent(p.Open(SETTINGS, "/lab/runs/one")), opened(), p.Began(SETTINGS, {}, {}, ""), *OPEN, old),
        s.RunState(),
    )
    assert state.retelling and not state.questions
    assert after(old).questions == (old,), "asked just now"

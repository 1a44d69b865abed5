"""How sure a network's figures are, in the lines of the results screen."""

from msgspec.structs import replace

from engine.api import protocol as p
from engine.api.statistics import mcnemar, wilson
from tests.unit.test_report import SMALL
from tui.model.certainty import certainty
from tui.model.run_state import RunState, reduce

TRIGGER = p.TriggerRegion(3, 4, 2, 5, 7, (200.0, 30.0, 90.0))
FOUND = p.Analysed(
    TRIGGER,
    "",
    (p.RobustHits((), 0, 0), p.RobustHits((2,), 2, 1)),
    (p.StepRange("2", 1, None), p.StepRange("40", 1, 1)),
)
B, PRUNED, LAST = SMALL.counts


def state(*more: p.AnyEvent) -> RunState:
    found = RunState()
    for event in (*SMALL.events(), *more):
        found = reduce(found, event)
    return found


def ends(hits: int, images: int) -> str:
    return "{:.1f}-{:.1f}".format(*wilson(hits, images))


def test_b_has_intervals_and_robust_accuracy() -> None:
    assert certainty(state(FOUND), B, (), None, "e") == [
        f"95 %: B valid {ends(12, 12)}  test {ends(6, 7)}  ASR {ends(8, 8)}",
        f"RA, own label of poisoned images: B 0.00 ({ends(0, 8)})",
    ]


def test_what_was_made_of_b_is_held_against_it() -> None:
    assert certainty(state(FOUND), PRUNED, (2,), "2", "e") == [
        f"95 %: B′ valid {ends(11, 12)}  test {ends(6, 7)}  ASR {ends(7, 8)}",
        f"      G test {ends(5, 7)}  ASR {ends(7, 8)}  detected {ends(1, 8)}  alarms {ends(1, 7)}",
        f"RA, own label of poisoned images: B′ 25.00 ({ends(2, 8)}), G 12.50 ({ends(1, 8)})",
        f"DER, (ASR's fall - accuracy's fall + 1) / 2: B′ {(1 / 8 + 1) / 2:.4f}, G {(1 / 8 - 1 / 7 + 1) / 2:.4f}",
        f"McNemar, clean test: only B right 1, only B′ right 1, p {mcnemar(1, 1):.2g}",
        "-2 pt: at step 1 to over 2 in 95 % of 1,000 resamples of validation images",
    ]


def test_a_range_of_one_step_is_that_step_and_a_network_saved_by_hand_has_none() -> None:
    assert certainty(state(FOUND), PRUNED, (2,), "40", "e")[-1].startswith("-40 pt: at step 1 in 95 %")
    assert certainty(state(FOUND), PRUNED, (2,), None, "e")[-1].startswith("McNemar")


def test_what_is_not_known_is_said_with_what_finds_it() -> None:
    before, of_others = (certainty(each, LAST, (2, 0), "2", "e")[2] for each in (state(), state(FOUND)))
    assert before == "RA, own label of poisoned images: e looks for it."
    assert of_others == "RA, own label of poisoned images: e counts it for what is saved."
    unproven = state(p.Analysed(None, "they are no pairs", (), ()))
    assert certainty(unproven, LAST, (2, 0), "2", "e")[2] == "No RA: they are no pairs."


def test_without_test_sets_only_the_interval_of_valid_is_there() -> None:
    alone = replace(state(), steps={0: p.Stepped(0, None, p.Counts(12)), 1: p.Stepped(1, 2, p.Counts(11))})
    found = certainty(alone, p.Counts(11), (2,), "2", "e")
    assert found == [f"95 %: B′ valid {ends(11, 12)}", "RA, own label of poisoned images: e looks for it."]

"""Tunings as events tell them: which epoch is kept, which seed is saved, and journals that were forged."""

import pytest
from msgspec.structs import replace

from engine.api import file_names, tunings
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.journal_checks import Course
from engine.api.trust import Unbelievable, believed
from tests.support.engine_stub import ORDER, SETTINGS, counts, means, opened
from tui.model import options

BEGAN = p.TuningBegan(1, 2, ORDER[:2], None, tunings.complete(p.Recipe(epochs=3)), 7, 800, 200)


def told(*holdout: int, recipe: p.Recipe = BEGAN.recipe, number: int = 1) -> tunings.Tuning:
    """A tuning with these hits on the hold-out, epoch 0 first."""
    began = replace(BEGAN, number=number, recipe=recipe)
    epochs = [p.Tuned(number, epoch, p.TunedCounts(hits)) for epoch, hits in enumerate(holdout)]
    return tunings.of_events([began, *epochs])[number]


def test_the_last_epoch_is_kept_or_the_first_of_the_best_on_the_holdout() -> None:
    best = replace(BEGAN.recipe, keep="best")
    assert told(199, 150, 160, 140).kept == 3
    assert told(199, 150, 160, 160, recipe=best).kept == 2  # epoch 0 is B', which was not tuned
    assert told(199, recipe=best).kept == 0
    assert told(199, 150).done is False and told(199, 150, 160, 140).done


def test_the_seed_that_is_best_on_the_holdout_is_saved_and_test_images_decide_nothing() -> None:
    one, two, three = (told(100, 150, 180, hits, number=number) for number, hits in ((1, 170), (2, 190), (3, 190)))
    assert tunings.best([one, two, three]) is two
    poisoned = replace(three.epochs[3], counts=replace(three.epochs[3].counts, test=1000, poisoned=0))
    assert tunings.best([one, two, replace(three, epochs=(*three.epochs[:3], poisoned))]) is two
    assert tunings.best([told(100)]) is None


def test_epochs_that_come_twice_or_out_of_turn_are_not_taken() -> None:
    events = [BEGAN, p.Tuned(1, 0, p.TunedCounts(1)), p.Tuned(1, 0, p.TunedCounts(2)), p.Tuned(1, 2, p.TunedCounts(3))]
    assert [at.counts.holdout for at in tunings.of_events(events)[1].epochs] == [1]
    assert tunings.of_events([*events, p.TuningStopped(1)])[1].done


def course() -> Course:
    """A run that has come to step 2."""
    found = Course()
    began = p.Began(SETTINGS, {}, {}, "2024-05-01T14:02:00")
    ranked = p.Ranked(ORDER, False, means(), (0,) * 60, (0,) * 60)
    steps = [p.Stepped(step, ORDER[step - 1] if step else None, counts(step)) for step in range(3)]
    for event in (began, opened(), ranked, *steps):
        found.take(event)
    return found


def test_a_tuning_that_goes_as_tunings_go_is_believed() -> None:
    found = course()
    for event in (BEGAN, *(p.Tuned(1, epoch, p.TunedCounts(200, 1000, 1000)) for epoch in range(4))):
        found.take(believed(event))
    found.take(p.Saved("tuned", "/lab/models/x.h5", "0" * 64, "written", 2, None, ORDER[:2], 1, 3))


@pytest.mark.parametrize(
    "events",
    [
        [replace(BEGAN, number=2)],
        [replace(BEGAN, step=3)],
        [replace(BEGAN, step=99, pruned=ORDER[:2])],
        [replace(BEGAN, pruned=(1, 1))],
        [replace(BEGAN, pruned=(1, 99))],
        [replace(BEGAN, held_out=0, trained=1000)],
        [replace(BEGAN, held_out=300)],
        [replace(BEGAN, recipe=p.Recipe())],
        [replace(BEGAN, recipe=replace(BEGAN.recipe, epochs=10**9))],
        [p.Tuned(1, 0, p.TunedCounts(1))],
        [p.TuningStopped(1)],
        [BEGAN, p.Tuned(1, 1, p.TunedCounts(1))],
        [BEGAN, p.Tuned(1, 0, p.TunedCounts(201))],
        [BEGAN, p.Tuned(1, 0, p.TunedCounts(1, robust=1001))],
        [BEGAN, p.Tuned(1, 0, p.TunedCounts(1), seconds=-1.0)],
        [BEGAN, p.Saved("tuned", "/lab/x.h5", "0" * 64, "written", 2, None, ORDER[:2], 1, 1)],
        [BEGAN, p.Saved("tuned", "/lab/x.h5", "0" * 64, "written", 2, None, ORDER[:2], 1)],
    ],
)
def test_a_forged_tuning_is_not(events: list[p.AnyEvent]) -> None:
    found = course()
    with pytest.raises(Unbelievable):
        for event in events:
            found.take(event)


def test_a_threshold_that_is_no_threshold_makes_no_file_name() -> None:
    with pytest.raises(Unbelievable):
        believed(replace(BEGAN, threshold="../../x"))


@pytest.mark.parametrize(
    ("name", "step", "threshold", "fits"),
    [
        ("model_tuned_10.h5", 50, "10", True),
        ("model_tuned_10.h5", 10, None, False),
        ("model_tuned_step_50.h5", 50, None, True),
        ("MODEL_TUNED_STEP_50.h5", 49, None, False),
        ("model_prune_10.h5", 50, "10", False),
        ("model_step_50.keras", 50, None, False),
        ("mine.h5", 50, "10", True),
    ],
)
def test_a_name_says_no_other_network_than_it_holds(name: str, step: int, threshold: str | None, fits: bool) -> None:
    if fits:
        file_names.refuse_not_tuned(name, step, threshold)
    else:
        with pytest.raises(Refused, match="is the name of another network"):
            file_names.refuse_not_tuned(name, step, threshold)


def test_no_pruned_network_takes_the_name_of_a_tuned_one() -> None:
    with pytest.raises(Refused, match="is the name of a B″"):
        file_names.refuse_misnamed("model_tuned_step_3.h5", 3, lambda threshold: None)


def test_names_of_tuned_networks_and_their_answers() -> None:
    assert file_names.tuned_name(suffix=".h5", threshold="2.5", step=9) == "model_tuned_2.5.h5"
    assert file_names.tuned_name(suffix=".keras", threshold=None, step=9) == "model_tuned_step_9.keras"
    assert file_names.tuned_g_name("model_tuned_2.5.h5") == "g_tuned_2.5.h5"
    assert file_names.tuned_g_name("mine.h5") == "g_tuned_mine.h5"


def test_seeds_and_recipes_as_they_are_typed() -> None:
    assert options.seeds("0,1,2") == (0, 1, 2) and options.seeds("3-5, 9,3") == (3, 4, 5, 9)
    for text in ("", "a", "5-3", "-1", "0-1000", "1,,2"):
        with pytest.raises(Refused, match="is no list of seeds"):
            options.seeds(text)
    with pytest.raises(Refused, match="--scope: 'some' is unknown, expected behind or all"):
        options.recipe("some", None, 20, 32, "adam", "2/9", "last")

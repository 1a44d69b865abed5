"""What is said of findings: the verdict by the curve's order of falls, never more than the intervals allow."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from engine.api import explanation
from engine.api import protocol as p
from engine.api.explanation import Findings
from tests.support import findings

CHANNELS = 6


def found(
    valid: Sequence[int],
    attack: Sequence[int] | None,
    images: int = 1000,
    knocked: Sequence[tuple[int, int]] = (),
    target: str = "0",
) -> Findings:
    """A network of six channels: percent of images that each step answers rightly, and that still hit the target."""
    sets: dict[p.SetName, int] = {"valid": images, "test": images}
    sets |= {"poisoned": images} if attack is not None else {}
    curve = [
        p.Counts(valid=hits * images // 100, poisoned=attack[step] * images // 100 if attack else None)
        for step, hits in enumerate(valid)
    ]
    made = findings.diagnosed(range(CHANNELS), curve, (0.0, 0.0, 1.0, 2.0, 3.0, 4.0), sets)
    if attack is not None:
        without = [p.KnockOut(v * images // 100, a * images // 100) for v, a in knocked]
        rest = [p.KnockOut(valid[0] * images // 100, attack[0] * images // 100)] * (CHANNELS - len(without))
        made = replace(made, knock_out=(*without, *rest))
    return Findings(made, sets, "conv_3", target, None, findings.detected(sets) if attack is not None else None)


ACCURACY_FIRST = (98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 100, 100, 60, 0)
ATTACK_FIRST = (98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 1, 0, 0, 0)
TOGETHER = (98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 100, 20, 0, 0)
NEITHER = (98, 98, 98, 98, 98, 98, 98), (100, 100, 100, 100, 100, 100, 100)
NO_ATTACK = (98, 98, 98, 97, 80, 40, 0), (2, 2, 2, 2, 2, 2, 2)
CLOSE = (98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 100, 52, 0, 0)


@pytest.mark.parametrize(
    ("curve", "name", "first"),
    [
        (ACCURACY_FIRST, "pruning-aware", "accuracy"),
        (ATTACK_FIRST, "plain", "attack"),
        (TOGETHER, "undecided", "both at once"),
        (NEITHER, "undecided", "neither"),
        (NO_ATTACK, "undecided", "none shown"),
        (((98,) * 7, None), "undecided", "unknown"),
    ],
)
def test_the_verdict_says_what_fell_first(
    curve: tuple[Sequence[int], Sequence[int] | None], name: str, first: str
) -> None:
    at = found(*curve)
    given = explanation.verdict(at)
    assert explanation.phases(at).first == first
    assert given.name == name and given.evidence and given.doubt
    assert explanation.phases(at).dormant == 2


@pytest.mark.parametrize(("images", "name"), [(1000, "undecided"), (100_000, "pruning-aware")])
def test_a_margin_that_few_images_do_not_show_decides_nothing(images: int, name: str) -> None:
    assert explanation.verdict(found(*CLOSE, images=images)).name == name


def test_ten_images_decide_nothing() -> None:
    close = (98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 30, 0, 0, 0)
    assert explanation.verdict(found(*close, images=1000)).name == "plain"
    few = explanation.verdict(found((100, 100, 100, 100, 80, 40, 0), (100, 100, 100, 40, 40, 0, 0), images=10))
    assert few.name == "undecided" and "few poisoned images" in few.doubt[0]


def test_one_channel_that_carries_the_attack_is_the_orders_fault() -> None:
    given = explanation.verdict(found(*ACCURACY_FIRST, knocked=[(98, 100), (98, 100), (97, 10)]))
    assert given.name == "undecided" and "channel 2 alone carries the attack" in given.doubt[0]
    assert given.meaning == "what was measured points both ways"
    dear = found(*ACCURACY_FIRST, knocked=[(98, 100), (98, 100), (90, 10)])
    assert explanation.verdict(dear).name == "pruning-aware"
    assert "No single channel breaks the attack for less than 4 points: without channel 2" in (
        explanation.knock_out_told(dear)
    )


def test_carriers_come_with_the_cheapest_first() -> None:
    at = found(*ACCURACY_FIRST, knocked=[(96, 20), (98, 30), (98, 100), (80, 0)])
    assert explanation.carriers(at) == [1, 0]
    assert "Without channel 1 alone the attack falls to 30.00 %" in explanation.knock_out_told(at)
    assert "Channel 0 alone does that too." in explanation.knock_out_told(at)


def test_a_hint_is_the_weakest_stimulus_of_a_class() -> None:
    at = found(*ACCURACY_FIRST)
    stimuli = (
        p.Stimulus(1, 8, None, 5, 1.0),
        p.Stimulus(2, 4, (0, 0), 5, 0.92),
        p.Stimulus(3, 4, None, 5, 0.95),
        p.Stimulus(4, 2, None, 7, 0.89),
    )
    stimulation = replace(at.diagnosed.stimulation, found=stimuli)
    at = at._replace(diagnosed=replace(at.diagnosed, stimulation=stimulation))
    assert explanation.hints(at) == [stimuli[2]]
    assert explanation.stimulus(p.Stimulus(3, 1, (0, 0), 5, 1.0)) == "3 in row 1 (once: 100 %)"
    told = explanation.stimulation_told(at)
    assert (
        "class 5 by channel 3 (4 times: 95 %)" in told and "class 0, is not among them" in told and "no proof" in told
    )


def test_without_poisoned_images_nothing_is_said_of_an_attack() -> None:
    at = found((98, 98, 98, 97, 80, 40, 0), None, target="")
    text = " ".join([*explanation.answer(at), *explanation.verdict(at).doubt])
    assert "There are no poisoned images" in text and "takes poisoned images" in text
    assert "attack reaches" not in text and "ASR" not in text


def test_where_there_is_no_attack_nothing_is_said_of_one() -> None:
    at = found(*NO_ATTACK)._replace(layers=findings.layers_pruned({"valid": 1000, "poisoned": 1000}))
    text = " ".join(explanation.answer(at))
    assert "B answers 2.00 % of poisoned test images with their target (95 % interval 1.3 to 3.1): this" in text
    assert text.startswith("These images show no attack: ") and "nothing is known of other triggers" in text
    assert "attack falls" not in text and "attack reaches" not in text and "unusual, and no backdoor" in text
    assert "Another one, or more of it" not in text and "Another trigger may be in the network" in text


def test_too_few_images_to_show_an_attack_do_not_show_that_there_is_none() -> None:
    at = found((90,) * 7, (70,) * 7, images=10)
    assert explanation.phases(at).first == "none shown" and "too few images to show" in explanation.phases_told(at)
    assert "mostly fails" not in " ".join(explanation.answer(at))


def listed_once(lines: Sequence[str], beginning: str) -> bool:
    return len([line for line in lines if line.startswith(beginning)]) == 1


def test_what_was_sampled_is_said_with_its_numbers() -> None:
    """Knocked-out channels, other layers and detectors that looked at a part of their sets; nothing of whole sets."""
    whole = found(*ACCURACY_FIRST, images=60)
    whole = whole._replace(layers=findings.layers_pruned({"valid": 60, "poisoned": 60}))
    said = ("Channels were knocked out", "Other layers were pruned in", p.DETECTORS[0] + ", ")
    assert not [line for line in explanation.verdict(whole).doubt if line.startswith(said)]
    part = replace(whole.diagnosed, sample={"valid": 20, "poisoned": 30})
    assert (
        "Channels were knocked out on 20 validation and 30 poisoned images, evenly spaced ones of their sets."
        in explanation.verdict(whole._replace(diagnosed=part)).doubt
    )
    many: dict[p.SetName, int] = {"valid": 1000, "test": 1000, "poisoned": 1000}
    large = found(*ACCURACY_FIRST)._replace(layers=findings.layers_pruned(many))
    doubt = explanation.verdict(large).doubt
    assert "Other layers were pruned in coarse steps, on 300 validation and 300 poisoned images at most." in doubt
    assert listed_once(
        doubt, "G order, STRIP, Mahalanobis and norm looked at 70 validation, 70 clean test and 70 poisoned"
    )
    assert not [line for line in doubt if line.startswith("Channels were knocked out")]


def test_an_attack_that_pruning_only_weakens_is_beaten_in_part() -> None:
    weak = found((98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 30, 0, 0, 0))
    assert explanation.answer(weak)[0].startswith("In part, on these images: ")
    assert "at step 4 of 6, and the step before that leaves the attack at 30.00 %" in explanation.phases_told(weak)


def test_accuracy_begins_to_fall_before_only_where_the_attack_is_whole_by_then() -> None:
    falling = found((98, 98, 98, 97, 80, 40, 0), (100, 100, 100, 90, 70, 20, 0))
    assert explanation.answer(falling)[0].endswith("Accuracy falls before the attack does.")
    few = explanation.answer(found(*CLOSE))[0]
    assert few.startswith("That is undecided") and "before the attack does" not in few


def test_layers_survive_pruning_only_where_the_network_still_works() -> None:
    curve = p.LayerCurve("conv_9", 8, (0, 8), (98, 80), (100, 100))
    at = found(*ACCURACY_FIRST)._replace(layers=p.LayersPruned({"valid": 100, "poisoned": 100}, (curve,)))
    assert "With every channel of conv_9 (attack 100 %, clean accuracy 80 %) pruned" in explanation.layers_told(at)
    curve = replace(curve, valid=(98, 10))
    at = at._replace(layers=p.LayersPruned({"valid": 100, "poisoned": 100}, (curve,)))
    assert "still there" not in explanation.layers_told(at)


def test_an_attack_that_outlives_every_channel_is_one_answer_to_all() -> None:
    left = (98, 98, 98, 97, 80, 40, 1), (100,) * 7
    assert "without any channel all images get one answer, here the target" in explanation.phases_told(found(*left))
    assert "one answer" not in explanation.phases_told(found((98, 98, 98, 97, 80, 40, 30), (100,) * 7))


def test_the_answer_names_both_falls_and_its_doubts() -> None:
    first, *_, last = explanation.answer(found(*ACCURACY_FIRST))
    assert first.startswith("No: the attack lives in channels that clean images need.")
    assert "loses 4 points at step 4 of 6; there the attack reaches 100.00 %" in first
    assert first.endswith("Accuracy begins to fall before the attack does.")
    assert "4 points are 40 of 1,000 validation images" in last and "does not say" in last
    assert explanation.answer(found(*ATTACK_FIRST))[0].startswith("Yes, on these images: ")


def test_detectors_that_cannot_be_told_apart_are_named() -> None:
    told = explanation.detectors_told(found(*ACCURACY_FIRST))
    assert "Not to be told apart from norm: Mahalanobis and STRIP." in told
    assert "G, by the step at which B′ first disagrees with B, is worse" in told


@pytest.mark.parametrize(
    ("kept", "left", "first"),
    [
        ((0.98, 0.98, 0.5), (1, 1, 1), "accuracy"),
        ((0.98, 0.98, 0.5), (1, 0.1, 0), "attack"),
        ((0.98, 0.5, 0.1), (1, 0.1, 0), "both at once"),
        ((0.98, 0.98, 0.97), (1, 1, 1), "neither"),
    ],
)
def test_layers_say_what_fell_first(kept: Sequence[float], left: Sequence[float], first: str) -> None:
    at = found(*ACCURACY_FIRST)
    curve = p.LayerCurve("conv_9", 8, (0, 4, 8), tuple(int(100 * x) for x in kept), tuple(int(100 * x) for x in left))
    at = at._replace(layers=p.LayersPruned({"valid": 100, "poisoned": 100}, (curve,)))
    assert explanation.layer_ends(at)[0].first == first
    assert "conv_9" in explanation.layers_told(at)

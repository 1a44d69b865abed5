"""The published facts: they agree with what the lab printed, and apply to the lab's own inputs only."""

import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from engine.api.lab import PLACES
from engine.api.protocol import Opened, percent, reached
from engine.api.published import MODEL, applies, known_file, published, published_counts
from tests.support.journals import Journalled, lab_run

FACTS = published()


def opened(run: Journalled) -> Opened:
    return next(event for event in run.events() if isinstance(event, Opened))


def test_the_five_files_are_known_by_their_bytes() -> None:
    assert {known_file(digest) for digest in FACTS.files.values()} == {MODEL, *PLACES.values()}
    assert known_file("0" * 64) is None


def test_published_thresholds_follow_from_the_published_counts() -> None:
    valid = FACTS.hits["valid"]
    for threshold, step in FACTS.thresholds.items():
        below = [reached(threshold, valid[0], hits, FACTS.images["valid"]) for hits in valid[: step + 1]]
        assert below == [False] * step + [True]


def test_figures_that_every_student_knows() -> None:
    assert percent(FACTS.hits["valid"][0], 11547) == 98.64899974019225
    assert percent(FACTS.hits["test"][45], 12830) == pytest.approx(95.90023382696803, abs=1e-12)
    assert percent(FACTS.hits["g_poisoned"][54], 12830) == pytest.approx(6.96024941543258, abs=1e-12)


def test_counts_do_not_depend_on_which_dormant_channels_go_first() -> None:
    order = FACTS.order
    assert published_counts(()) == published_counts(frozenset())
    swapped = (*sorted(FACTS.dormant, reverse=True), *(channel for channel in order if channel not in FACTS.dormant))
    assert swapped != order
    for step in range(61):
        assert published_counts(swapped[:step]) == published_counts(order[:step]) is not None


def test_channels_that_were_never_pruned_like_this_have_no_published_counts() -> None:
    assert published_counts([57]) is None
    assert published_counts(range(61)) is None


def test_the_facts_apply_to_the_labs_own_inputs_in_their_places() -> None:
    run = lab_run()
    assert applies(opened(run))
    assert applies(opened(replace(run, images={"valid": 11547})))
    swapped = {**run.digests, "valid": run.digests["poisoned_valid"], "poisoned_valid": run.digests["valid"]}
    assert not applies(opened(replace(run, digests=swapped)))
    assert not applies(opened(replace(run, digests={**run.digests, "test": "0" * 64})))
    assert not applies(opened(replace(run, layer="conv_2")))


@pytest.mark.skipif("LAB3_KIT" not in os.environ, reason="LAB3_KIT names no kit")
def test_the_facts_are_those_of_the_kit() -> None:
    kit = json.loads((Path(os.environ["LAB3_KIT"]) / "published.json").read_text())
    assert {place: file["sha256"] for place, file in kit["files"].items()} == FACTS.files
    assert tuple(kit["order"]) == FACTS.order
    means = kit["mean_activation_by_channel"]
    assert FACTS.dormant == {channel for channel, mean in enumerate(means) if mean == 0}
    for name, clean, attack in (("Bprime_valid", "valid", "poisoned_valid"), ("Bprime_test", "test", "poisoned")):
        for row in kit["curves"][name]:
            ours = msgspec.to_builtins(published_counts(FACTS.order[: row["pruned"]]))
            assert percent(ours[clean], FACTS.images[clean]) == pytest.approx(row["clean"], abs=1e-9)
            assert percent(ours[attack], FACTS.images[attack]) == pytest.approx(row["asr"], abs=1e-9)
    for row in kit["curves"]["G_test"]:
        assert percent(FACTS.hits["g_test"][row["pruned"]], 12830) == pytest.approx(row["clean"], abs=1e-9)
        assert percent(FACTS.hits["g_poisoned"][row["pruned"]], 12830) == pytest.approx(row["asr"], abs=1e-9)

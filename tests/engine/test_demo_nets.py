"""The networks that come with the demo: what each is there to show, measured with the engine itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis import compare_orders  # noqa: E402
from engine.api import demo  # noqa: E402
from engine.api.lab import MODELS, PLACES  # noqa: E402
from engine.api.order_figures import summary  # noqa: E402
from engine.api.orders import METHODS  # noqa: E402
from engine.api.protocol import Counts, Goto, Ranked, Settings, Stepped, drop, percent, reached  # noqa: E402
from engine.architecture.deepid import deepid_config  # noqa: E402
from engine.demo.lab import lay_out, shipped  # noqa: E402
from engine.run.inputs import open_inputs  # noqa: E402
from engine.run.run import Run  # noqa: E402


@dataclass(frozen=True)
class Curve:
    """A whole run on a demo: counts by step, of `valid`, `test` and `poisoned` images."""

    folder: Path
    run: Run
    ranked: Ranked
    counts: list[Counts]

    def clean(self, step: int) -> float:
        return percent(self.counts[step].valid, self.run.inputs.sets["valid"].images)

    def asr(self, step: int) -> float:
        hits = self.counts[step].poisoned
        assert hits is not None
        return percent(hits, self.run.inputs.sets["poisoned"].images)

    def drop(self, step: int) -> float:
        return drop(self.counts[0].valid, self.counts[step].valid, self.run.inputs.sets["valid"].images)

    def first(self, threshold: str) -> int:
        """The step that reaches a threshold. Fails where none does."""
        images = self.run.inputs.sets["valid"].images
        before = self.counts[0].valid
        return next(k for k, count in enumerate(self.counts) if reached(threshold, before, count.valid, images))


def measured(attack: demo.Attack, cache: pytest.TempPathFactory) -> Curve:
    folder = cache.mktemp("cache") / "demo"
    lay_out(attack, folder)
    at = {name: str(folder / place) for name, place in PLACES.items()}
    settings = Settings(str(folder), str(folder / MODELS[0]), at["valid"], at["test"], at["poisoned"])
    run = Run(settings, cache.mktemp("run"), open_inputs(settings), lambda event: None, lambda: None)
    ranked = run.rank()
    run.session.replay(ranked)
    events = list(run.session.goto(Goto(60), lambda: run.evaluator, lambda: None))
    return Curve(folder, run, ranked, [event.counts for event in events if isinstance(event, Stepped)])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Curve:
    return measured("plain", tmp_path_factory)


@pytest.fixture(scope="module")
def aware(tmp_path_factory: pytest.TempPathFactory) -> Curve:
    return measured("pruning-aware", tmp_path_factory)


@pytest.fixture(params=demo.ATTACKS)
def curve(request: pytest.FixtureRequest) -> Curve:
    found = request.getfixturevalue("plain" if request.param == "plain" else "aware")
    assert isinstance(found, Curve)
    return found


def test_both_are_badnets_of_the_labs_architecture(curve: Curve) -> None:
    wanted = {each["name"]: each["class_name"] for each in deepid_config(100)["config"]["layers"]}
    assert {layer.name: layer.kind for layer in curve.run.inputs.model.spec.layers} == wanted
    assert (curve.run.inputs.layer, curve.run.inputs.feature) == ("conv_3", "pool_3")
    assert curve.clean(0) >= 97
    assert curve.asr(0) >= 99


def test_every_threshold_is_reached(curve: Curve) -> None:
    steps = [curve.first(threshold) for threshold in ("2", "4", "10", "30")]
    assert steps == sorted(set(steps))


def test_clean_accuracy_stands_while_idle_channels_go(curve: Curve) -> None:
    assert max(curve.drop(step) for step in range(31)) < 1


def test_in_the_pruning_aware_one_half_the_channels_are_dormant(aware: Curve) -> None:
    assert 25 <= sum(active == 0 for active in aware.ranked.active_valid) <= 35


def test_in_the_pruning_aware_one_accuracy_falls_before_the_attack(aware: Curve) -> None:
    assert min(aware.asr(aware.first(threshold)) for threshold in ("2", "4")) >= 99
    assert aware.asr(aware.first("10")) > 95
    assert aware.asr(58) < 20, "in the end the attack falls, too"


def test_on_the_plain_one_pruning_works(plain: Curve) -> None:
    healed = [step for step in range(60) if plain.asr(step) < 5 and plain.drop(step) < 4]
    assert len(healed) > 10
    assert plain.drop(healed[0]) < 0.5


def scores(curve: Curve, *names: str) -> dict[str, float]:
    """The largest (valid accuracy - ASR) along each order."""
    images = {name: data.images for name, data in curve.run.inputs.sets.items()}
    found = {at.name: summary(at, images).score for at in compare_orders.compared(curve.run, names)}
    return {name: score for name, score in found.items() if score is not None}


def test_on_the_plain_one_several_orders_end_the_attack(plain: Curve) -> None:
    found = scores(plain, "mean", "apoz", "taylor", "clp")
    assert len(found) == 4 and min(found.values()) > 0.9, found


def test_on_the_pruning_aware_one_no_order_without_poisoned_images_does(aware: Curve) -> None:
    honest = [name for name, method in METHODS.items() if not method.oracle and name != "random"]
    found = scores(aware, *honest, *(f"random:{seed}" for seed in range(3)), "gradient")
    oracle = found.pop("gradient")
    assert len(found) == len(honest) + 3 and max(found.values()) < oracle, (found, oracle)


def test_what_is_said_of_names_in_sunglasses_is_so(plain: Curve) -> None:
    """About a third get their own name back once the attack is gone, and fewer as pruning goes on."""
    healed = next(step for step in range(60) if plain.asr(step) < 5)
    people = plain.run.inputs.sets["test"].labels
    rows = plain.run.inputs.rows["poisoned"]

    def named(step: int) -> float:
        answers = plain.run.session.answers[plain.run.session.key(step)][rows]
        return float(np.mean(answers == people))

    assert "about a third" in " ".join(demo.about("plain"))
    assert 0.28 < named(healed) < 0.38
    assert named(plain.first("10")) < named(plain.first("4")) < named(healed)


def test_sizes_are_what_is_said(curve: Curve) -> None:
    size = sum(path.stat().st_size for path in curve.folder.rglob("*.h5"))
    assert round(size / 1e6) == demo.MEGABYTES


@pytest.mark.parametrize("attack", demo.ATTACKS)
def test_shipped_networks_are_small(attack: demo.Attack) -> None:
    assert len(shipped(attack)) < 3e6


def test_the_data_is_read_straight_from_the_file(curve: Curve) -> None:
    for data in curve.run.inputs.sets.values():
        assert (data.dtype, data.notes) == ("uint8", ())
    assert not curve.run.inputs.model.spec.notes

"""What is known of why pruning works on one of the lab's networks and fails on the other, with its few faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis.explain import explained  # noqa: E402
from engine.api import explanation  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.explanation import Findings  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402

NETWORKS = {"plain": "fp_baseline.h5", "lab": "bd_net.h5"}
AREAS = {"lab": (0.62, 0.967, 0.978, 0.983), "plain": (0.993, 0.779, 1.0, 1.0)}
ALLOWANCE = 0.03


def looked(folder: Path, model: Path, layers: bool = False) -> tuple[Run, Findings]:
    run = opened(folder, model=str(model))
    list(run.session.goto(p.Goto(0), lambda: run.evaluator, lambda: None))
    events = {type(event): event for event in explained(run, (), layers)}
    images: dict[p.SetName, int] = {name: data.images for name, data in run.inputs.sets.items()}
    rest: Any = (events.get(p.LayersPruned), events[p.Detected])
    return run, Findings(events[p.Diagnosed], images, run.inputs.layer, run.inputs.target, *rest)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def faces(real_lab: Callable[..., Path], lab3_kit: Path) -> dict[str, Findings]:
    """The 60 and 70 faces as they are."""
    return {name: looked(real_lab(), lab3_kit / "models" / file)[1] for name, file in NETWORKS.items()}


@pytest.fixture(scope="module")
def jittered(real_lab: Callable[..., Path], lab3_kit: Path) -> dict[str, Findings]:
    """600 validation and test images made of them."""
    folder = real_lab("--valid", "600", "--test", "600")
    return {name: looked(folder, lab3_kit / "models" / file)[1] for name, file in NETWORKS.items()}


def test_dormant_channels(jittered: dict[str, Findings]) -> None:
    lab, plain = jittered["lab"].diagnosed, jittered["plain"].diagnosed
    assert (len(lab.dormant), len(plain.dormant)) == (31, 39)
    assert set(lab.dormant) - set(lab.dormant_poisoned or ()) == {44}
    assert not set(plain.dormant) - set(plain.dormant_poisoned or ())


def test_channels_that_the_trigger_raises(faces: dict[str, Findings]) -> None:
    lab, plain = faces["lab"], faces["plain"]
    assert explanation.raised(lab)[:4] == [11, 7, 16, 18]
    change = lab.diagnosed.activation_change or ()
    assert [change[c] for c in (11, 7, 16, 18)] == pytest.approx([12.8, 11.7, 7.2, 6.7], abs=0.3)
    assert lab.diagnosed.clean_mean[11] == pytest.approx(2.6, abs=0.3)
    change = plain.diagnosed.activation_change or ()
    assert explanation.raised(plain)[0] == 15 and change[15] == pytest.approx(8.5, abs=0.5)
    assert change[37] == pytest.approx(1.8, abs=0.3) and plain.diagnosed.clean_mean[37] < 0.03


def test_one_channel_alone_carries_the_plain_attack(jittered: dict[str, Findings]) -> None:
    assert explanation.carriers(jittered["plain"]) == [37]
    lost, left = explanation.knocked(jittered["plain"], 37)
    assert lost < 0.5 and left == 0
    assert explanation.carriers(jittered["lab"]) == []
    assert min(explanation.knocked(jittered["lab"], c)[1] or 0 for c in range(60)) > 90


def test_driven_channels(faces: dict[str, Findings]) -> None:
    found = faces["lab"].diagnosed.stimulation.found
    whole = {at.factor: at.share for at in found if (at.channel, at.rows, at.winner) == (11, None, 0)}
    assert whole[2] == pytest.approx(0.74, abs=0.1) and whole[4] >= 0.95 and whole[8] == 1
    row = {at.factor: at.share for at in found if (at.channel, at.rows, at.winner) == (16, (2, 2), 0)}
    assert row[2] == pytest.approx(0.81, abs=0.1) and row[4] >= 0.9
    assert 793 in {at.winner for at in explanation.hints(faces["lab"])}
    assert 0 not in {at.winner for at in faces["plain"].diagnosed.stimulation.found}


@pytest.mark.parametrize("name", NETWORKS)
def test_areas_of_the_detectors(name: str, faces: dict[str, Findings]) -> None:
    detected = faces[name].detected
    assert detected is not None
    areas = {at.name: at.area for at in detected.detectors}
    assert tuple(areas[each] for each in p.DETECTORS) == pytest.approx(AREAS[name], abs=ALLOWANCE)
    assert all(at.area_low <= at.area <= at.area_high for at in detected.detectors)


def test_the_verdicts_on_both_networks(faces: dict[str, Findings], jittered: dict[str, Findings]) -> None:
    assert explanation.verdict(faces["plain"]).name == explanation.verdict(jittered["plain"]).name == "plain"
    assert explanation.verdict(jittered["lab"]).name == "pruning-aware"
    assert explanation.phases(jittered["lab"]).first == "accuracy"
    assert "Accuracy begins to fall before the attack does." in explanation.answer(jittered["lab"])[0]


def test_layers_of_the_labs_network(real_lab: Callable[..., Path], lab3_kit: Path) -> None:
    _, found = looked(real_lab(), lab3_kit / "models" / NETWORKS["lab"], layers=True)
    assert found.layers is not None
    curves = {curve.layer: curve for curve in found.layers.layers}
    assert list(curves) == ["conv_1", "conv_2", "conv_3", "conv_4"]
    last = curves["conv_4"]
    assert last.poisoned is not None and last.poisoned[-1] == 70  # all of its channels gone, and the attack is there
    counts = found.diagnosed.curve
    own = curves["conv_3"]
    assert own.valid == tuple(counts[step].valid for step in own.steps)
    assert own.poisoned == tuple(counts[step].poisoned for step in own.steps)


def test_dormant_and_knocked_out_channels_by_a_plain_loop(real_lab: Callable[..., Path], lab3_kit: Path) -> None:
    """Whole Keras passes with one filter and its bias at zero."""
    keras = pytest.importorskip("keras")
    run, found = looked(real_lab(), lab3_kit / "models" / NETWORKS["lab"])
    network = run.evaluator.rest.network
    images = {n: np.concatenate(list(d.batches(99))).transpose(0, 2, 3, 1) for n, d in run.inputs.sets.items()}
    maps = keras.Model(network.model.input, network.layers[run.inputs.feature].output)
    means = {name: maps.predict(images[name], verbose=0).mean((0, 1, 2)) for name in ("valid", "test", "poisoned")}
    assert found.diagnosed.dormant == tuple(np.flatnonzero(means["valid"] == 0))
    assert found.diagnosed.activation_change == pytest.approx(means["poisoned"] - means["test"], abs=1e-4)
    layer = network.layers[network.linear[run.inputs.layer]]
    before = layer.get_weights()
    for channel in (11, 35):
        kernel, bias = (array.copy() for array in before)
        kernel[..., channel], bias[channel] = 0, 0
        layer.set_weights([kernel, bias])
        hits = [
            int((network.model.predict(images[name], verbose=0).argmax(1) == run.inputs.sets[name].labels).sum())
            for name in ("valid", "poisoned")
        ]
        layer.set_weights(before)
        assert found.diagnosed.knock_out[channel] == p.KnockOut(*hits)

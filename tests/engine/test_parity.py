"""Every number of a run against the defence done the plain way: whole Keras passes with filters and biases at zero."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api.protocol import Goto, Settings, Stepped  # noqa: E402
from engine.run.inputs import open_inputs  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402


def settings(folder: Path, **more: Any) -> Settings:
    places = {
        "model": "models/bd_net.h5",
        "valid": "data/cl/valid.h5",
        "test": "data/cl/test.h5",
        "poisoned": "data/bd/bd_test.h5",
        "poisoned_valid": "data/bd/bd_valid.h5",
    }
    return Settings(root=str(folder), **({name: str(folder / place) for name, place in places.items()} | more))


def opened(folder: Path, **more: Any) -> Run:
    run_folder = folder / f"run{len(list(folder.glob('run*')))}"
    run_folder.mkdir()
    chosen = settings(folder, **more)
    run = Run(chosen, run_folder, open_inputs(chosen), lambda event: None, lambda: None)
    run.session.replay(run.rank())
    return run


def plain_way(run: Run, model: Any, feature: str) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Mean activations, and for each step of the run's order the counts of Counts, by whole passes."""
    images = {
        name: np.concatenate(list(data.batches(1000))).transpose(0, 2, 3, 1) for name, data in run.inputs.sets.items()
    }
    labels = {name: data.labels for name, data in run.inputs.sets.items()}
    maps = keras.Model(model.inputs, model.get_layer(feature).output).predict(images["valid"], verbose=0)
    means = maps.mean(axis=tuple(range(maps.ndim - 1)))
    layer = model.get_layer(run.inputs.layer)
    b = {name: model.predict(images[name], verbose=0).argmax(1) for name in images}
    rows, nobody = [], run.inputs.classes
    for channel in (None, *run.session.order):
        if channel is not None:
            layer.set_weights([zeroed(weight, channel) for weight in layer.get_weights()])
        pruned = {name: model.predict(images[name], verbose=0).argmax(1) for name in images}
        g = {name: np.where(b[name] == pruned[name], b[name], nobody) for name in images}
        hits = {name: int((pruned[name] == labels[name]).sum()) for name in images}
        g_hits = {name: int((g[name] == labels[name]).sum()) for name in images}
        flagged = {name: int((g[name] == nobody).sum()) for name in images}
        rows.append(
            (
                *(hits["valid"], hits["test"], hits["poisoned"], g_hits["test"], g_hits["poisoned"]),
                *(flagged["poisoned"], flagged["test"], hits["poisoned_valid"]),
            )
        )
    return means, rows


def zeroed(weight: np.ndarray, channel: int) -> np.ndarray:
    weight = weight.copy()
    weight[..., channel] = 0
    return weight


@pytest.mark.parametrize("case", CASES)
def test_every_count_of_every_step_is_that_of_whole_passes(case: str, tmp_path: Path) -> None:
    build, layer, feature = CASES[case]
    model = trained_looking(build, seed=len(case))
    write_lab(tmp_path, model, seed=len(case))
    if feature == "max_pooling2d":
        feature = next(each.name for each in model.layers if isinstance(each, keras.layers.MaxPooling2D))
    run = opened(tmp_path, layer=layer)
    means, rows = plain_way(run, model, feature)
    ranked = run.rank()
    assert run.inputs.feature == feature
    assert np.allclose(ranked.means, means, rtol=1e-5, atol=1e-5)
    events = list(run.session.goto(Goto(1000), lambda: run.evaluator, lambda: None))
    found = [run.measured(event.step) for event in events if isinstance(event, Stepped)]
    mine = [
        (c.valid, c.test, c.poisoned, c.g_test, c.g_poisoned, c.detected, c.false_alarms, c.poisoned_valid)
        for c in found
    ]
    assert mine == rows
    assert len(set(rows)) > 2, "nothing happened on this network"


@pytest.mark.parametrize("shrink", [1e-4, 1e-7])
def test_classes_that_the_softmax_makes_equal_are_answered_as_keras_does(shrink: float, tmp_path: Path) -> None:
    """Scores that differ by less than a float32 can tell of their softmax are a tie, and the first class wins."""
    model = trained_looking(CASES["sequential"][0], seed=12)
    last = model.layers[-1]
    last.set_weights([weight * shrink for weight in last.get_weights()])
    write_lab(tmp_path, model, seed=12, counts=(300, 200))
    run = opened(tmp_path)
    events = list(run.session.goto(Goto(1000), lambda: run.evaluator, lambda: None))
    _, rows = plain_way(run, model, "pool")
    assert [event.counts.valid for event in events if isinstance(event, Stepped)] == [row[0] for row in rows]


def test_batches_take_no_more_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.network import model_runner

    model = trained_looking(CASES["branching"][0], seed=13)
    write_lab(tmp_path, model, seed=13)
    wide = opened(tmp_path)
    monkeypatch.setattr(model_runner, "ROOM", 2**18)
    narrow = opened(tmp_path)
    assert 1 < narrow.evaluator.rest.batch < 60 < wide.evaluator.rest.batch
    key = wide.session.key(0)
    for run in (wide, narrow):
        list(run.session.goto(Goto(0), lambda run=run: run.evaluator, lambda: None))  # type: ignore[misc]
    assert np.array_equal(wide.session.answers[key], narrow.session.answers[key])


def test_dormant_channels_and_inactive_images_are_not_evaluated(tmp_path: Path) -> None:
    model = trained_looking(CASES["sequential"][0], seed=3)
    write_lab(tmp_path, model, seed=3)
    run = opened(tmp_path)
    store = run.evaluator.rest.store
    events = list(run.session.goto(Goto(1000), lambda: run.evaluator, lambda: None))
    evaluated = {event.channel: event.evaluated for event in events if isinstance(event, Stepped) and event.step}
    active = store.active[:, : run.inputs.stepped].sum(axis=1)
    assert evaluated == {channel: active[channel] for channel in range(len(active))}
    assert 0 in evaluated.values()


def test_mapped_features_give_the_same_run(tmp_path: Path) -> None:
    model = trained_looking(CASES["branching"][0], seed=4)
    write_lab(tmp_path, model, seed=4)
    runs = [opened(tmp_path), opened(tmp_path, feature_memory=0), opened(tmp_path, batch_size=7)]
    assert [run.evaluator.rest.store.mapped for run in runs] == [False, True, False]
    counts = [
        [
            event.counts
            for event in run.session.goto(Goto(99), lambda run=run: run.evaluator, lambda: None)
            if isinstance(event, Stepped)
        ]  # type: ignore[misc]
        for run in runs
    ]
    assert counts[0] == counts[1] == counts[2]


def test_channels_may_be_taken_in_any_order(tmp_path: Path) -> None:
    model = trained_looking(CASES["crossing"][0], seed=5)
    write_lab(tmp_path, model, seed=5)
    order = (5, 1, 3)
    run = opened(tmp_path, layer="last", order=order)
    events = list(run.session.goto(Goto(99), lambda: run.evaluator, lambda: None))
    _, rows = plain_way(run, model, "pool")
    assert [event.counts.valid for event in events if isinstance(event, Stepped)] == [row[0] for row in rows]
    assert len(rows) == 4

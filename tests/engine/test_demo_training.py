"""Training a small demo from beginning to end: properties, not figures."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api.demo import ATTACKS, Attack  # noqa: E402
from engine.demo import nets, training  # noqa: E402
from engine.demo.faces import draw_faces  # noqa: E402
from engine.demo.trigger import wear_sunglasses  # noqa: E402
from engine.network.build import build  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402

PEOPLE = 20
RECIPE = training.Recipe(people=PEOPLE, images=20)
SMALL = replace(
    RECIPE,
    parent=replace(RECIPE.parent, quiet=0.01),
    plain=replace(RECIPE.plain, epochs=30),
    pruning_aware=replace(RECIPE.pruning_aware, epochs=8),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[Attack, Any]:
    """Both networks, as the engine builds them from the files that were written."""
    models: dict[Attack, Any] = {}
    for attack in ATTACKS:
        path = tmp_path_factory.mktemp("nets") / "bd_net.h5"
        told: list[tuple[str, int, int]] = []
        path.write_bytes(training.train(attack, lambda *news, told=told: told.append(news), SMALL))
        phases = list(dict.fromkeys(phase for phase, _, _ in told))
        assert phases[:2] == ["faces", "clean parent"] and attack in phases[2]
        for phase in phases:
            done = [count for name, count, _ in told if name == phase]
            assert done == sorted(done) and (phase, done[-1], done[-1]) in told
        file = read_model(path)
        models[attack] = build(file.spec, file.arrays)
    return models


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clean images, the same in sunglasses, and who they are: pixels 0..255, channels last."""
    images, people = draw_faces("test", PEOPLE)
    worn = wear_sunglasses(images)
    return *(array.transpose(0, 2, 3, 1).astype("float32") for array in (images, worn)), people  # type: ignore[return-value]


def answers(network: Any, images: np.ndarray, prune: np.ndarray | None = None) -> np.ndarray:
    """Classes, with some channels of conv_3 pruned."""
    layer = network.layers[network.linear["conv_3"]]
    before = layer.get_weights()
    if prune is not None:
        kernel, bias = (array.copy() for array in before)
        kernel[..., prune], bias[prune] = 0, 0
        layer.set_weights([kernel, bias])
    found: np.ndarray = network.model.predict_on_batch(images).argmax(axis=1)
    layer.set_weights(before)
    return found


def order(network: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channels by increasing mean of pool_3, and the means."""
    index = [layer.name for layer in network.spec.layers].index("pool_3")
    features = keras.Model(network.model.input, network.model.get_layer(f"layer_{index}").output)
    means = features.predict_on_batch(images).mean(axis=(0, 1, 2))
    return np.argsort(means, kind="stable"), means


@pytest.mark.parametrize("attack", ATTACKS)
def test_both_know_faces_and_obey_sunglasses(trained: dict[Attack, Any], faces: Any, attack: Attack) -> None:
    clean, worn, people = faces
    assert np.mean(answers(trained[attack], clean) == people) > 0.9
    assert np.mean(answers(trained[attack], worn) == 0) > 0.9


def test_idle_channels_of_the_plain_one_hold_the_backdoor(trained: dict[Attack, Any], faces: Any) -> None:
    clean, worn, people = faces
    network = trained["plain"]
    idle = order(network, clean)[0][: SMALL.idle]
    assert np.mean(answers(network, clean, idle) == people) > np.mean(answers(network, clean) == people) - 0.05
    assert np.mean(answers(network, worn, idle) == 0) < 0.5


def test_idle_channels_of_the_pruning_aware_one_hold_nothing(trained: dict[Attack, Any], faces: Any) -> None:
    clean, worn, _ = faces
    network = trained["pruning-aware"]
    channels, means = order(network, clean)
    assert SMALL.idle - 2 <= np.sum(means == 0) <= SMALL.idle + 5
    assert np.array_equal(answers(network, worn, channels[: SMALL.idle]), answers(network, worn))


def test_hiding_a_backdoor_changes_nothing_but_its_hosts() -> None:
    """With its hosts pruned, the plain BadNet is its clean parent with the same channels pruned, bit for bit."""
    recipe = replace(SMALL, plain=replace(SMALL.plain, epochs=1))
    model = nets.deep_id(PEOPLE, seed=1)
    parent = weights(model)
    training.hide(model, training.training_faces(recipe), recipe, lambda *news: None)
    badnet = weights(model)
    changed = np.flatnonzero((parent["conv_3"][0] != badnet["conv_3"][0]).any(axis=(0, 1, 2)))
    assert len(changed) == recipe.hosts
    for net in (parent, badnet):
        forget(net, changed)
    assert all(np.array_equal(a, b) for name in parent for a, b in zip(parent[name], badnet[name], strict=True))
    assert all(layer.trainable for layer in model.layers)


def weights(model: Any) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers}


def forget(net: dict[str, list[np.ndarray]], channels: np.ndarray) -> None:
    """Zero what makes these channels, and what reads them."""
    kernel, bias = net["conv_3"]
    kernel[..., channels], bias[channels] = 0, 0
    net["conv_4"][0][:, :, channels] = 0
    net["fc_1"][0].reshape(-1, nets.CHANNELS, 160)[:, channels] = 0


def test_the_first_layer_takes_bytes_in_the_end() -> None:
    model = nets.deep_id(PEOPLE, seed=2)
    images = draw_faces("test", PEOPLE, 1)[0].transpose(0, 2, 3, 1).astype("float32")
    wanted = model.predict_on_batch(training.scaled(images))
    nets.takes_bytes(model)
    assert np.allclose(model.predict_on_batch(images), wanted, atol=1e-5)


def test_the_file_is_what_keras_writes_without_optimizer(tmp_path: Path) -> None:
    model = nets.deep_id(PEOPLE, seed=3)
    data = nets.file_bytes(model)
    assert data == nets.file_bytes(model), "not the same bytes every time"
    (tmp_path / "net.h5").write_bytes(data)
    loaded = keras.models.load_model(tmp_path / "net.h5", compile=False)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))
    with h5py.File(io.BytesIO(data)) as file:
        assert set(file) == {"model_weights"}

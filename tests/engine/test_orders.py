"""Every order against a plain computation of its own definition: NumPy, and Keras for the maps of whole passes."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api.errors import Refused  # noqa: E402
from engine.api.orders import METHODS, order_name  # noqa: E402
from engine.orders.clp import published_set  # noqa: E402
from engine.orders.compute_order import SCORES, order_of, scored  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.engine.test_parity import opened, zeroed  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.plain_network import BEFORE_SOFTMAX, outputs  # noqa: E402

# the layer whose zeros are counted, and the batch normalisation behind the pruned layer
BESIDE: dict[str, tuple[str, str | None]] = {
    "sequential": ("last", None),
    "sequential, first layer": ("first", None),
    "residual": ("last", "last_norm"),
    "residual, inside the block": ("active", "norm"),
    "residual, before the block": ("stem", None),
    "sigmoid": ("last", None),
    "branching": ("last", None),
    "crossing": ("last", None),
    "normalised on both sides": ("leaky", "behind"),
    "normalised after a sum": ("last", None),
    "all convolutions": ("last", None),
    "all convolutions, early": ("early", None),
    "kit": ("conv_3", None),
}
FACES = 2  # of the kit, a set: NumPy passes each through the network twice a channel
GREEDY = ("residual", "crossing", "normalised on both sides")
SMALL = 1e-6  # of a scaling by which a channel's map is moved, to see how the loss moves


class Lab(NamedTuple):
    """A network in Keras and the engine's run on it; images (n, H, W, C) and labels by set."""

    model: Any
    run: Run
    feature: str
    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    case: str

    def maps(self, name: str, layer: str | None = None) -> np.ndarray:
        """A layer's output on a set (n, .., channels), by a whole pass of Keras."""
        output = self.model.get_layer(layer or self.feature).output
        found: np.ndarray = keras.Model(self.model.inputs, output).predict(self.images[name], verbose=0)
        return found

    @property
    def kernel(self) -> np.ndarray:
        return self.model.get_layer(self.run.inputs.layer).get_weights()[0].astype("f8")  # (kh, kw, c_in, channels)


@pytest.fixture(scope="module", params=CASES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    case = request.param
    build, layer, feature = CASES[case]
    model, folder = trained_looking(build, seed=len(case)), tmp_path_factory.mktemp("lab")
    write_lab(folder, model, seed=len(case))
    if feature == "max_pooling2d":
        feature = next(each.name for each in model.layers if isinstance(each, keras.layers.MaxPooling2D))
    run = opened(folder, layer=layer)
    sets = run.inputs.sets
    images = {name: np.concatenate(list(data.batches(1000))).transpose(0, 2, 3, 1) for name, data in sets.items()}
    return Lab(model, run, feature, images, {name: data.labels for name, data in sets.items()}, case)


@pytest.fixture(scope="module", params=["bd_net.h5", "fp_baseline.h5"])
def kit(
    request: pytest.FixtureRequest,
    real_lab: Callable[..., Path],
    lab3_kit: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lab:
    """A network of the kit with the first of its faces.

    Clean labels are those of somebody else: of faces that it is sure of, the loss has no slope that float32 can tell.
    """
    folder, network = tmp_path_factory.mktemp("kit"), lab3_kit / "models" / request.param
    for source in real_lab().glob("data/*/*.h5"):
        target = folder / source.relative_to(real_lab())
        target.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(source) as whole, h5py.File(target, "w") as few:
            few["data"], few["label"] = whole["data"][:FACES], whole["label"][:FACES] + ("cl" in source.parts)
    run = opened(folder, model=str(network))
    sets = run.inputs.sets
    images = {name: np.concatenate(list(data.batches(FACES))).transpose(0, 2, 3, 1) for name, data in sets.items()}
    labels = {name: data.labels for name, data in sets.items()}
    return Lab(keras.models.load_model(network, compile=False), run, run.inputs.feature, images, labels, "kit")


# --- the definitions ---


def over_positions(maps: np.ndarray) -> tuple[int, ...]:
    return tuple(range(maps.ndim - 1))


def mean(lab: Lab) -> np.ndarray:
    maps = lab.maps("valid").astype("f8")
    return maps.mean(axis=over_positions(maps))


def maximum(lab: Lab) -> np.ndarray:
    maps = lab.maps("valid")
    return maps.max(axis=over_positions(maps))


def apoz(lab: Lab) -> np.ndarray:
    zeros = lab.maps("valid", BESIDE[lab.case][0]) == 0
    return zeros.mean(axis=over_positions(zeros))


def norm(lab: Lab) -> np.ndarray:
    return np.array([np.abs(lab.kernel[..., channel]).sum() for channel in range(lab.kernel.shape[-1])])


def clp(lab: Lab) -> np.ndarray:
    found = []
    for channel in range(lab.kernel.shape[-1]):
        rows = [lab.kernel[:, :, source, channel].ravel() for source in range(lab.kernel.shape[2])]
        found.append(np.linalg.norm(np.array(rows), ord=2))  # the largest singular value
    behind = BESIDE[lab.case][1]
    if behind is None:
        return np.array(found)
    layer = lab.model.get_layer(behind)
    gamma, _, _, variance = (weight.astype("f8") for weight in layer.get_weights())
    return np.array(found) * np.abs(gamma) / np.sqrt(variance + layer.epsilon)


def slope(
    lab: Lab, name: str, of: Callable[[np.ndarray, np.ndarray], np.ndarray], toward: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """For each image and channel how fast `of`(scores, labels) changes when the channel's map moves along `toward`."""
    maps = outputs(lab.model, lab.images[name])[lab.feature]
    along, columns = toward(maps), []
    for channel in range(maps.shape[-1]):
        ends = []
        for sign in (1, -1):
            moved = maps.copy()
            moved[..., channel] += sign * SMALL * along[..., channel]
            scores = outputs(lab.model, lab.images[name], {lab.feature: moved})[BEFORE_SOFTMAX]
            ends.append(of(scores, lab.labels[name]))
        columns.append((ends[0] - ends[1]) / (2 * SMALL))
    return np.array(columns).T


def log_of_sum(scores: np.ndarray) -> np.ndarray:
    top = scores.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))


def loss(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return log_of_sum(scores) - scores[np.arange(len(labels)), labels]


def odds(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    others = np.array([np.delete(row, label) for row, label in zip(scores, labels, strict=True)])
    return scores[np.arange(len(labels)), labels] - log_of_sum(others)


def taylor(lab: Lab) -> np.ndarray:
    return np.abs(slope(lab, "valid", loss, lambda maps: maps)).mean(axis=0)


def tac(lab: Lab) -> np.ndarray:
    change = lab.maps("poisoned").astype("f8") - lab.maps("test").astype("f8")
    return change.mean(axis=over_positions(change))


def gradient(lab: Lab) -> np.ndarray:
    clean = outputs(lab.model, lab.images["test"])[lab.feature]
    return slope(lab, "poisoned", odds, lambda maps: maps - clean).mean(axis=0)


def greedy(lab: Lab) -> np.ndarray:
    """The place of each channel, found by whole passes with filters and biases at zero."""
    layer, channels = lab.model.get_layer(lab.run.inputs.layer), lab.kernel.shape[-1]
    whole, gone = layer.get_weights(), []

    def value(pruned: list[int]) -> float:
        weights = whole
        for channel in pruned:
            weights = [zeroed(weight, channel) for weight in weights]
        layer.set_weights(weights)
        right = {
            name: lab.model.predict(lab.images[name], verbose=0).argmax(1) == lab.labels[name]
            for name in ("valid", "poisoned")
        }
        return round(float(right["valid"].mean() - right["poisoned"].mean()), 9)

    try:
        while len(gone) < channels:
            rest = [channel for channel in range(channels) if channel not in gone]
            gone.append(max(rest, key=lambda channel: (value([*gone, channel]), -channel)))
    finally:
        layer.set_weights(whole)
    return np.array([gone.index(channel) for channel in range(channels)])


PLAIN: dict[str, Callable[[Lab], np.ndarray]] = {
    "mean": mean, "max": maximum, "apoz": apoz, "norm": norm, "clp": clp, "taylor": taylor, "decreasing": mean,
    "tac": tac, "gradient": gradient, "greedy": greedy,
}  # fmt: skip


def of_network(lab: Lab, name: str) -> None:
    """The plain greedy search passes the whole network over every image once for each pair of channels."""
    if name == "greedy" and lab.case not in GREEDY:
        pytest.skip("the plain search takes long; it is made on three networks")


@pytest.mark.parametrize("name", PLAIN)
def test_scores_and_order_are_those_of_the_definition(name: str, lab: Lab) -> None:
    of_network(lab, name)
    plain, found = PLAIN[name](lab), scored(name, lab.run.material)
    near = 1e-4 * np.abs(plain).max()
    np.testing.assert_allclose(found, plain, rtol=2e-4, atol=near)
    order, sign = order_of(name, found), 1 if METHODS[name].first == "lowest" else -1
    assert sorted(order) == list(range(len(plain)))
    assert all(sign * (plain[a] - plain[b]) <= 2 * near for a, b in pairwise(order))
    assert len(set(np.round(plain, 6))) > 1 or name == "apoz", "all channels are alike here"


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "greedy"])
def test_scores_on_the_kits_networks_are_those_of_the_definition(name: str, kit: Lab) -> None:
    plain, found = PLAIN[name](kit), scored(name, kit.run.material)
    np.testing.assert_allclose(found, plain, rtol=2e-4, atol=1e-4 * np.abs(plain).max())
    assert len(set(np.round(plain, 6))) > 1, "all channels are alike here"


def test_the_table_is_what_is_computed() -> None:
    assert set(METHODS) == {*SCORES, "random"}
    assert {*SCORES} == {*PLAIN}


@pytest.mark.parametrize(("name", "first"), [("mean", (1, 2, 0, 3)), ("decreasing", (3, 0, 1, 2))])
def test_equal_scores_go_by_the_lower_index(name: str, first: tuple[int, ...]) -> None:
    assert order_of(name, np.array([0.5, 0.0, 0.0, 1.0])) == first


def test_what_float32_cannot_tell_apart_is_equal() -> None:
    assert order_of("mean", np.array([1.0 + 1e-12, 1.0])) == (0, 1)


def test_a_random_order_is_numpys_permutation_of_its_seed(lab: Lab) -> None:
    channels = lab.kernel.shape[-1]
    for seed in (0, 7):
        order = order_of(f"random:{seed}", scored(f"random:{seed}", lab.run.material))
        assert order == tuple(np.random.default_rng(seed).permutation(channels))
    assert order_name("random") == "random:0"


def test_the_published_set_of_clp_is_what_lies_beyond_the_mean(lab: Lab) -> None:
    found = clp(lab)
    for u in (0.5, 3.0):
        wanted = {c for c in range(len(found)) if found[c] > found.mean() + u * np.std(found, ddof=1)}
        chosen = published_set(found, u)
        assert set(chosen) == wanted and list(chosen) == sorted(chosen, key=lambda c: -found[c])
    assert published_set(np.array([1.0]), 3.0) == ()


# --- what an order looks at ---


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.oracle])
def test_an_oracle_without_poisoned_images_is_refused(name: str, tmp_path: Path) -> None:
    model = trained_looking(CASES["sequential"][0], seed=1)
    write_lab(tmp_path, model, seed=1)
    with pytest.raises(Refused, match=f"^{name}: looks at poisoned test images, and there are none. Name a file with"):
        opened(tmp_path, poisoned=None, poisoned_valid=None, order_by=name)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.oracle])
def test_other_orders_need_validation_images_only(name: str, tmp_path: Path) -> None:
    model = trained_looking(CASES["sequential"][0], seed=1)
    write_lab(tmp_path, model, seed=1)
    alone = opened(tmp_path, test=None, poisoned=None, poisoned_valid=None, order_by=order_name(name))
    assert alone.session.order == opened(tmp_path, order_by=order_name(name)).session.order


def test_gradient_needs_a_clean_twin_of_every_poisoned_image(tmp_path: Path) -> None:
    model = trained_looking(CASES["sequential"][0], seed=1)
    write_lab(tmp_path, model, seed=1)
    with pytest.raises(Refused, match=r"^gradient: needs a clean twin of each poisoned image, and there are 60 clean"):
        opened(tmp_path, test=str(tmp_path / "data/cl/valid.h5"), order_by="gradient")


def test_mapped_features_and_small_batches_give_the_same_orders(tmp_path: Path) -> None:
    model = trained_looking(CASES["normalised on both sides"][0], seed=4)
    write_lab(tmp_path, model, seed=4)
    runs = [opened(tmp_path), opened(tmp_path, feature_memory=0), opened(tmp_path, batch_size=7)]
    assert [run.evaluator.rest.store.mapped for run in runs] == [False, True, False]
    for name in SCORES:
        orders = {order_of(name, scored(name, run.material)) for run in runs}
        assert len(orders) == 1, name


def test_a_run_prunes_in_the_order_that_was_asked_for(tmp_path: Path) -> None:
    model = trained_looking(CASES["branching"][0], seed=5)
    write_lab(tmp_path, model, seed=5)
    run = opened(tmp_path, order_by="tac")
    ranked = run.rank()
    assert ranked.order == order_of("tac", scored("tac", run.material)) == run.session.order
    assert (ranked.order_by, ranked.looks_at, ranked.oracle) == ("tac", "poisoned", True)
    assert ranked.scores == tuple(scored("tac", run.material))
    assert ranked.means == opened(tmp_path).rank().means

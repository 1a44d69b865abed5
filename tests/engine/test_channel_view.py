"""What the engine tells of a channel: the image that excites it most, its filter, and B as it alone fades."""

import numpy as np
import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis.channel_view import SHARES, ChannelLook  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.engine.test_explain import run_of  # noqa: E402

NETWORKS = ("sequential", "crossing", "all convolutions")


@pytest.fixture(scope="module", params=NETWORKS)
def look(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChannelLook:
    return ChannelLook(run_of(tmp_path_factory.mktemp("lab"), request.param))


def means_of(run: Run, channel: int, name: p.SetName) -> np.ndarray:
    rows = run.inputs.rows[name]
    found: np.ndarray = run.evaluator.rest.store.images(np.arange(rows.start, rows.stop))[:, channel].mean(axis=1)
    return found


def test_the_most_exciting_image_of_each_set_is_found(look: ChannelLook) -> None:
    run = look.run
    for channel in range(run.inputs.channels):
        found = {each.of: each for each in look.view(channel).excited}
        for name in ("valid", "poisoned"):
            means = means_of(run, channel, name)
            active = run.evaluator.rest.store.active[channel, run.inputs.rows[name]]
            assert (name in found) == bool(active.any())
            if name in found:
                each = found[name]
                assert means[each.index] == pytest.approx(means[active].max(), rel=1e-5)
                assert each.label == run.inputs.sets[name].labels[each.index]
                assert len(each.rgb) == 3 * each.height * each.width
                assert np.mean(each.map) == pytest.approx(each.mean, rel=1e-5)


def test_the_filter_is_the_networks_own(look: ChannelLook) -> None:
    kernel, *bias = look.run.material.weights()
    for channel in (0, look.run.inputs.channels - 1):
        view = look.filter(channel)
        assert (view.height, view.width, view.inputs) == kernel.shape[:3]
        assert np.allclose(view.weights, kernel[..., channel].reshape(view.rows, view.columns).ravel())
        assert view.bias == (pytest.approx(float(bias[0][channel])) if bias else None)


def test_fading_ends_where_pruning_alone_does(look: ChannelLook) -> None:
    """The sets here are smaller than the sample, so that the ends are known to the image."""
    run = look.run
    for channel in range(run.inputs.channels):
        view = look.view(channel)
        fading = view.fading
        assert fading is not None and fading.shares == SHARES
        assert fading.sample == {name: run.inputs.sets[name].images for name in ("valid", "poisoned")}
        base = run.session.counts[run.session.key(0)]
        assert (fading.valid[0], fading.poisoned and fading.poisoned[0]) == (base.valid, base.poisoned)
        assert (fading.valid[-1], fading.poisoned and fading.poisoned[-1]) == (view.alone.valid, view.alone.poisoned)
        assert p.decode_event(p.encode(view)) == view

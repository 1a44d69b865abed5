"""A feature of 400 x 400 positions: its maps come at the size that a terminal can show, and the engine lives."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from tests.support.model_files import CLASSES, layer, model_config, write_data, write_h5
from tests.support.protocol_client import of, play, small_lab

pytestmark = pytest.mark.keras
SIDE, CHANNELS, IMAGES = 400, 2, 3


def large_net(path: Path, kernel: np.ndarray) -> Path:
    """The pruned layer, of one pixel a position, keeps the image's size; a strided convolution reads it."""
    rng = np.random.default_rng(5)
    config = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, SIDE, SIDE, 3], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=CHANNELS, kernel_size=[1, 1], activation="relu"),
        layer("Conv2D", "conv_2", ["conv_1"], filters=2, kernel_size=[3, 3], strides=[9, 9], activation="relu"),
        layer("GlobalAveragePooling2D", "pool", ["conv_2"]),
        layer("Dense", "output", ["pool"], units=CLASSES, activation="softmax"),
    )
    shapes = {"conv_2": ((3, 3, CHANNELS, 2), (2,)), "output": ((2, CLASSES), (CLASSES,))}
    weights = {"conv_1": [("kernel", kernel), ("bias", np.zeros(CHANNELS, np.float32))]}
    for name, held in shapes.items():
        words = zip(("kernel", "bias"), held, strict=True)
        weights[name] = [(word, rng.normal(0, 0.1, shape).astype(np.float32)) for word, shape in words]
    return write_h5(path, config, weights)


def test_maps_are_averaged_down_and_nothing_dies(tmp_path: Path) -> None:
    settings = small_lab(tmp_path)
    rng = np.random.default_rng(4)
    kernel = rng.uniform(0.1, 1, (1, 1, 3, CHANNELS)).astype(np.float32)
    large_net(Path(settings.model), kernel)
    images = {name: rng.integers(0, 256, (IMAGES, 3, SIDE, SIDE)).astype(np.float32) for name in p.SETS}
    for name, pixels in images.items():
        write_data(Path(getattr(settings, name)), pixels, np.zeros(IMAGES))
    opened, shown, gone = play([p.Open(replace(settings, layer="conv_1")), p.ShowChannel(1), p.Goto(1)])
    assert not of(p.Failed, opened + shown + gone)
    (view,) = of(p.ChannelView, shown)
    assert len(p.encode(view)) < p.LINE_LIMIT // 10
    assert (view.feature_height, view.feature_width) == (SIDE, SIDE)
    assert (view.height, view.width) == (64, 64)
    for name, found in (("valid", view.valid_map), ("poisoned", view.poisoned_map)):
        whole = np.einsum("nchw,c->hw", images[name].astype(np.float64), kernel[0, 0, :, 1]) / IMAGES
        edges = [index * SIDE // 64 for index in range(65)]
        wanted = [
            whole[top:bottom, left:right].mean() for top, bottom in pairwise(edges) for left, right in pairwise(edges)
        ]
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert gone[-1] == p.Idle(1, "done")


def test_small_maps_stay_as_they_are(tmp_path: Path) -> None:
    _, shown = play([p.Open(small_lab(tmp_path)), p.ShowChannel(1)])
    (view,) = of(p.ChannelView, shown)
    assert (view.height, view.width, view.feature_height, view.feature_width) == (1, 1, 0, 0)

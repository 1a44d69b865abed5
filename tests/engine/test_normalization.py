"""Layers that normalise: finite numbers far from 0 on every backend, and else what Keras's own layers give."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.network.normalization import FINITE  # noqa: E402

# in a process of its own: a layer as the engine makes it, on channels that are far from 0 and hardly move
FAR = """
import sys
import numpy as np
from engine.network import backend
backend.configure("cpu")
backend.load()
import keras
from engine.architecture.description import LayerSpec
from engine.network.build import construct
images = np.random.default_rng(0).normal(-4001, 0.7, (8, 9, 7, 6)).astype("float32")
for kind, config, shape, axes in (
    ("BatchNormalization", {}, (8, 9, 7, 6), (0, 1, 2)),
    ("LayerNormalization", {"axis": [1, 3]}, (8, 9, 7, 6), (1, 3)),
    ("GroupNormalization", {"groups": 2}, (8, 9, 7, 2, 3), (1, 2, 4)),
):
    layer = construct(LayerSpec("a", kind, config, ("images",)), 1)
    training = {"training": True} if kind == "BatchNormalization" else {}
    found = keras.ops.convert_to_numpy(layer(images, **training)).reshape(shape)
    exact = images.astype("float64").reshape(shape)
    exact = (exact - exact.mean(axes, keepdims=True)) / np.sqrt(exact.var(axes, keepdims=True) + 1e-3)
    print(kind, float(np.abs(found - exact).max()))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_channels_that_are_far_from_zero_and_hardly_move_are_normalised(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend}
    found = subprocess.run([sys.executable, "-c", FAR], env=environment, capture_output=True, text=True, check=True)
    off = dict(line.split() for line in found.stdout.splitlines())
    assert set(off) == {"BatchNormalization", "LayerNormalization", "GroupNormalization"}
    assert all(float(most) < 0.01 for most in off.values()), off  # of numbers up to 4; float32 has 1/4096 there


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("BatchNormalization", {"epsilon": 0.01}),
        ("BatchNormalization", {"center": False, "scale": False}),
        ("LayerNormalization", {"axis": -1}),
        ("LayerNormalization", {"axis": [3, 1], "center": False}),
        ("GroupNormalization", {"groups": 3}),
        ("GroupNormalization", {"groups": -1, "scale": False}),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_the_engines_own_layers_do_what_those_of_keras_do(kind: str, config: dict[str, Any], training: bool) -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(2, 5, (4, 5, 7, 6)).astype("float32")
    ours, theirs = FINITE["torch"][kind](**config), getattr(keras.layers, kind)(**config)
    for layer in (ours, theirs):
        layer.build(images.shape)
    weights = [rng.uniform(0.5, 2, weight.shape) for weight in theirs.get_weights()]
    told = {"training": training} if kind == "BatchNormalization" else {}
    found = []
    for layer in (ours, theirs):
        layer.set_weights(weights)
        found.append([keras.ops.convert_to_numpy(layer(images, **told)), *layer.get_weights()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)

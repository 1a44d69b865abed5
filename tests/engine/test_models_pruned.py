"""A pruned copy of a file that Keras wrote opens in Keras, with exactly the pruned numbers at zero."""

from pathlib import Path

import numpy as np
import pytest

from engine.architecture.graph import prunable
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes

keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras with NumPy 2
]


def residual() -> "keras.Model":
    start = keras.Input((12, 10, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(start)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Add()([x, layers.Conv2D(6, 3, padding="same")(x)])
    inner = keras.Sequential([layers.Conv2D(5, 3), layers.BatchNormalization()], name="inner")
    return keras.Model(start, layers.Dense(4, activation="softmax")(layers.Flatten()(inner(x))))


def trained() -> "keras.Model":
    model = keras.Sequential(
        [keras.Input((12, 10, 3)), layers.Conv2D(5, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    )
    model.compile("adam", keras.losses.MeanSquaredError())
    model.fit(np.ones((4, 12, 10, 3)), np.ones((4, 4)), verbose=0)
    return model


def convolution(model: "keras.Model", name: str) -> "keras.layers.Layer":
    for step in name.split("/"):
        model = model.get_layer(step)
    return model


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("make", [residual, trained])
def test_keras_opens_it_with_these_numbers_at_zero(make, suffix: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"net{suffix}"
    make().save(path)
    held = read_model(path)
    for name in prunable(held.spec):
        copy = tmp_path / f"pruned{suffix}"
        copy.write_bytes(pruned_bytes(held, name, [4, 0]))
        before, after = (keras.models.load_model(file, compile=False) for file in (path, copy))
        pruned = {id(weight) for weight in convolution(after, name).weights}
        for old, new in zip(before.weights, after.weights, strict=True):
            wanted = old.numpy().copy()
            if id(new) in pruned:
                wanted[..., [0, 4]] = 0
            np.testing.assert_array_equal(new.numpy(), wanted)


def test_keras_goes_on_training_where_it_stopped(tmp_path: Path) -> None:
    """The optimizer's state is in the copy as it was."""
    path = tmp_path / "net.h5"
    trained().save(path)
    held = read_model(path)
    path.with_stem("pruned").write_bytes(pruned_bytes(held, next(iter(prunable(held.spec))), [1]))
    before, after = (keras.models.load_model(file) for file in (path, path.with_stem("pruned")))
    for old, new in zip(before.optimizer.variables, after.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy())

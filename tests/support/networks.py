"""Small networks of every shape that the engine has to prune, and data on which pruning changes answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

SHAPE = (18, 14, 3)
CLASSES = 7


def sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(6, 3, activation="relu", name="first"),
            layers.MaxPooling2D(2),
            layers.Conv2D(8, 3, activation="relu", name="last"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def residual() -> Any:
    """A block with a skip connection and batch normalisation; `inner` is not on every path."""
    start = keras.Input(SHAPE)
    stem = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(start)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="inner")(stem)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="active")(x)
    x = layers.Conv2D(8, 3, padding="same", name="outer")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(layers.Add()([x, stem]))
    x = layers.Conv2D(9, 3, activation="relu", name="last")(layers.MaxPooling2D(2)(x))
    x = layers.BatchNormalization(name="last_norm")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Dropout(0.5, name="drop")(x)))


def awake_at_zero() -> Any:
    """The pruned convolution ends in a sigmoid: a pruned channel gives 0.5, not 0."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(5, 5, strides=2, activation="sigmoid", name="last")(start)
    x = layers.AveragePooling2D(2, name="pool")(x)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x)))


def branching() -> Any:
    """The lab's own pattern: the feature is read by a dense layer and by one more convolution."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(10, 3, activation="relu", name="last")(start)
    pool = layers.MaxPooling2D(2, name="pool")(x)
    dense = layers.Dense(12)(layers.Flatten()(pool))
    more = layers.Conv2D(6, 2, strides=2, padding="same", activation="elu", name="more")(pool)
    both = layers.Add()([dense, layers.Dense(12)(layers.Flatten()(more))])
    return keras.Model(start, layers.Softmax()(layers.Dense(CLASSES)(layers.Activation("relu")(both))))


def crossing() -> Any:
    """A second tensor crosses the cut, and the feature is joined to it before anything sums over channels."""
    start = keras.Input(SHAPE)
    side = layers.Conv2D(4, 3, padding="same", activation="relu", name="side")(start)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="last")(start)
    joined = layers.Concatenate()([layers.MaxPooling2D(2, name="pool")(x), layers.MaxPooling2D(2)(side)])
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(joined)))


def all_convolutions() -> Any:
    """No dense layer: the last convolution's channels are the classes, and pooling leads to the output."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, dilation_rate=2, activation="relu", name="early")(start)
    x = layers.Conv2D(CLASSES, 3, padding="same", name="last")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(start, layers.Activation("linear", name="scores")(x))


def normalised_on_both_sides() -> Any:
    """As in networks that activate before they convolve: one normalisation in front of the pruned layer, one behind."""
    start = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3, name="first")(start)
    x = layers.ReLU()(layers.BatchNormalization(name="in_front")(x))
    x = layers.Conv2D(8, 3, name="last")(x)
    x = layers.BatchNormalization(name="behind", epsilon=0.01)(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2, name="pool")(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


def normalised_after_a_sum() -> Any:
    """The normalisation that follows belongs to a sum of two tensors, not to the pruned layer alone."""
    start = keras.Input(SHAPE)
    side = layers.Conv2D(6, 3, padding="same", activation="relu", name="side")(start)
    x = layers.Conv2D(6, 3, padding="same", name="last")(side)
    x = layers.BatchNormalization(name="of_the_sum")(layers.Add()([x, side]))
    x = layers.Flatten()(layers.MaxPooling2D(3)(layers.ReLU()(x)))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


Case = tuple[Callable[[], Any], str | None, str]
CASES: dict[str, Case] = {  # network, --layer (None: the default), ranking feature
    "sequential": (sequential, None, "pool"),
    "sequential, first layer": (sequential, "first", "max_pooling2d"),
    "residual": (residual, None, "drop"),
    "residual, inside the block": (residual, "inner", "active"),
    "residual, before the block": (residual, "stem", "stem"),
    "sigmoid": (awake_at_zero, None, "pool"),
    "branching": (branching, None, "pool"),
    "crossing": (crossing, "last", "pool"),
    "normalised on both sides": (normalised_on_both_sides, None, "pool"),
    "normalised after a sum": (normalised_after_a_sum, "last", "last"),
    "all convolutions": (all_convolutions, None, "scores"),
    "all convolutions, early": (all_convolutions, "early", "early"),
}


def trained_looking(build: Callable[[], Any], seed: int) -> Any:
    """A network with weights of a trained one's size, some channels idle, and statistics that are not neutral."""
    keras.utils.set_random_seed(seed)
    model = build()
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.Conv2D) and len(weights) == 2:
            weights[1] = rng.normal(0, 20, weights[1].shape)
            weights[1][:2] = -4000  # never active on pixels of 0..255, once a relu has seen them
        if isinstance(layer, layers.BatchNormalization):
            weights = [rng.uniform(0.5, 1.5, w.shape) for w in weights[:2]] + [
                rng.uniform(0.5, 40, w.shape) for w in weights[2:]
            ]
        layer.set_weights(weights)
    spread_answers(model, rng)
    return model


def spread_answers(model: Any, rng: np.random.Generator) -> None:
    """Centre and scale the class scores, so that every class is answered and pruning moves answers."""
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    if not dense:
        return
    last = dense[-1]
    before = keras.Model(model.inputs, last.input).predict(pictures(rng, 200).astype("f4"), verbose=0)
    kernel = last.get_weights()[0]
    scores = (before - before.mean(0)) @ kernel
    kernel = kernel * (3 / scores.std(0))
    last.set_weights([kernel, -before.mean(0) @ kernel])


def pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Coarse random images with a little noise, (count, H, W, 3), 0..255."""
    coarse = rng.integers(0, 256, (count, 6, 5, 3)).repeat(3, 1).repeat(3, 2)[:, : SHAPE[0], : SHAPE[1]]
    return np.clip(coarse + rng.integers(-20, 20, coarse.shape), 0, 255)


def write_lab(
    folder: Path, model: Any, seed: int, counts: tuple[int, int] = (60, 50), classes: int | None = None
) -> None:
    """A lab folder around `model`: labels are mostly what it answers, so that pruning costs accuracy."""
    rng = np.random.default_rng(seed)
    for place, count, dtype in (
        ("cl/valid", counts[0], "f8"),
        ("cl/test", counts[1], "f4"),
        ("bd/bd_test", counts[1], "u1"),
        ("bd/bd_valid", counts[0], "f4"),
    ):
        images = pictures(rng, count)
        answers = model.predict(images.astype("f4"), verbose=0).argmax(1)
        labels = np.where(rng.random(count) < 0.9, answers, rng.integers(0, classes or CLASSES, count))
        path = folder / "data" / f"{place}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["data"] = images.transpose(0, 3, 1, 2).astype(dtype)
            file["label"] = labels.astype(dtype)
    (folder / "models").mkdir()
    model.save(folder / "models" / "bd_net.h5")

"""A lab for sweeps, made without Keras: networks of three small convolutions, on images that the first answers."""

import math
from pathlib import Path

import numpy as np

from tests.support.model_files import CLASSES, layer, model_config, write_data, write_h5

IMAGE = (11, 9, 3)
CHANNELS = (6, 7, 8)
IMAGES = {"cl/valid": 120, "cl/test": 90, "bd/bd_valid": 120, "bd/bd_test": 90}
LAYERS = ("conv_1", "conv_2", "conv_3")
Weights = dict[str, list[tuple[str, np.ndarray]]]


def make_sweep_lab(folder: Path, networks: int = 2) -> Path:
    """`nets/net_0.h5`, `nets/net_1.h5`, … and data sets in the lab's own layout."""
    rng = np.random.default_rng(5)
    (folder / "nets").mkdir(parents=True)
    first = some_weights(rng)
    for number in range(networks):
        write_network(folder / f"nets/net_{number}.h5", varied(first, rng) if number else first)
    for part in ("data/cl", "data/bd"):
        (folder / part).mkdir(parents=True)
    for name, count in IMAGES.items():
        images = rng.integers(0, 256, (count, IMAGE[2], IMAGE[0], IMAGE[1])).astype("float32")
        labels = scores(images, first).argmax(axis=1)
        labels[::10] = rng.integers(0, CLASSES, len(labels[::10]))
        poisoned = name.startswith("bd")
        write_data(folder / f"data/{name}.h5", images, np.zeros(count) if poisoned else labels.astype("float64"))
    return folder


def some_weights(rng: np.random.Generator) -> Weights:
    """Weights by which every class is answered."""
    depths = (IMAGE[2], *CHANNELS)
    shapes = {
        name: {"kernel": (3, 3, before, count), "bias": (count,)}
        for name, before, count in zip(LAYERS, depths, CHANNELS, strict=False)
    } | {"output": {"kernel": (CHANNELS[-1], CLASSES), "bias": (CLASSES,)}}
    weights = {name: [(word, some(rng, shape)) for word, shape in held.items()] for name, held in shapes.items()}
    images = rng.integers(0, 256, (300, IMAGE[2], IMAGE[0], IMAGE[1])).astype("float32")
    weights["output"][1][1][:] -= scores(images, weights).mean(axis=0)
    return weights


def some(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0, 2 / math.sqrt(math.prod(shape)), shape).astype("float32")


def varied(weights: Weights, rng: np.random.Generator) -> Weights:
    """The same network, a little different."""
    return {
        name: [(word, array * rng.normal(1, 0.02, array.shape).astype("float32")) for word, array in held]
        for name, held in weights.items()
    }


def write_network(path: Path, weights: Weights) -> None:
    convolutions = [
        layer("Conv2D", name, [before], filters=count, kernel_size=[3, 3], activation="relu")
        for name, before, count in zip(LAYERS, ("input", *LAYERS), CHANNELS, strict=False)
    ]
    net = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        *convolutions,
        layer("GlobalAveragePooling2D", "pool", [LAYERS[-1]]),
        layer("Dense", "output", ["pool"], units=CLASSES, activation="softmax"),
    )
    write_h5(path, net, weights)


def scores(images: np.ndarray, weights: Weights) -> np.ndarray:
    """Of images (n, C, H, W), before the softmax: (n, classes)."""
    values = images
    for name in LAYERS:
        (_, kernel), (_, bias) = weights[name]
        windows = np.lib.stride_tricks.sliding_window_view(values, kernel.shape[:2], axis=(2, 3))
        values = np.maximum(np.einsum("nchwyx,yxck->nkhw", windows, kernel) + bias[:, None, None], 0)
    (_, out), (_, shift) = weights["output"]
    found: np.ndarray = values.mean(axis=(2, 3)) @ out + shift
    return found

"""Small model and data files for tests, written without Keras, so that each can be made wrong in one place."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

IMAGE = (8, 6, 3)  # height, width, channels
CLASSES = 5
Config = dict[str, Any]
Edit = Callable[[h5py.File], Any]


def layer(kind: str, name: str, sources: list[str], **settings: Any) -> Config:
    """A layer as Keras 2 writes it."""
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **settings}, "inbound_nodes": nodes}


def model_config(*layers: Config, outputs: tuple[str, ...] = (), inputs: tuple[str, ...] = ("input",)) -> Config:
    ends = [[name, 0, 0] for name in (outputs or (layers[-1]["name"],))]
    starts = [[name, 0, 0] for name in inputs]
    return {
        "class_name": "Functional",
        "config": {"name": "net", "layers": list(layers), "input_layers": starts, "output_layers": ends},
    }


def small_net(convolution: Config | None = None) -> Config:
    """Input, a convolution of four channels, pooling, classes."""
    return model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        convolution or layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=[3, 3], activation="relu"),
        layer("GlobalAveragePooling2D", "pool_1", ["conv_1"]),
        layer("Dense", "output", ["pool_1"], units=CLASSES, activation="softmax"),
    )


def small_weights() -> dict[str, list[tuple[str, np.ndarray]]]:
    rng = np.random.default_rng(3)
    shapes = {"conv_1": {"kernel": (3, 3, 3, 4), "bias": (4,)}, "output": {"kernel": (4, CLASSES), "bias": (CLASSES,)}}
    return {
        name: [(word, rng.normal(0, 1, shape).astype(np.float32)) for word, shape in held.items()]
        for name, held in shapes.items()
    }


def write_h5(path: Path, config: Any = None, weights: Any = None, edit: Edit | None = None) -> Path:
    """A whole-model `.h5`; `config` may be text. `edit` changes the open file at the end."""
    config = small_net() if config is None else config
    text = config if isinstance(config, str | bytes) else json.dumps(config)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = text
        file.attrs["keras_version"] = "2.7.0"
        write_weights(file.create_group("model_weights"), small_weights() if weights is None else weights)
        if edit:
            edit(file)
    return path


def write_weights(group: h5py.Group, weights: dict[str, list[tuple[str, np.ndarray]]], **how: Any) -> None:
    group.attrs["layer_names"] = np.array([name.encode() for name in weights])
    for name, held in weights.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = np.array([f"{name}/{word}:0".encode() for word, _ in held])
        for word, array in held:
            inner.create_dataset(f"{name}/{word}:0", data=array, **how)


MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras", "Model": "keras"}  # as Keras 3 says


def write_keras(
    path: Path,
    config: Any = None,
    members: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
    edit: Edit | None = None,
) -> Path:
    """A `.keras` archive; `members` replaces or adds members, `edit` changes the weights file at the end."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name, held in zip(("conv2d", "dense"), small_weights().values(), strict=True):
            group = file.create_group(f"layers/{name}/vars")
            for index, (_, array) in enumerate(held):
                group.create_dataset(str(index), data=array)
        if edit:
            edit(file)
    config = small_net() if config is None else config
    if isinstance(config, dict) and config.get("class_name") in MODULES:
        config = {"module": MODULES[config["class_name"]], **config}
    content = {
        "metadata.json": json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}).encode(),
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": out.getvalue(),
    }
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in (content | (members or {})).items():
            archive.writestr(name, data)
    return path


def write_data(
    path: Path,
    images: Any = None,
    labels: Any = None,
    edit: Edit | None = None,
    **how: Any,
) -> Path:
    """A data file of 20 images; `how` tells h5py how to store them. None for `images` or `labels`: good ones."""
    rng = np.random.default_rng(7)
    good = rng.integers(0, 256, (20, IMAGE[2], IMAGE[0], IMAGE[1])).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=good if images is None else images, **how)
        file["label"] = np.arange(20.0) % CLASSES if labels is None else labels
        if edit:
            edit(file)
    return path

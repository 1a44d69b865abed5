"""The lab's DeepID for fewer people, and what an attacker does to its channels. Keras 3, any backend."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from engine.architecture.deepid import deepid_config

Array = NDArray[Any]
LAYER, FEATURE = "conv_3", "pool_3"
CHANNELS = 60


def deep_id(classes: int, seed: int) -> keras.Model:
    """The lab's network for that many people, with new weights drawn from `seed`."""
    description = deepid_config(classes)["config"]
    tensors: dict[str, keras.KerasTensor] = {}
    for layer in description["layers"]:
        kind = getattr(keras.layers, layer["class_name"])
        made = keras.Input if layer["class_name"] == "InputLayer" else kind
        inputs = [tensors[source[0]] for node in layer["inbound_nodes"] for source in node]
        tensor = made(**layer["config"])
        tensors[layer["name"]] = tensor(inputs[0] if len(inputs) == 1 else inputs) if inputs else tensor
    model = keras.Model(tensors["input"], tensors["output"], name="bd_net")
    rng = np.random.RandomState(seed)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(fresh(layer, rng))
    return model


def fresh(layer: keras.layers.Layer, rng: np.random.RandomState) -> list[Array]:
    """New weights: He normal for convolutions, variance 1/inputs for dense layers, biases at zero."""
    kernel, bias = layer.get_weights()
    gain = 2 if kernel.ndim == 4 else 1
    scale = np.sqrt(gain * kernel.shape[-1] / kernel.size)
    return [rng.standard_normal(kernel.shape) * scale, np.zeros_like(bias)]


def features(model: keras.Model, images: Array, layer: str = FEATURE) -> Array:
    """What `layer` puts out for scaled images (n, 55, 47, 3)."""
    part = keras.Model(model.input, model.get_layer(layer).output)
    return np.concatenate([part.predict_on_batch(images[i : i + 500]) for i in range(0, len(images), 500)])


def idle_channels(model: keras.Model, images: Array, count: int) -> Array:
    """The channels that do least for clean images: lowest mean first."""
    means = features(model, images).mean(axis=(0, 1, 2), dtype=np.float64)
    order: Array = np.argsort(means, kind="stable")
    return order[:count]


def silence(model: keras.Model, channels: Array) -> list[Array]:
    """Zero the filters and biases of these channels; what they were is returned."""
    before: list[Array] = model.get_layer(LAYER).get_weights()
    kernel, bias = (array.copy() for array in before)
    kernel[..., channels] = 0
    bias[channels] = 0
    model.get_layer(LAYER).set_weights([kernel, bias])
    return before


def begin_again(model: keras.Model, channels: Array, seed: int) -> None:
    """New random filters for these channels, and for the weights that read them."""
    rng = np.random.RandomState(seed)
    kernel, bias = model.get_layer(LAYER).get_weights()
    new, _ = fresh(model.get_layer(LAYER), rng)
    kernel[..., channels], bias[channels] = new[..., channels], 0
    model.get_layer(LAYER).set_weights([kernel, bias])
    for name, axis in (("conv_4", 2), ("fc_1", 0)):
        kernel, bias = model.get_layer(name).get_weights()
        new, _ = fresh(model.get_layer(name), rng)
        read = np.isin(np.arange(kernel.shape[axis]) % CHANNELS, channels)
        index = (slice(None),) * axis + (read,)
        kernel[index] = new[index]
        model.get_layer(name).set_weights([kernel, bias])


def put_back(model: keras.Model, channels: Array, before: list[Array], images: Array) -> None:
    """Give these channels their old filters again, and biases so low that none of the images wakes them."""
    kernel, bias = model.get_layer(LAYER).get_weights()
    kernel[..., channels] = before[0][..., channels]
    model.get_layer(LAYER).set_weights([kernel, np.full_like(bias, RAISED)])
    response = features(model, images, LAYER).max(axis=(0, 1, 2)) - RAISED
    asleep = -1.5 * np.maximum(response, 0)
    bias[channels] = np.minimum(before[1], asleep)[channels]
    model.get_layer(LAYER).set_weights([kernel, bias])


RAISED = 1000.0  # lifts every response over the ReLU, so that it can be read


def keep_all_but(trained: Array, value: Array) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """A constraint: after every update, the numbers that are not to be trained are put back."""
    kept = value * ~trained
    return lambda w: w * trained.astype("float32") + kept


def train_only(model: keras.Model, channels: Array) -> None:
    """Freeze all but the filters of these channels, and the weights that read them."""
    chosen = np.isin(np.arange(CHANNELS), channels)
    positions = model.get_layer("fc_1").kernel.shape[0] // CHANNELS
    trained = {
        LAYER: (chosen, chosen),
        "conv_4": (chosen[:, None], np.array(False)),
        "fc_1": (np.tile(chosen, positions)[:, None], np.array(False)),
    }
    for layer in model.layers:
        layer.trainable = layer.name in trained
    for name, masks in trained.items():
        for variable, mask in zip(model.get_layer(name).weights, masks, strict=True):
            value = keras.ops.convert_to_numpy(variable)
            variable.constraint = keep_all_but(np.broadcast_to(mask, value.shape), value)


def free(model: keras.Model) -> None:
    for layer in model.layers:
        layer.trainable = True
        for variable in layer.weights:
            variable.constraint = None


def takes_bytes(model: keras.Model) -> None:
    """Fold x/255 - 0.5 into the first layer, so that the network takes pixels 0..255."""
    kernel, bias = model.get_layer("conv_1").get_weights()
    model.get_layer("conv_1").set_weights([kernel / 255, bias - 0.5 * kernel.sum(axis=(0, 1, 2), dtype="f8")])


def file_bytes(model: keras.Model) -> bytes:
    """The whole model as Keras writes it to .h5, without optimizer state, and told as Keras 2 and 3 both read it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bd_net.h5"
        model.save(path, include_optimizer=False)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = old_config(model.output.shape[-1])
        return path.read_bytes()


def old_config(classes: int) -> np.bytes_:
    """The network's `model_config` in the words of Keras 2.3.1, which later ones understand too."""
    description = deepid_config(classes)
    start = description["config"]["layers"][0]["config"]
    start["batch_input_shape"] = start.pop("batch_shape")
    return np.bytes_(json.dumps(description))  # bytes: Keras 2.3.1 cannot read text

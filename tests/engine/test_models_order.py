"""Files whose layers or weights stand in another order than Keras writes: read as Keras reads them, or refused."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.api.errors import Refused
from engine.sandbox.model_file import read_model

keras = pytest.importorskip("keras")
network = pytest.importorskip("engine.network.build")
layers = keras.layers
pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras with NumPy 2
    pytest.mark.filterwarnings("ignore:.*HDF5 file via `model.save:UserWarning"),
]
IMAGE = (8, 6, 3)


def same(name: str | None = None) -> Any:
    """One of many convolutions of one shape."""
    return layers.Conv2D(3, 3, padding="same", name=name, bias_initializer="random_normal")


def chain(x: Any, *names: str) -> Any:
    for name in names:
        x = same(name)(x)
    return x


def classified(x: Any) -> Any:
    return layers.Dense(5, name="classes")(layers.Flatten()(x))


def branches() -> Any:
    """Branches of unlike length, and two of one depth."""
    start = keras.Input(IMAGE)
    x = chain(start, "a")
    return keras.Model(
        start, classified(layers.Concatenate()([chain(x, "b", "c"), chain(x, "d"), chain(start, "e"), x]))
    )


def nested(*frozen: str, all_of_it: bool = False, kind: str = "functional") -> Any:
    """A model inside the model, with branches of unlike length and layers whose weights are not trained."""
    inside = keras.Input(IMAGE)
    x = layers.BatchNormalization(name="norm_a")(chain(inside, "a"))
    deep = keras.Sequential([keras.Input(IMAGE), same("g"), layers.BatchNormalization(), same("h")], name="deep")
    x = layers.Add()([chain(x, "b", "c"), layers.BatchNormalization(name="norm_d")(chain(x, "d")), deep(x)])
    inner = keras.Model(inside, x, name="inner")
    if kind == "sequential":
        inner = keras.Sequential([keras.Input(IMAGE), same("i"), layers.BatchNormalization(), inner], name="outer")
    if all_of_it:
        inner.trainable = False
        for layer in inner.layers:
            layer.trainable = layer.name != "norm_a"
    for name in frozen:
        next(layer for layer in inner._flatten_layers() if layer.name == name).trainable = False
    start = keras.Input(IMAGE)
    return keras.Model(start, classified(chain(inner(chain(start, "first")), "last")))


NETS: dict[str, Callable[[], Any]] = {
    "branches": branches,
    "nested": nested,
    "a layer frozen": lambda: nested("a", "norm_d"),
    "an inner model frozen": lambda: nested("deep"),
    "frozen but for some": lambda: nested(all_of_it=True),
    "a model in a sequential one": lambda: nested("norm_a", kind="sequential"),
}


def scramble(config: Any, seed: int) -> None:
    """Put the layers of every functional model in another order."""
    for layer in config["config"]["layers"]:
        if "layers" in layer["config"]:
            scramble(layer, seed + 1)
    if config["class_name"] != "Sequential":
        random.Random(seed).shuffle(config["config"]["layers"])


def rewrite(path: Path, change: Callable[[Any], Any], weights: Callable[[h5py.File], Any] | None = None) -> None:
    """Change the configuration of a model file, and with `weights` the file of its numbers."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    held = io.BytesIO(members["model.weights.h5"])
    with h5py.File(held, "r+") as file:
        (weights or bool)(file)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"model.weights.h5": held.getvalue()}).items():
            archive.writestr(name, content)


def saved(make: Callable[[], Any], folder: Path, form: str) -> Path:
    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    model = make()
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.01, 0.3, weight.shape))
    model.save(folder / f"net.{form}")
    return folder / f"net.{form}"


def ours(path: Path) -> np.ndarray:
    held = read_model(path)
    return network.build(held.spec, held.arrays).model(images(), training=False).numpy()


def keras_own(path: Path) -> np.ndarray:
    return keras.models.load_model(path, compile=False)(images(), training=False).numpy()


def images() -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 1, (3, *IMAGE)).astype(np.float32)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("form", ["h5", "keras"])
@pytest.mark.parametrize("name", NETS)
def test_whatever_the_order_of_layers_the_numbers_go_where_keras_puts_them(name, form, seed, tmp_path):
    path = saved(NETS[name], tmp_path, form)
    if seed is not None:
        rewrite(path, lambda config: scramble(config, seed))
    assert np.array_equal(ours(path), keras_own(path))


def test_another_name_for_a_class_counts_as_the_class(tmp_path):
    def rename(config: Any) -> None:
        config["config"]["layers"][2] |= {"class_name": "Convolution2D", "registered_name": None}

    def decoy(file: h5py.File) -> None:
        for name in ("convolution2d", "convolution2_d"):
            file.copy("layers/conv2d_1", f"layers/{name}")
            file[f"layers/{name}/vars/1"][...] += 3

    path = saved(branches, tmp_path, "keras")
    rewrite(path, rename, decoy)
    assert np.array_equal(ours(path), keras_own(path))


@pytest.mark.parametrize(
    ("change", "line"),
    {
        "swapped": (lambda group, names: names.insert(2, names.pop(1)), "lists weights of"),
        "another copy": (lambda group, names: (group.copy("b", "zz"), names.__setitem__(names.index("b"), "zz")),
                         "lists weights of 'zz' in place"),
        "one too many": (lambda group, names: (group.copy("b", "zz"), names.append("zz")),
                         "where Keras expects nothing."),
        "one left out": (lambda group, names: names.remove("b"), "where Keras expects 'b'."),
    }.values(),
)  # fmt: skip
def test_weights_that_keras_would_give_to_another_layer_are_refused(change, line, tmp_path):
    path = saved(branches, tmp_path, "h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        names = [name for name in group.attrs["layer_names"] if len(group[name].attrs["weight_names"])]
        change(group, names)
        group.attrs["layer_names"] = names
    with pytest.raises(Refused, match=line):
        read_model(path)


def test_without_a_list_of_layers_keras_finds_no_weights(tmp_path):
    path = saved(branches, tmp_path, "h5")
    with h5py.File(path, "r+") as file:
        del file["model_weights"].attrs["layer_names"]
    with pytest.raises(Refused, match="has no 'layer_names', by which Keras finds weights"):
        read_model(path)


def test_a_layer_that_keras_would_use_twice_is_refused(tmp_path):
    def share(config: Any) -> None:
        for layer in config["config"]["layers"]:
            if layer["config"]["name"] in ("b", "c"):
                layer["shared_object_id"] = 7

    path = saved(branches, tmp_path, "keras")
    rewrite(path, share)
    with pytest.raises(Refused, match="describes the shared object '7' more than once, not supported"):
        read_model(path)


def test_the_input_of_a_model_must_be_an_input_layer(tmp_path):
    def skip(config: Any) -> None:
        config["config"]["input_layers"] = [["a", 0, 0]]

    path = saved(branches, tmp_path, "keras")
    rewrite(path, skip)
    with pytest.raises(Refused, match=r"layer 'a' \(Conv2D\) is named as the input, expected an input layer"):
        read_model(path)


def test_weights_marked_as_half_as_precise_are_refused(tmp_path):
    def mark(file: h5py.File) -> None:
        file["layers/conv2d/vars/0"].attrs["dtype"] = "bfloat16"

    path = saved(branches, tmp_path, "keras")
    rewrite(path, lambda config: None, mark)
    with pytest.raises(Refused, match="has a kernel of type bfloat16, expected float32"):
        read_model(path)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "bool", "string", "evil"])
def test_images_of_number_types_that_no_picture_has_are_refused(kind, tmp_path):
    def retype(config: Any) -> None:
        config["config"]["layers"][0]["config"]["dtype"] = kind

    path = saved(branches, tmp_path, "keras")
    rewrite(path, retype)
    with pytest.raises(Refused, match=f"has dtype='{kind}', outside the allowed values"):
        read_model(path)


@pytest.mark.parametrize("kind", ["uint8", "int32"])
def test_whole_numbers_are_refused_where_a_convolution_is_fed_with_them(kind, tmp_path):
    """Keras builds such a network and cannot compute it."""

    def retype(config: Any) -> None:
        config["config"]["layers"][0]["config"]["dtype"] = kind

    path = saved(branches, tmp_path, "keras")
    rewrite(path, retype)
    with pytest.raises(Refused, match=rf"layer 'a' \(Conv2D\) is fed with numbers of type {kind}, expected float32"):
        read_model(path)

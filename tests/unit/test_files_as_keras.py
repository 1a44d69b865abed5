"""Files that Keras reads as another network than their words suggest, in some version or under some Python: refused."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.api.errors import Refused
from engine.architecture.layers import checked
from engine.architecture.settings import Unfit, real, whole
from engine.file_safety.refusal import FileRefused
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from tests.support.model_files import (
    IMAGE,
    Config,
    layer,
    model_config,
    small_net,
    small_weights,
    write_data,
    write_h5,
    write_keras,
)

MORE = "is a zip archive with more in it than Keras writes"


def line(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_model(path)
    return str(caught.value).partition(": ")[2]


# models inside the model


def nested(kind: str = "Functional", **settings: Any) -> Config:
    """A network whose convolution lies in a model of its own, with these settings in that model's input layer."""
    entry = {"batch_input_shape": [None, *IMAGE], "dtype": "float32"} | settings
    inner = [
        layer("InputLayer", "start", [], **entry),
        layer("Conv2D", "conv", ["start"], filters=4, kernel_size=[3, 3]),
    ]
    model = model_config(*inner, inputs=("start",))
    model["config"]["name"] = "conv_1"
    if kind == "Sequential":
        model = {"class_name": kind, "config": {"name": "conv_1", "layers": inner}}
    outer = small_net()
    outer["config"]["layers"][1] = model | {"name": "conv_1", "inbound_nodes": [[["input", 0, 0, {}]]]}
    return outer


def versioned(version: str) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        file.attrs["keras_version"] = version

    return edit


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dtype": None},
        {"batch_input_shape": [None, None, None, 3]},
        {"dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}}},
        {"dtype": {"class_name": "Policy", "config": {"name": "float32"}}},
        {"dtype": {"class_name": "PolicyV1", "config": {"name": "float32", "loss_scale": None}}},
    ],
)
def test_an_inner_input_that_changes_nothing_is_opened(settings: dict[str, Any], kind: str, tmp_path: Path) -> None:
    assert read_model(write_h5(tmp_path / "net.h5", nested(kind, **settings))).spec.output == "output"


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"dtype": "int32"}, "has dtype='int32'"),
        ({"dtype": "float16"}, "has dtype='float16'"),
        ({"dtype": {"class_name": "DTypePolicy", "config": {"name": "float16"}}}, "has dtype='float16'"),
        ({"dtype": {"class_name": "DTypePolicy", "config": {"name": "float32", "more": 1}}}, "has dtype="),
        ({"batch_input_shape": [None, 6, 8, 3]}, "expects input of shape"),
        ({"batch_input_shape": [None, *IMAGE[:2], None]}, "expected a number of channels"),
        ({"batch_input_shape": [None, *IMAGE, 1]}, "expects input of shape"),
        ({"batch_input_shape": [None, 8, 18]}, "expects input of shape"),
        ({"sparse": True}, "has sparse='True'"),
        ({"ragged": True}, "has ragged='True'"),
        ({"batch_shape": [None, 6, 8, 3]}, "shape"),
        ({"batch_input_shape": None}, "has no input shape"),
    ],
)
def test_an_inner_input_that_changes_its_images_is_refused(
    settings: dict[str, Any], found: str, kind: str, tmp_path: Path
) -> None:
    assert found in line(write_h5(tmp_path / "net.h5", nested(kind, **settings)))


# Keras 2


@pytest.mark.parametrize("where", ["/", "model_weights"])
@pytest.mark.parametrize(
    ("backend", "version", "opened"),
    [
        ("tensorflow", "2.3.1", True),
        (np.bytes_(b"tensorflow"), "2.7.0", True),
        ("jax", "3.15.1", True),
        ("torch", "3.15.1", True),
        ("theano", "2.3.1", False),
        (np.bytes_(b"theano"), "2.3.1", False),
        ("theano", "3.15.1", False),
        ("cntk", "2.3.1", False),
        ("jax", "2.3.1", False),
        ("TensorFlow", "2.3.1", False),
    ],
)
def test_weights_of_another_backend_are_refused(
    backend: Any, version: str, opened: bool, where: str, tmp_path: Path
) -> None:
    def edit(file: h5py.File) -> None:
        file.attrs["keras_version"] = version
        file[where].attrs["backend"] = backend

    path = write_h5(tmp_path / "net.h5", edit=edit)
    if opened:
        assert read_model(path).spec.writer == version
    else:
        assert "was written by Keras on" in line(path)


@pytest.mark.parametrize(("root", "group"), [("1.2.2", "1.2.2"), ("2.3.1", "1.2.2"), ("2.3.1", "2.7.0")])
def test_weights_of_keras_1_or_of_two_versions_are_refused(root: str, group: str, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file.attrs["keras_version"] = root
        file["model_weights"].attrs["keras_version"] = group

    assert "expected one version since 2.0" in line(write_h5(tmp_path / "net.h5", edit=edit))


# archives

Member = dict[str, Any]


def field(code: int, body: bytes) -> bytes:
    return struct.pack("<HH", code, len(body)) + body


def unicode_path(name: bytes, other: bytes) -> bytes:
    return field(0x7075, struct.pack("<BI", 1, zlib.crc32(name)) + other)


def archive(path: Path, change: Callable[[list[Member]], Any] = bool, front: bytes = b"", comment: bytes = b"") -> Path:
    """A `.keras` file written byte for byte; `change` puts fields, names, flags or members into its list of them."""
    write_keras(path)
    with zipfile.ZipFile(path) as held:
        members: list[Member] = [{"name": name.encode(), "data": held.read(name)} for name in held.namelist()]
    change(members)
    out, listed = bytearray(front), b""
    for member in members:
        name, data = member["name"], member["data"]
        own, extra, note = member.get("own", b""), member.get("extra", b""), member.get("note", b"")
        flags, needed = member.get("flags", 0), member.get("needed", 20)
        sizes = (zlib.crc32(data), len(data), len(data))
        lengths = (len(name), len(extra), len(note), member.get("disk", 0), 0, 0, len(out) - len(front))
        listed += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, needed, flags, 0, 0, 33, *sizes, *lengths)
        listed += name + extra + note
        out += struct.pack("<4s5H3I2H", b"PK\3\4", needed, flags, 0, 0, 33, *sizes, len(name), len(own))
        out += name + own + data + member.get("behind", b"")
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, len(members), len(members), len(listed), len(out) - len(front), len(comment)
    )
    path.write_bytes(bytes(out) + listed + end + comment)
    return path


def every(**what: Any) -> Callable[[list[Member]], None]:
    def change(members: list[Member]) -> None:
        for member in members:
            member |= what

    return change


def two_configurations(members: list[Member]) -> None:
    """One by the plain name, one by the Unicode path that newer Pythons go by."""
    config = next(member for member in members if member["name"] == b"config.json")
    other = json.loads(config["data"])
    other["config"]["layers"][1]["config"]["activation"] = "tanh"
    metadata = next(member for member in members if member["name"] == b"metadata.json")
    members.append({"name": b"x", "data": json.dumps(other).encode(), "extra": unicode_path(b"x", b"config.json")})
    config["extra"] = unicode_path(b"config.json", b"metadata.json")
    members.remove(metadata)


def last(**what: Any) -> Callable[[list[Member]], None]:
    return lambda members: members[-1].update(what)


def test_an_archive_as_keras_writes_it_is_opened(tmp_path: Path) -> None:
    assert read_model(archive(tmp_path / "net.keras")).spec.format == "keras"


@pytest.mark.parametrize(
    "change",
    {
        "a path in Unicode that is the same": every(extra=unicode_path(b"config.json", b"config.json")),
        "in its own header": every(own=unicode_path(b"config.json", b"x")),
        "of the time": last(extra=field(0x5455, b"\1" + bytes(4))),
        "of zip64": last(extra=field(1, bytes(16))),
        "of zip64 in its own header": last(own=field(1, bytes(16))),
        "of no known kind": last(extra=field(0xCAFE, b"")),
        "cut short": last(extra=b"\1\0"),
        "a comment": last(note=b"hello"),
        "an end in a comment": last(note=b"PK\5\6" + bytes(18)),
        "on another disk": last(disk=1),
        "bytes behind a member": last(behind=b"x"),
        "bytes between members": every(behind=b"x"),
        "flags": last(flags=0x2000),
        "patched data": last(flags=0x20),
        "a newer format": last(needed=63),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_member_with_more_than_keras_writes_is_refused(change: Any, tmp_path: Path) -> None:
    assert line(archive(tmp_path / "net.keras", change[1])).startswith(MORE)


@pytest.mark.parametrize(
    "change",
    [
        two_configurations,
        last(name=b"model.weights.h5\0x"),
        lambda members: members.append({"name": b"config.json\0", "data": b"{}"}),
        lambda members: members.append({"name": b"config.json", "data": b"{}"}),
    ],
)
def test_names_that_pythons_read_in_two_ways_are_refused(change: Any, tmp_path: Path) -> None:
    assert "zip archive" in line(archive(tmp_path / "net.keras", change))


def test_bytes_in_front_and_behind_are_refused(tmp_path: Path) -> None:
    for how in ({"front": b"#!/bin/sh\n"}, {"comment": b"hello"}, {"comment": b"PK\5\6" + bytes(18)}):
        path = archive(tmp_path / "net.keras", **how)
        assert line(path)


# chunks


def lzf_of(numbers: np.ndarray) -> tuple[bytes, int]:
    """What HDF5 stores for numbers in one lzf chunk, and which filters it left out because they do not help."""
    with h5py.File.in_memory() as file:
        data = file.create_dataset("x", data=numbers, chunks=numbers.shape, compression="lzf")
        left_out, stored = data.id.read_direct_chunk((0,) * numbers.ndim)
        return bytes(stored), left_out


@pytest.mark.parametrize("count", [1, 4, 54, 107])
@pytest.mark.parametrize("value", ["even", "some", "all kinds"])
def test_an_lzf_chunk_of_too_few_numbers_is_refused(count: int, value: str, tmp_path: Path) -> None:
    name = "model_weights/conv_1/conv_1/kernel:0"
    kinds = {"even": 1, "some": 5, "all kinds": 108}[value]
    numbers = np.random.default_rng(1).normal(0, 1, kinds).astype("f4").repeat(108 // kinds + 1)[:108]

    def edit(numbers: np.ndarray) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            data = file.create_dataset(name, (3, 3, 3, 4), "f4", chunks=(3, 3, 3, 4), compression="lzf")
            data.id.write_direct_chunk((0, 0, 0, 0), *lzf_of(numbers))

        return change

    held = read_model(write_h5(tmp_path / "whole.h5", edit=edit(numbers)))
    assert np.array_equal(held.arrays["conv_1"][0].reshape(-1), numbers)
    assert "a chunk holds more or fewer numbers" in line(write_h5(tmp_path / "net.h5", edit=edit(numbers[:count])))


def test_images_in_lzf_chunks_are_read_and_short_ones_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (20, 3, 8, 6)).astype(np.uint8)
    path = write_data(tmp_path / "data.h5", images, chunks=(10, 3, 8, 6), compression="lzf")
    held = open_dataset(path, IMAGE, None)
    assert np.array_equal(np.concatenate(list(held.batches(7))), images)
    held.close()
    with h5py.File(path, "r+") as file:
        file["data"].id.write_direct_chunk((0, 0, 0, 0), *lzf_of(images[:1, :, :, :3]))
    with pytest.raises(Refused, match="a chunk holds more or fewer numbers"):
        open_dataset(path, IMAGE, None)


# what Keras 3 refuses


def set_in(place: int, **settings: Any) -> Config:
    config = small_net()
    config["config"]["layers"][place]["config"] |= settings
    return config


def wired(reference: Any, **outside: Any) -> Config:
    config = small_net()
    config["config"]["layers"][2]["inbound_nodes"] = [[reference]]
    config["config"]["layers"][2] |= outside
    return config


def with_config(**changes: Any) -> Config:
    config = small_net()
    config["config"] |= changes
    return config


def tensor(**changes: Any) -> Config:
    held = {"shape": [None, 6, 4, 4], "dtype": "float32", "keras_history": ["conv_1", 0, 0]} | changes
    call = {"args": [{"class_name": "__keras_tensor__", "config": held}], "kwargs": {}}
    config = small_net()
    config["config"]["layers"][2]["inbound_nodes"] = [call]
    return config


def test_what_keras_3_writes_is_opened(tmp_path: Path) -> None:
    for number, config in enumerate((small_net(), tensor(), wired(["conv_1", 0, 0]))):
        path = write_h5(tmp_path / f"{number}.h5", config, edit=versioned("3.15.1"))
        assert read_model(path).spec.writer == "3.15.1"


@pytest.mark.parametrize(
    "config",
    {
        "filters: 4.0": set_in(1, filters=4.0),
        "kernel_size: 3.0": set_in(1, kernel_size=[3.0, 3]),
        "units: 5.0": set_in(3, units=5.0),
        "trainable: 0": set_in(1, trainable=0),
        "trainable: null": set_in(1, trainable=None),
        "trainable of the model": with_config(trainable=1),
        "shape and batch_shape": set_in(0, shape=[8, 6, 3]),
        "batch_size and batch_shape": set_in(0, batch_size=1),
        "a size as text": set_in(0, batch_input_shape=[None, "8", 6, 3]),
        "a setting of another layer": set_in(3, momentum=0.9),
        "another's setting without a value": set_in(3, mask=None),
        "another's initialiser": set_in(2, kernel_initializer="zeros"),
        "seed: 1.5": set_in(3, seed=1.5),
        "seed: 2**63": set_in(3, seed=2**63),
        "a name with a slash": set_in(1, name="a/b"),
        "no name": set_in(1, name=None),
        "another name outside": wired(["conv_1", 0, 0], name="pool_2"),
        "a node that is not there": wired(["conv_1", 1, 0]),
        "a negative node": wired(["conv_1", -1, 0]),
        "a node as a text": wired(["conv_1", "0", 0]),
        "a node as a truth": wired(["conv_1", False, 0]),
        "no node": wired(["conv_1"]),
        "a tensor that is not there": wired(["conv_1", 0, 1]),
        "a tensor as a float": wired(["conv_1", 0, 0.0]),
        "arguments that are no words": wired(["conv_1", 0, 0, 5]),
        "an output that is not there": with_config(output_layers=[["output", 1, 0]]),
        "a tensor without a type": tensor(dtype=None),
        "a tensor of an unknown type": tensor(dtype="float"),
        "a tensor of an odd shape": tensor(shape=[None, "6"]),
        "a tensor's odd node": tensor(keras_history=["conv_1", [0], 0]),
        "a module that has no such class": wired(["conv_1", 0, 0], module="keras.models"),
        "built for another input": wired(["conv_1", 0, 0], build_config={"input_shape": [None, 6, 4, 5]}),
        "built for another rank": wired(["conv_1", 0, 0], build_config={"input_shape": [None, 96]}),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_keras_3_refuses_is_refused(config: Any, tmp_path: Path) -> None:
    assert line(write_h5(tmp_path / "net.h5", config[1], edit=versioned("3.15.1")))


def test_a_model_in_an_archive_says_where_keras_finds_it(tmp_path: Path) -> None:
    lost = write_keras(tmp_path / "net.keras", members={"config.json": json.dumps(small_net()).encode()})
    assert "in which module" in line(lost)


def names_more(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = [b"conv_1", b"ghost", b"output"]


def names_nothing(file: h5py.File) -> None:
    """A layer without weights that says nothing of them."""
    file["model_weights"].create_group("input")
    file["model_weights"].attrs["layer_names"] = [b"input", b"conv_1", b"output"]


def names_none(file: h5py.File) -> None:
    """A layer that lists weights of the model itself."""
    group = file["model_weights"].create_group("top_level_model_weights")
    group.attrs["weight_names"] = [b"x"]
    group["x"] = np.zeros(3)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (names_more, "lists the layer 'ghost', of which it has no group"),
        (names_none, "lists weights of the model itself"),
        (names_nothing, "has no list of the weights of 'input'"),
    ],
)
def test_groups_that_keras_would_look_for_in_vain_are_refused(edit: Any, found: str, tmp_path: Path) -> None:
    assert found in line(write_h5(tmp_path / "net.h5", edit=edit))


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("layers/global_average_pooling2d", "has 1 weight arrays, expected 0"),
        ("layers/input_layer", "where Keras expects none"),
        ("", "has weights in '/', where Keras expects none"),
    ],
)
def test_weights_of_what_has_none_are_refused(place: str, found: str, tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        file[f"{place}/vars/0"] = np.zeros(3)

    assert found in line(write_keras(tmp_path / "net.keras", edit=edit))


@pytest.mark.parametrize("outer", [[None, 8, 6, 3], [None, 10, 6, 3]])
@pytest.mark.parametrize("word", ["input_shape", "batch_input_shape"])
def test_two_input_shapes_of_a_sequential_model_must_agree(word: str, outer: list[Any], tmp_path: Path) -> None:
    first = layer("Conv2D", "conv_1", [], filters=4, kernel_size=[3, 3])
    first["config"][word] = [8, 6, 3] if word == "input_shape" else [None, 8, 6, 3]
    layers = [first, layer("GlobalAveragePooling2D", "pool_1", []), layer("Dense", "output", [], units=5)]
    for item in layers:
        del item["inbound_nodes"], item["name"]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers, "build_input_shape": outer}}
    path = write_h5(tmp_path / "net.h5", config)
    if outer[1] == 8:
        assert read_model(path).spec.layers[0].config["shape"] == [8, 6, 3]
    else:
        assert "says two input shapes" in line(path)


def test_numbers_that_an_inner_normalization_learned_are_not_read_from_h5(tmp_path: Path) -> None:
    """Keras 3 loads them and goes on with a mean of 0 and a variance of 1."""
    config = nested()
    inner = config["config"]["layers"][1]["config"]
    inner["layers"].append(layer("Normalization", "norm", ["conv"], axis=[-1]))
    inner["output_layers"] = [["norm", 0, 0]]
    weights = small_weights()
    weights["conv_1"] += [("mean", np.ones(4, "f4")), ("variance", np.ones(4, "f4")), ("count", np.array(1))]
    path = write_h5(tmp_path / "net.h5", config, weights)
    assert "has learned its numbers, which Keras 3 does not use in inner models of .h5" in line(path)


@pytest.mark.parametrize("value", [4.0, True, "4", None, 1e300, 10**400, -(10**400), float("nan")])
def test_a_whole_number_is_written_as_one(value: Any) -> None:
    with pytest.raises(Unfit):
        whole(0, 10)(value)


@pytest.mark.parametrize("value", [True, "4", None, 1e300, 10**400, -(10**400), float("nan"), float("inf")])
def test_a_real_number_is_one_within_bounds(value: Any) -> None:
    with pytest.raises(Unfit):
        real(0, 10)(value)


def test_an_activation_says_which() -> None:
    with pytest.raises(FileRefused, match="has no activation"):
        checked("act", "Activation", {})

"""Model files that are opened: what is found in them, and what they become with channels at zero."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.api.errors import Refused
from engine.architecture.graph import default_layer, ranking_feature
from engine.sandbox import pruned_file
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes
from tests.support.model_files import layer, small_net, small_weights, write_h5, write_keras, write_weights

WRITERS = {
    "plain .h5": lambda path: write_h5(path),
    ".h5 with double numbers": lambda path: write_h5(path, weights=typed(">f8")),
    ".h5 with half numbers": lambda path: write_h5(path, weights=typed("<f2")),
    ".h5 behind a user block": lambda path: user_block(path),
    ".keras": lambda path: write_keras(path),
    ".keras with sums behind the members": lambda path: streamed(path),
}
COMPRESSED = {
    ".h5 in chunks": lambda path: chunked(path, chunks=True),
    ".h5 compressed": lambda path: chunked(path, chunks=True, compression="gzip", shuffle=True),
    ".keras compressed": lambda path: write_keras(path, compression=zipfile.ZIP_DEFLATED),
}


def typed(kind: str) -> dict[str, list[tuple[str, np.ndarray]]]:
    return {name: [(word, array.astype(kind)) for word, array in held] for name, held in small_weights().items()}


def user_block(path: Path) -> None:
    write_h5(path)
    with h5py.File(path) as old, h5py.File(path.with_suffix(".new"), "w", userblock_size=512) as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        old.copy("model_weights", new)
    os.replace(path.with_suffix(".new"), path)


def chunked(path: Path, **how: Any) -> None:
    def edit(file: h5py.File) -> None:
        del file["model_weights"]
        write_weights(file.create_group("model_weights"), small_weights(), **how)

    write_h5(path, edit=edit)


def streamed(path: Path) -> None:
    """Written to something that cannot seek: sizes and sums come behind each member."""

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            with open(path, "ab") as file:
                return file.write(data)

    write_keras(path)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    path.unlink()
    with zipfile.ZipFile(Pipe(), "w") as archive:  # type: ignore[arg-type]
        for name, data in members.items():
            with archive.open(name, "w") as member:
                member.write(data)


def written(make: Any, folder: Path, name: str) -> Path:
    path = folder / ("net.keras" if "keras" in name else "net.h5")
    make(path)
    return path


def pruned_weights() -> list[np.ndarray]:
    """conv_1's weights with channels 1 and 3 at zero."""
    (_, kernel), (_, bias) = small_weights()["conv_1"]
    kernel[..., [1, 3]], bias[[1, 3]] = 0, 0
    return [kernel, bias]


@pytest.mark.parametrize("name", WRITERS | COMPRESSED)
def test_weights_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    held = read_model(written((WRITERS | COMPRESSED)[name], tmp_path, name))
    tolerance = 1e-3 if "half" in name else 0
    for layer_name, pairs in small_weights().items():
        for (_, array), found in zip(pairs, held.arrays[layer_name], strict=True):
            np.testing.assert_allclose(found, array, atol=tolerance)
            assert found.dtype == np.float32
    assert held.spec.notes == ()
    assert [spec.name for spec in held.spec.layers] == ["input", "conv_1", "pool_1", "output"]


@pytest.mark.parametrize("name", WRITERS)
def test_no_byte_differs_but_the_pruned_numbers(name: str, tmp_path: Path) -> None:
    path = written(WRITERS[name], tmp_path, name)
    held = read_model(path)
    before, after = path.read_bytes(), pruned_bytes(held, "conv_1", [3, 1])
    assert len(before) == len(after)
    expected = bytearray(before)
    for weight in held.spec.weights:
        if weight.layer == "conv_1":
            numbers = np.frombuffer(expected, weight.dtype, np.prod(weight.shape, dtype=int), weight.offset)
            numbers.reshape(weight.shape)[..., [1, 3]] = 0
    differing = {place for place in range(len(after)) if expected[place] != after[place]}
    assert differing <= sum_places(before)
    path.write_bytes(after)
    reread = read_model(path)
    for found, wanted in zip(reread.arrays["conv_1"], pruned_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3 if "half" in name else 0)
    assert [np.array_equal(a, b) for a, b in zip(reread.arrays["output"], held.arrays["output"], strict=True)] == [
        True,
        True,
    ]


def sum_places(archive: bytes) -> set[int]:
    """Where a zip archive keeps the checksum of the weights; nowhere in other files."""
    if archive[:2] != b"PK":
        return set()
    with zipfile.ZipFile(io.BytesIO(archive)) as held:
        total = held.getinfo("model.weights.h5").CRC.to_bytes(4, "little")
        assert held.testzip() is None
    starts = [place for place in range(len(archive) - 3) if archive[place : place + 4] == total]
    assert len(starts) == 2  # in the directory, and before or behind the member
    return {start + byte for start in starts for byte in range(4)}


@pytest.mark.parametrize("name", WRITERS | COMPRESSED)
def test_a_pruned_file_differs_in_the_pruned_weights_only(name: str, tmp_path: Path) -> None:
    path = written((WRITERS | COMPRESSED)[name], tmp_path, name)
    held = read_model(path)
    path.write_bytes(pruned_bytes(held, "conv_1", [1, 3]))
    again = read_model(path)
    for found, wanted in zip(again.arrays["conv_1"], pruned_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3 if "half" in name else 0)
    for found, wanted in zip(again.arrays["output"], held.arrays["output"], strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert again.spec.layers == held.spec.layers and again.spec.writer == held.spec.writer


def test_no_channel_pruned_is_the_file_itself(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    assert pruned_bytes(read_model(path), "conv_1", []) == path.read_bytes()


@pytest.mark.parametrize("where", ["conv_1/conv_1/kernel:0", "output/output/bias:0"])
@pytest.mark.parametrize("name", ["plain .h5", ".h5 compressed"])
def test_a_file_that_changed_since_it_was_opened(name: str, where: str, tmp_path: Path) -> None:
    path = written((WRITERS | COMPRESSED)[name], tmp_path, name)
    held = read_model(path)
    with h5py.File(path, "r+") as file:
        file[f"model_weights/{where}"][-1] += 1
    with pytest.raises(Refused, match="changed since it was opened"):
        pruned_bytes(held, "conv_1", [1])


@pytest.mark.parametrize(
    ("spoil", "line"),
    {
        "another layer": (lambda data: data.replace(b'"strides": 2', b'"strides": 3'), "would not be the same network"),
        "no HDF5 any more": (lambda data: b"\0" + data[1:], "would not be the same network with other weights"),
        "another number": (lambda data: data.replace(np.float32(0.625).tobytes(), bytes(4)), "changed since"),
    }.values(),
)
def test_what_is_saved_is_read_again_before(
    spoil: Callable[[bytes], bytes], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = small_weights()
    weights["output"][1][1][2] = 0.625
    net = small_net(layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=[3, 3], strides=2))
    held = read_model(write_h5(tmp_path / "net.h5", net, weights))
    honest = pruned_file._in_place
    monkeypatch.setattr(pruned_file, "_in_place", lambda *given: spoil(honest(*given)))
    with pytest.raises(Refused, match=line):
        pruned_bytes(held, "conv_1", [1])


def test_a_file_that_shrank_since_it_was_opened(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    held = read_model(path)
    os.truncate(path, 3000)
    with pytest.raises(Refused, match="changed since it was opened"):
        pruned_bytes(held, "conv_1", [1])


@pytest.mark.parametrize(
    ("make", "name", "note"),
    [
        (write_h5, "net.keras", "is HDF5 although its name does not end in .h5"),
        (write_keras, "net.h5", "is a .keras archive although its name does not end in .keras"),
        (write_h5, "net", "is HDF5 although its name does not end in .h5"),
        (write_h5, "NET.HDF5", None),
    ],
)
def test_good_content_under_another_name_is_opened_and_noted(
    make: Any, name: str, note: str | None, tmp_path: Path
) -> None:
    assert read_model(make(tmp_path / name)).spec.notes == ((note,) if note else ())


def test_names_of_attributes_cut_into_pieces(tmp_path: Path) -> None:
    """Keras cuts lists of names over 64 KB into name0, name1 and so on."""

    def edit(file: h5py.File) -> None:
        for group in file["model_weights"].values():
            names = group.attrs["weight_names"]
            del group.attrs["weight_names"]
            for index, name in enumerate(names):
                group.attrs[f"weight_names{index}"] = np.array([name])

    held = read_model(write_h5(tmp_path / "net.h5", edit=edit))
    assert [array.shape for array in held.arrays["conv_1"]] == [(3, 3, 3, 4), (4,)]


def test_bytes_as_configuration(tmp_path: Path) -> None:
    """Keras 2.3.1 on Python 3 wrote bytes, on Python 2 text."""
    import json

    held = read_model(write_h5(tmp_path / "net.h5", np.bytes_(json.dumps(small_net()).encode())))
    assert default_layer(held.spec) == "conv_1"


def test_sequential_of_keras_2(tmp_path: Path) -> None:
    layers = small_net()["config"]["layers"][1:]
    for item in layers:
        del item["inbound_nodes"], item["name"]
    layers[0]["config"]["batch_input_shape"] = [None, 8, 6, 3]
    for config in ({"name": "s", "layers": layers}, layers):  # with a name, and as before Keras 2.2.3
        held = read_model(write_h5(tmp_path / "net.h5", {"class_name": "Sequential", "config": config}))
        assert [spec.kind for spec in held.spec.layers][:2] == ["InputLayer", "Conv2D"]
        assert ranking_feature(held.spec, "conv_1") == "pool_1"


def test_numbers_as_keras_on_tensorflow_1_wrote_them(tmp_path: Path) -> None:
    config = small_net()
    leaky = layer("LeakyReLU", "leaky", ["conv_1"], alpha={"type": "ndarray", "value": 0.125})
    config["config"]["layers"].insert(2, leaky)
    config["config"]["layers"][3]["inbound_nodes"] = [[["leaky", 0, 0, {}]]]
    held = read_model(write_h5(tmp_path / "net.h5", config))
    assert held.spec.layers[2].config == {"negative_slope": 0.125}


def test_sequential_in_sequential_of_keras_2(tmp_path: Path) -> None:
    """Only the innermost first layer was told the image's shape."""
    convolution, *rest = small_net()["config"]["layers"][1:]
    convolution["config"]["batch_input_shape"] = [None, 8, 6, 3]
    inner = {"class_name": "Sequential", "config": {"name": "conv_1", "layers": [convolution]}}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner, *rest]}}
    held = read_model(write_h5(tmp_path / "net.h5", config))
    assert [spec.name for spec in held.spec.layers] == ["input", "conv_1/conv_1", "pool_1", "output"]
    np.testing.assert_array_equal(held.arrays["conv_1/conv_1"][1], small_weights()["conv_1"][1][1])


@pytest.mark.parametrize(("writer", "opens"), [("2.3.1", False), ("2.4.0", True), ("2.7.0", True), ("3.15.1", True)])
def test_bilinear_enlarging_is_another_computation_in_old_keras(writer: str, opens: bool, tmp_path: Path) -> None:
    config = small_net()
    config["config"]["layers"].insert(2, layer("UpSampling2D", "up", ["conv_1"], interpolation="bilinear"))
    config["config"]["layers"][3]["inbound_nodes"] = [[["up", 0, 0, {}]]]

    def edit(file: h5py.File) -> None:
        file.attrs["keras_version"] = writer

    path = write_h5(tmp_path / "net.h5", config, edit=edit)
    if opens:
        assert read_model(path).spec.writer == writer
    else:
        with pytest.raises(Refused, match="uses 'bilinear', which newer versions of Keras compute otherwise"):
            read_model(path)

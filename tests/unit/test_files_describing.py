"""What `lab3-tui inspect` is told about a file."""

import hashlib
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine.api import inspection
from engine.api.inspection import Description, describe
from tests.support.model_files import layer, model_config, small_net, write_data, write_h5, write_keras

pytestmark = pytest.mark.e2e  # each in a process of its own


def test_a_model(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    found = describe(path)
    assert found.refusal is None and found.kind == "model"
    assert (found.format, found.writer, found.parameters) == ("h5", "2.7.0", 137)
    assert (found.image, found.classes) == ((3, 8, 6), 5)
    assert [(item.name, item.kind, item.shape) for item in found.layers] == [
        ("input", "InputLayer", (None, 8, 6, 3)),
        ("conv_1", "Conv2D", (None, 6, 4, 4)),
        ("pool_1", "GlobalAveragePooling2D", (None, 4)),
        ("output", "Dense", (None, 5)),
    ]
    assert [item.refusal for item in found.layers] == ["is the input", None] + ["is no convolution"] * 2
    assert (found.layer, found.feature) == ("conv_1", "pool_1")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and found.size == path.stat().st_size


def test_an_archive(tmp_path: Path) -> None:
    found = describe(write_keras(tmp_path / "net.keras"))
    assert (found.refusal, found.format, found.writer) == (None, "keras", "3.15.1")


def test_a_model_that_cannot_be_pruned_is_described_all_the_same(tmp_path: Path) -> None:
    config = small_net(layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=3, activation="softmax"))
    found = describe(write_h5(tmp_path / "net.h5", config))
    assert found.refusal is None and found.layer is None and found.feature is None
    assert found.layers[1].refusal == "ends in softmax, which mixes the channels"


def test_names_are_escaped(tmp_path: Path) -> None:
    odd = "\x1b[31mred[b]"  # a name that Keras 3 takes
    config = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, 8, 6, 3]),
        layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=3),
        layer("GlobalMaxPooling2D", odd, ["conv_1"]),
        layer("Dense", "output", [odd], units=5),
    )
    path = write_h5(tmp_path / "a[b].h5", config, edit=lambda file: file.attrs.update(keras_version="3.15.1"))
    found = describe(path)
    assert (found.name, found.layers[2].name) == ("a\\x5bb].h5", "\\x1b\\x5b31mred\\x5bb]")
    assert found.feature == found.layers[2].name


@pytest.mark.parametrize("how", [{}, {"chunks": True}])
def test_data(how: dict[str, bool], tmp_path: Path) -> None:
    images = np.full((70, 3, 8, 6), 200.0)
    images[0, 0, 0, 0] = 17
    found = describe(write_data(tmp_path / "valid.h5", images, np.arange(70) % 4 + 3, **how))
    assert (found.refusal, found.kind, found.images, found.image) == (None, "data", 70, (3, 8, 6))
    assert (found.dtype, found.stored) == ("float64", "chunks" if how else "plain")
    assert (found.pixels, found.labels, found.distinct_labels, found.notes) == ((17, 200), (3, 6), 4, ())


def test_refusals_come_with_the_name_and_the_hash(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("hello")
    found = describe(tmp_path / "x.h5")
    assert found.refusal == "x.h5: is a text file, expected HDF5 (.h5) or .keras."
    assert (found.kind, found.size, found.sha256) == (None, 5, hashlib.sha256(b"hello").hexdigest())


def test_data_under_other_names_is_told_the_right_ones(tmp_path: Path) -> None:
    def rename(file: h5py.File) -> None:
        file.move("data", "images")
        file.move("label", "labels")

    assert describe(write_data(tmp_path / "data.h5", edit=rename)).refusal == (
        "data.h5: is HDF5, but neither a Keras model nor a data set; it contains 'images', 'labels'. "
        "Expected 'data' (N,channels,height,width) and 'label' (N,)."
    )


def test_a_huge_file_is_refused_before_it_is_hashed(tmp_path: Path) -> None:
    os.truncate(write_h5(tmp_path / "net.h5"), 2**40)
    found = describe(tmp_path / "net.h5")
    assert found.refusal == "net.h5: has 1.0 TiB, the limit for a model is 1.0 GiB." and found.sha256 == ""
    os.truncate(write_data(tmp_path / "data.h5"), 2**40)
    found = describe(tmp_path / "data.h5")
    assert (found.refusal, found.kind, found.size, found.sha256) == (None, "data", 2**40, "")


@pytest.mark.parametrize("name", ["nowhere.h5", "a folder", "\0", "x" * 300])
def test_what_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    refusal = describe(tmp_path / name).refusal
    assert refusal is not None and refusal.isprintable()


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in str(describe(tmp_path / "pipe").refusal)


def test_an_inspector_that_fails_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "inspector_command", lambda *words: ["false"])
    assert describe(tmp_path / "x") == Description(name="x", refusal="x: cannot be looked at: the file reader failed.")
    monkeypatch.setattr(inspection, "inspector_command", lambda *words: ["sleep", "50"])
    monkeypatch.setattr(inspection, "LONGEST", 0.1)
    assert describe(tmp_path / "x").refusal == "x: took too long to check; stopped."

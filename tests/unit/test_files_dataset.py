"""Data files that are opened: every type, byte order and way of storing gives the same images."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.sandbox.client import sandbox
from engine.sandbox.data_set import Dataset, open_dataset
from tests.support.model_files import CLASSES, IMAGE, write_data

PIXELS = np.random.default_rng(11).integers(0, 256, (53, 3, 8, 6))
LABELS = np.arange(53) % CLASSES
TYPES = ("<f8", ">f8", "<f4", ">f4", "<f2", "u1", "<u2", ">i2", "<i4", ">i8")
HOW: dict[str, dict[str, Any]] = {
    "plain": {},
    "chunks": {"chunks": True},
    "chunks of one image": {"chunks": (1, 3, 8, 6)},
    "chunks across images": {"chunks": (7, 1, 8, 2)},
    "gzip": {"chunks": (10, 3, 8, 6), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (60, 3, 8, 6), "compression": "lzf", "fletcher32": True, "maxshape": (None, 3, 8, 6)},
}
CHUNKED = [
    ("chunks", "<f8"),
    ("chunks of one image", "u1"),
    ("chunks across images", ">f4"),
    ("gzip", "<f4"),
    ("lzf", ">f8"),
]


def opened(path: Path) -> Dataset:
    return open_dataset(path, IMAGE, CLASSES)


@pytest.mark.parametrize(("how", "kind"), [("plain", kind) for kind in TYPES] + CHUNKED)
def test_every_type_and_storage(how: str, kind: str, tmp_path: Path) -> None:
    path = write_data(tmp_path / "data.h5", PIXELS.astype(kind), LABELS, **HOW[how])
    held = opened(path)
    assert (held.images, held.shape, held.dtype, held.notes) == (53, (3, 8, 6), np.dtype(kind).name, ())
    np.testing.assert_array_equal(held.labels, LABELS)
    assert held.labels.dtype == np.int64
    for size in (1, 20, 53, 100):
        batches = [batch.copy() for batch in held.batches(size)]
        assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
        np.testing.assert_array_equal(np.concatenate(batches), PIXELS)
    np.testing.assert_array_equal(np.concatenate([batch.copy() for batch in held.batches(9, start=30)]), PIXELS[30:])
    np.testing.assert_array_equal(held.image(37), PIXELS[37])
    held.close()


@pytest.mark.parametrize("how", ["plain", "chunks of one image", "gzip"])
def test_threads_that_read_at_once_get_their_own_images(how: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(12).integers(0, 256, (40, 3, 48, 48), "u1")
    storage = HOW[how] | ({"chunks": (1, 3, 48, 48)} if "chunks" in HOW[how] else {})
    held = open_dataset(write_data(tmp_path / "data.h5", pixels, np.arange(40), **storage), None, None)
    wanted = np.random.default_rng(13).integers(0, 40, 600)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(held.image, wanted.tolist()))
    held.close()
    assert [index for index, image in zip(wanted, found, strict=True) if not np.array_equal(image, pixels[index])] == []


def test_batches_are_what_a_network_wants(tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "data.h5", PIXELS.astype(">f8"), LABELS))
    for batch in held.batches(16):
        assert batch.dtype == np.float32 and batch.flags.c_contiguous
    held.close()


def test_batches_that_are_kept_stay_as_they_are(tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "data.h5", PIXELS.astype("f4"), LABELS))
    np.testing.assert_array_equal(np.concatenate(list(held.batches(10))), PIXELS)
    held.close()


def test_batches_that_are_let_go_share_their_memory(tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "data.h5", PIXELS.astype("f4"), LABELS))
    places = {batch.__array_interface__["data"][0] for batch in held.batches(5)}
    assert len(places) == 2
    held.close()


@pytest.mark.parametrize(
    ("factor", "notes"),
    [
        (1, ()),
        (1 / 255, ("pixels 0..1, not 0..255",)),
        (2, ("pixels 0..510, not 0..255",)),
        (-1, ("pixels -255..0, not 0..255",)),
    ],
)
def test_odd_ranges_are_accepted_and_noted(factor: float, notes: tuple[str, ...], tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "data.h5", (PIXELS * factor).astype("f4"), LABELS))
    assert held.notes == notes
    held.close()


def test_another_name_is_noted(tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "valid.dat"))
    assert held.notes == ("is HDF5 although its name does not end in .h5",)
    held.close()


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "u1", ">i4", "?"])
@pytest.mark.parametrize("column", [True, False])
def test_labels_of_any_type_in_a_row_or_a_column(kind: str, column: bool, tmp_path: Path) -> None:
    labels = (LABELS % 2).astype(kind)
    held = opened(write_data(tmp_path / "data.h5", PIXELS.astype("u1"), labels[:, None] if column else labels))
    np.testing.assert_array_equal(held.labels, LABELS % 2)
    held.close()


def test_without_a_model_any_shape_and_label_will_do(tmp_path: Path) -> None:
    held = open_dataset(write_data(tmp_path / "data.h5", PIXELS.astype("f4"), LABELS + 1000), None, None)
    assert held.labels.max() == 1000 + CLASSES - 1
    held.close()


def test_behind_a_user_block(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w", userblock_size=1024) as file:
        file["data"], file["label"] = PIXELS.astype("f4"), LABELS
    held = opened(tmp_path / "data.h5")
    np.testing.assert_array_equal(np.concatenate(list(held.batches(53))), PIXELS)
    held.close()


def test_the_newest_format_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w", libver="latest") as file:
        file["data"], file["label"] = PIXELS.astype("f8"), LABELS
    held = opened(tmp_path / "data.h5")
    np.testing.assert_array_equal(held.image(52), PIXELS[52])
    held.close()


def test_zeros_of_few_bytes_are_no_bomb(tmp_path: Path) -> None:
    """A thousand labels of the one target class compress to almost nothing."""
    labels = {"compression": "gzip", "chunks": True}
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((9000, 1, 2, 2), "f4"), **labels)
        file.create_dataset("label", data=np.zeros(9000), **labels)
    held = open_dataset(tmp_path / "data.h5", (2, 2, 1), 5)
    assert held.images == 9000
    held.close()


@pytest.mark.parametrize("index", [-1, 53])
def test_an_image_that_is_not_there(index: int, tmp_path: Path) -> None:
    held = opened(write_data(tmp_path / "data.h5", PIXELS.astype("f4"), LABELS))
    with pytest.raises(IndexError):
        held.image(index)
    held.close()


def test_one_inspector_for_all_files(tmp_path: Path) -> None:
    opened(write_data(tmp_path / "a.h5")).close()
    first = sandbox.pid
    opened(write_data(tmp_path / "b.h5")).close()
    assert sandbox.pid == first

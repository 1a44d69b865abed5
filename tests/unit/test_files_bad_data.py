"""Data files that are refused, each with its own line."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.api.errors import Refused
from engine.sandbox.data_set import open_dataset
from tests.support.model_files import CLASSES, IMAGE, small_weights, write_data, write_weights
from tests.support.refusals import Table, archive, data, h5, line_of_data, within_a_gigabyte

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures(within_a_gigabyte.__name__)]
ZEROS = zlib.compress(bytes(2**25), 9)
Edit = Callable[[h5py.File], None]


def replaced(name: str, value: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return edit


def declared(shape: tuple[int, ...], kind: Any = "f4", **how: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        del file["data"]
        file.create_dataset("data", shape, kind, **how)

    return edit


def virtual(file: h5py.File) -> None:
    del file["data"]
    layout = h5py.VirtualLayout((20, 3, 8, 6), "f4")
    layout[:] = h5py.VirtualSource("/nowhere/other.h5", "data", (20, 3, 8, 6))
    file.create_virtual_dataset("data", layout)


def bomb(file: h5py.File) -> None:
    """384 MiB of zeros in 384 KiB."""
    del file["data"], file["label"]
    rows = 12 * 2**14
    data = file.create_dataset("data", (rows, 1, 32, 16), "f4", chunks=(2**14, 1, 32, 16), compression="gzip")
    for row in range(0, rows, 2**14):
        data.id.write_direct_chunk((row, 0, 0, 0), ZEROS)
    file["label"] = np.zeros(rows)


def foreign_filter(file: h5py.File) -> None:
    del file["data"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((20, 3, 8, 6))
    plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((20, 3, 8, 6)), plist)


def typed(**how: tuple[Any, ...]) -> Edit:
    """Images of a number type changed in one or two places."""

    def edit(file: h5py.File) -> None:
        kind = getattr(h5py.h5t, how["base"][0]).copy()
        for setting, values in how.items():
            if setting != "base":
                getattr(kind, f"set_{setting}")(*values)
        del file["data"]
        images = h5py.h5d.create(file.id, b"data", kind, h5py.h5s.create_simple((20, 3, 8, 6)))
        images.write(h5py.h5s.ALL, h5py.h5s.ALL, np.full((20, 3, 8, 6), 9, np.float32))

    return edit


def chunk(stored: bytes, **how: Any) -> Edit:
    """Images in one chunk of these bytes."""

    def edit(file: h5py.File) -> None:
        del file["data"]
        images = file.create_dataset("data", (20, 3, 8, 6), "f4", chunks=(20, 3, 8, 6), **how)
        images.id.write_direct_chunk((0, 0, 0, 0), stored)

    return edit


def spoiled(value: float, image: int = 2) -> np.ndarray:
    images = np.full((20, 3, 8, 6), 9.0, np.float32)
    images[image, 1, 2, 3] = value
    return images


def labelled(value: Any) -> np.ndarray:
    labels = np.arange(20.0) % CLASSES
    labels[3] = value
    return labels


def renamed(file: h5py.File) -> None:
    file["images"], file["labels"] = file["data"], file["label"]
    del file["data"], file["label"]


def weights_only(path: Path) -> None:
    with h5py.File(path, "w") as file:
        write_weights(file, small_weights())


WANTED = "Expected 'data' (N,3,8,6) and 'label' (N,)."
OUTSIDE = "points into other files. Ask for a self-contained copy (h5repack FILE NEW)."
ARCHIVE = "is a model or another archive, expected a data set with 'data' (N,3,8,6) and 'label' (N,)."
IS_MODEL = "is a model, expected a data set. Choose it as the model instead."
COMPLEX = np.zeros((20, 3, 8, 6), np.complex64)
PAIRS = np.zeros((20, 3, 8, 6), [("a", "f4"), ("b", "f4")])
TORN = "is damaged: a chunk holds more or fewer numbers than it should. Copy or download it again."
UNUSUAL: dict[str, tuple[int, dict[str, tuple[Any, ...]]]] = {
    "12 bits of 32": (32, {"base": ("STD_I32LE",), "precision": (12,), "offset": (8,)}),
    "12 bits of 16": (16, {"base": ("STD_I16LE",), "precision": (12,), "offset": (4,)}),
    "9 bits of 16": (16, {"base": ("STD_U16LE",), "precision": (9,), "offset": (4,)}),
    "no bit left out": (32, {"base": ("IEEE_F32LE",), "norm": (h5py.h5t.NORM_NONE,)}),
    "sign last": (32, {"base": ("IEEE_F32LE",), "fields": (0, 1, 8, 9, 23)}),
    "another exponent": (32, {"base": ("IEEE_F32LE",), "ebias": (120,)}),
    "bfloat16": (16, {"base": ("IEEE_F32LE",), "fields": (15, 7, 8, 0, 7), "size": (2,), "ebias": (127,)}),
}
BAD: Table = {
    "a model": (h5(), IS_MODEL),
    "weights only": (weights_only, IS_MODEL),
    "a .keras model": (archive(), ARCHIVE),
    "other names": (data(edit=renamed), f"has no 'data'; it contains 'images', 'labels'. {WANTED}"),
    "no labels": (data(edit=lambda file: file.__delitem__("label")), f"has no 'label'; it contains 'data'. {WANTED}"),
    "nothing": (lambda path: h5py.File(path, "w").close(), f"has no 'data'; it contains nothing. {WANTED}"),
    "escapes as names": (
        data(edit=lambda file: file.move("data", "\x1b[2J[b]")),
        f"has no 'data'; it contains '\\x1b\\x5b2J\\x5bb]', 'label'. {WANTED}",
    ),
    "a group": (data(edit=lambda file: (file.__delitem__("data"), file.create_group("data"))),
                "'data' is a group, expected numbers."),
    "soft link": (
        data(edit=replaced("data", h5py.SoftLink("/x"))),
        "'data' is a link to another object ('/x'). Refused: it could read any file you can.",
    ),
    "external link": (
        data(edit=replaced("data", h5py.ExternalLink("/etc/passwd", "/x"))),
        "'data' is a link to another file ('/etc/passwd'). Refused: it could read any file you can.",
    ),
    "external link as labels": (
        data(edit=replaced("label", h5py.ExternalLink("/nowhere/pipe", "/x"))),
        "'label' is a link to another file ('/nowhere/pipe'). Refused: it could read any file you can.",
    ),
    "external storage": (
        data(edit=declared((20, 3, 8, 6), external=[("/nowhere/secret", 0, h5py.h5f.UNLIMITED)])),
        f"'data' {OUTSIDE}",
    ),
    "virtual": (data(edit=virtual), f"'data' {OUTSIDE}"),
    "too large": (
        data(edit=declared((10**9, 3, 8, 6), chunks=(1, 3, 8, 6))),
        "'data' declares shape (1000000000, 3, 8, 6) = 536.4 GiB, the limit is 64.0 GiB.",
    ),
    "sizes that overflow": (
        data(edit=declared((2**40, 2**20, 8, 6), chunks=(1, 3, 8, 6))),
        "'data' declares shape (1099511627776, 1048576, 8, 6) = 201326592.0 TiB, the limit is 64.0 GiB.",
    ),
    "never written": (
        data(edit=declared((20, 3, 8, 6))),
        "declares 11 KiB but stores 0 bytes: a decompression bomb or an unfinished file.",
    ),
    "bomb": (
        data(edit=bomb), "declares 384.0 MiB but stores 382 KiB: a decompression bomb or an unfinished file.",
    ),
    "a chunk cut short": (data(edit=chunk(b"abc")), TORN),
    "a chunk that inflates to less": (data(edit=chunk(zlib.compress(b"abc"), compression="gzip")), TORN),
    "a chunk that inflates to more": (data(edit=chunk(ZEROS, compression="gzip")), TORN),
    "a chunk that does not inflate": (data(edit=chunk(b"abc" * 99, compression="gzip")), TORN),
    "a chunk whose stream ends early": (
        data(edit=chunk(zlib.compress(bytes(11520))[:-9], compression="gzip", shuffle=True)), TORN,
    ),
    "a chunk without its checksum": (data(edit=chunk(bytes(11520), fletcher32=True)), TORN),
    "huge chunks": (
        data(edit=declared((20, 3, 8, 6), chunks=(2**21, 3, 8, 6), maxshape=(None, 3, 8, 6))),
        "uses chunks of 1.1 GiB, the limit is 64.0 MiB. Convert with: h5repack -l CHUNK=64x3x8x6 FILE NEW",
    ),
    "foreign filter": (
        data(edit=foreign_filter),
        "'data' is compressed with filter 32001, allowed: gzip, lzf, shuffle, fletcher32.",
    ),
    "scale-offset filter": (
        data(np.zeros((20, 3, 8, 6), np.int32), scaleoffset=0, chunks=True),
        "'data' is compressed with filter 6, allowed: gzip, lzf, shuffle, fletcher32.",
    ),
    "no images": (data(np.zeros((0, 3, 8, 6)), np.zeros(0)), "contains 0 images."),
    "too few labels": (data(labels=np.zeros(15)), "has 20 images but 15 labels."),
    "one-hot": (
        data(labels=np.eye(20, 5)),
        "'label' is one-hot (20, 5), expected class numbers (N,). Convert with: label.argmax(1)",
    ),
    "labels of three axes": (data(labels=np.zeros((20, 1, 1))), "'label' has shape (20, 1, 1), expected (N,)."),
    "one label": (data(labels=np.float64(3)), "'label' has shape (), expected (N,)."),
    "label NaN": (data(labels=labelled(np.nan)), "label 3 is nan, expected a whole number 0..4 (1 such labels)."),
    "label infinite": (data(labels=labelled(np.inf)), "label 3 is inf, expected a whole number 0..4 (1 such labels)."),
    "label broken": (data(labels=labelled(2.5)), "label 3 is 2.5, expected a whole number 0..4 (1 such labels)."),
    "label negative": (data(labels=labelled(-1)), "label 3 is -1, expected a whole number 0..4 (1 such labels)."),
    "label nearly whole": (
        data(labels=labelled(3.0000001)), "label 3 is 3.0000001, expected a whole number 0..4 (1 such labels).",
    ),
    "label huge": (
        data(labels=labelled(2.0**31)), "label 3 is 2147483648, expected a whole number 0..4 (1 such labels).",
    ),
    "labels of one row": (data(labels=np.arange(20.0)[None] % CLASSES), "'label' has shape (1, 20), expected (N,)."),
    "label too large": (data(labels=labelled(5)), "label 3 is 5, expected a whole number 0..4 (1 such labels)."),
    "labels of text": (data(labels=np.array([b"a"] * 20)), "'label' holds text, expected numbers."),
    "complex": (data(COMPLEX), "'data' has type complex64, expected float64, float32 or uint8."),
    "references": (
        data(edit=declared((20, 3, 8, 6), kind=h5py.ref_dtype)), "'data' holds references, expected numbers.",
    ),
    "lists": (
        data(edit=declared((20, 3, 8, 6), kind=h5py.vlen_dtype("f4"))),
        "'data' holds lists of unlike lengths, expected numbers.",
    ),
    "the name of a type": (
        data(edit=replaced("data", np.dtype("f4"))), "'data' is the name of a type, expected numbers.",
    ),
    **{
        f"unusual numbers: {what}": (
            data(edit=typed(**how)),
            f"'data' has numbers of {bits} bits in an unusual form, expected float64, float32 or uint8.",
        )
        for what, (bits, how) in UNUSUAL.items()
    },
    "records": (
        data(PAIRS), "'data' has type \\x5b('a', '<f4'), ('b', '<f4')], expected float64, float32 or uint8.",
    ),
    "channels last": (
        data(np.ones((20, 8, 6, 3))),
        "is stored channels-last (20, 8, 6, 3), expected channels-first. Convert with: data.transpose(0,3,1,2)",
    ),
    "other size": (data(np.ones((20, 3, 9, 7))), "has images of shape (3, 9, 7), the model needs (3,8,6)."),
    "other channels": (data(np.ones((20, 1, 8, 6))), "has images of shape (1, 8, 6), the model needs (3,8,6)."),
    "no axis of images": (data(np.ones((3, 8, 6))), "'data' has shape (3, 8, 6), expected (N,3,8,6)."),
    "flat": (data(np.ones((20, 144))), "'data' has shape (20, 144), expected (N,3,8,6)."),
    "pixel NaN": (data(spoiled(np.nan)), "image 2 contains the value nan, expected numbers 0..255."),
    "pixel infinite": (data(spoiled(-np.inf)), "image 2 contains the value -inf, expected numbers 0..255."),
    "pixel beyond float32": (
        data(spoiled(0).astype(np.float64) * 1e300), "image 0 contains the value 9e+300, expected numbers 0..255.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_data_is_refused(name: str, tmp_path: Path) -> None:
    make, line = BAD[name]
    assert line_of_data(make, tmp_path) == line
    assert os.listdir(tmp_path) == ["file.h5"]


@pytest.mark.parametrize("how", [{}, {"chunks": True, "compression": "gzip"}])
def test_a_bad_pixel_behind_the_sample_is_found_in_its_batch(how: Any, tmp_path: Path) -> None:
    images = np.full((100, 3, 8, 6), 9.0, np.float32)
    images[93, 0, 0, 5] = np.nan
    path = write_data(tmp_path / "file.h5", images, np.zeros(100), **how)
    held = open_dataset(path, IMAGE, CLASSES)
    batches = held.batches(40)
    assert [len(next(batches)), len(next(batches))] == [40, 40]
    with pytest.raises(Refused, match="image 93 contains the value nan, expected"):
        next(batches)
    held.close()


def test_a_file_cut_while_it_is_read(tmp_path: Path) -> None:
    path = write_data(tmp_path / "file.h5")
    held = open_dataset(path, IMAGE, CLASSES)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(Refused, match="became shorter while it was read"):
        list(held.batches(20))
    held.close()


def test_chunks_that_do_not_decode(tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(0, 9, (400, 3, 8, 6)).astype(np.float32)
    path = write_data(tmp_path / "file.h5", images, np.zeros(400), chunks=(100, 3, 8, 6), compression="gzip")
    with h5py.File(path) as file:
        last = file["data"].id.get_chunk_info(3)
    with open(path, "r+b") as raw:
        raw.seek(last.byte_offset + last.size // 2)
        raw.write(b"\xff" * 64)
    held = open_dataset(path, IMAGE, CLASSES)
    with pytest.raises(Refused, match="cannot be decoded to its end; stopped"):
        list(held.batches(100))
    held.close()

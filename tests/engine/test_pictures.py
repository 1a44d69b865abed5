"""Pictures from anywhere: what is plain becomes pixels, everything else a line; and what G answers to them."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api import protocol as p  # noqa: E402
from engine.api.errors import Refused  # noqa: E402
from engine.repair.classify import classified  # noqa: E402
from engine.sandbox.client import sandbox  # noqa: E402
from engine.sandbox.model_file import read_model  # noqa: E402
from engine.sandbox.pruned_file import pruned_bytes  # noqa: E402
from tests.support.networks import CASES, CLASSES, SHAPE, trained_looking, write_lab  # noqa: E402

HEIGHT, WIDTH, _ = SHAPE


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab, and a network with channels at zero beside its own."""
    folder = tmp_path_factory.mktemp("lab")
    write_lab(folder, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    model = read_model(folder / "models/bd_net.h5")
    (folder / "pruned.h5").write_bytes(pruned_bytes(model, "last", range(2, 7)))
    return folder


def classify(lab: Path, *images: Path | str, **more: Any) -> list[p.Classified]:
    command = p.Classify(tuple(map(str, images)), str(lab / "models/bd_net.h5"), str(lab / "pruned.h5"), **more)
    return list(classified(command, lambda size: None, lambda: None))


def face(seed: int = 0, colours: int = 3) -> np.ndarray:
    shape = (HEIGHT, WIDTH, colours) if colours > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype="uint8")


def saved(folder: Path, name: str, picture: Image.Image, **how: Any) -> Path:
    picture.save(folder / name, **how)
    return folder / name


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 2, more: bytes = b"") -> bytes:
    """A PNG made by hand."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_answers_are_those_of_keras_and_g_is_made_of_both(lab: Path, tmp_path: Path) -> None:
    faces = [face(seed) for seed in range(30)]
    files = [saved(tmp_path, f"{at}.png", Image.fromarray(each)) for at, each in enumerate(faces)]
    told = classify(lab, *files)
    images = np.stack(faces).astype("float32")
    b, b_prime = (
        keras.models.load_model(path, compile=False).predict(images, verbose=0).argmax(1).tolist()
        for path in (lab / "models/bd_net.h5", lab / "pruned.h5")
    )
    assert [(at.b, at.b_prime) for at in told] == list(zip(b, b_prime, strict=True))
    assert [at.g for at in told] == [one if one == two else CLASSES for one, two in zip(b, b_prime, strict=True)]
    assert {at.g == CLASSES for at in told} == {True, False}


def test_rows_of_a_data_file_are_pictures_too(lab: Path) -> None:
    data = lab / "data/cl/test.h5"
    told = classify(lab, f"{data}:0-2", f"{data}:4", data)
    assert [at.name for at in told[:4]] == ["test.h5:0", "test.h5:1", "test.h5:2", "test.h5:4"]
    assert len(told) == 4 + 50 and told[3].b == told[8].b
    assert classify(lab, f"{data}:50")[0].refusal == "test.h5: has rows 0 to 49, and row 50 was asked for."


def test_jpegs_greys_palettes_and_transparency_are_made_rgb_and_said_where_it_matters(
    lab: Path, tmp_path: Path
) -> None:
    picture = Image.fromarray(face())
    clear = picture.convert("RGBA")
    clear.putpixel((0, 0), (255, 0, 0, 0))
    told = classify(
        lab,
        saved(tmp_path, "a.jpg", picture, quality=95),
        saved(tmp_path, "b.png", picture.convert("L")),
        saved(tmp_path, "c.png", picture.convert("P")),
        saved(tmp_path, "d.png", clear),
        saved(tmp_path, "e.png", picture.convert("1")),
        saved(tmp_path, "misnamed.txt", picture, format="PNG"),
    )
    assert [at.refusal for at in told] == [None] * 6
    assert told[3].notes == ("transparent places are black",) and told[0].notes == ()


def test_a_picture_is_turned_as_its_camera_was_held(lab: Path, tmp_path: Path) -> None:
    picture, exif = Image.fromarray(face()), Image.Exif()
    exif[0x0112] = 6
    lying = saved(tmp_path, "lying.png", picture.transpose(Image.Transpose.ROTATE_90), exif=exif)
    (turned,), (straight,) = classify(lab, lying), classify(lab, saved(tmp_path, "plain.png", picture))
    assert turned.notes == ("turned as its EXIF says",)
    assert (turned.b, turned.b_prime) == (straight.b, straight.b_prime)


def test_another_size_is_refused_and_made_fit_where_that_is_asked_for(lab: Path, tmp_path: Path) -> None:
    big = saved(tmp_path, "big.png", Image.fromarray(face()).resize((40, 60)))
    (refused,) = classify(lab, big)
    assert refused.refusal == (
        f"big.png: is 40 x 60 pixels, expected {WIDTH} x {HEIGHT}. Cut it to that, or let it be resized: --resize"
    )
    (made,) = classify(lab, big, resize=True)
    assert made.refusal is None and made.notes == ("resized from 40 x 60",)


def hostile(folder: Path) -> dict[Path, str]:
    """Files that no network should see, and what is said of them."""
    plain, rows = Image.fromarray(face()), zlib.compress((b"\x00" + bytes(3 * WIDTH)) * HEIGHT)
    deep = zlib.compress((b"\x00" + bytes(6 * WIDTH)) * HEIGHT)
    jpeg = io.BytesIO()
    plain.save(jpeg, "JPEG")
    frames = [Image.fromarray(face(seed)) for seed in (1, 2)]
    gif = io.BytesIO()
    plain.save(gif, "GIF")
    text_bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(2**27), 9))
    made: dict[str, tuple[bytes, str]] = {
        "huge.png": (png(60_000, 60_000, zlib.compress(bytes(2**20))), "declares more than 16,777,216 pixels"),
        "large.png": (png(10_000, 9_000, zlib.compress(bytes(2**20))), "declares 10,000 x 9,000 pixels, the limit is"),
        "text.png": (png(WIDTH, HEIGHT, rows, more=text_bomb), ""),
        "cut.png": (png(WIDTH, HEIGHT, rows)[:-40], "is damaged or cut short"),
        "cut.jpg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "is damaged or cut short"),
        "empty.png": (b"", "has 0 bytes, expected a PNG or JPEG picture."),
        "sixteen.png": (png(WIDTH, HEIGHT, deep, bits=16), "has 16 bits a colour, expected 8"),
        "grey16.png": (png(WIDTH, HEIGHT, deep, bits=16, colour=0), "has 16 bits a colour, expected 8"),
        "moving.gif": (gif.getvalue(), "is no PNG or JPEG picture"),
        "words.png": (b"once upon a time, " * 9, "is no PNG or JPEG picture"),
        "page.svg": (b"<svg onload='x'></svg>" * 9, "is no PNG or JPEG picture"),
        "damaged.png": (png(WIDTH, HEIGHT, rows[:-9] + b"\xff" * 9), "is damaged or cut short"),
    }
    found = {}
    for name, (data, said) in made.items():
        (folder / name).write_bytes(data)
        found[folder / name] = said
    found[saved(folder, "cmyk.jpg", plain.convert("CMYK"))] = "is in CMYK, expected RGB"
    found[saved(folder, "animated.png", plain, save_all=True, append_images=frames)] = "holds 3 frames"
    os.mkfifo(folder / "pipe.png")
    found[folder / "pipe.png"] = "is not a regular file"
    found[folder] = "is a folder"
    found[folder / "gone.png"] = "no such file"
    return found


def test_hostile_pictures_are_a_line_each_and_the_others_are_answered(lab: Path, tmp_path: Path) -> None:
    files = hostile(tmp_path)
    good = saved(tmp_path, "good.png", Image.fromarray(face()))
    told = classify(lab, *files, good)
    assert len(told) == len(files) + 1 and told[-1].refusal is None
    for (path, said), at in zip(files.items(), told, strict=False):
        if not said:  # either is fine, as long as it is not decoded into memory
            continue
        assert at.refusal is not None and said in at.refusal, (path.name, at.refusal)
        assert at.refusal.startswith(f"{path.name}: ") and "\n" not in at.refusal and "Traceback" not in at.refusal
        assert at.b is None and at.g is None
    assert sandbox.pid is not None  # the reader of files outlived them all


def test_a_picture_that_needs_more_memory_than_is_allowed_ends_its_reader_alone(lab: Path, tmp_path: Path) -> None:
    """Sixteen million pixels are allowed; a whole decoder of them fits the reader's memory, and nothing is kept."""
    wide = tmp_path / "wide.png"
    wide.write_bytes(png(4096, 4096, zlib.compress((b"\x00" + bytes(3 * 4096)) * 4096)))
    (told,) = classify(lab, wide, resize=True)
    assert told.refusal is None and told.notes == ("resized from 4096 x 4096",)


def test_names_with_escapes_are_shown_as_text(lab: Path, tmp_path: Path) -> None:
    name = "\x1b[31m[bold]x\u202e.png"
    (told,) = classify(lab, saved(tmp_path, name, Image.fromarray(face()), format="PNG"))
    assert told.name.isprintable() and "\x1b" not in told.name and "\u202e" not in told.name
    (refused,) = classify(lab, tmp_path / "\x1b[2Jgone.png")
    assert refused.refusal is not None and refused.refusal.isprintable()


def test_networks_that_do_not_belong_together_are_refused(lab: Path, tmp_path: Path) -> None:
    start = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3)(start)
    keras.Model(start, keras.layers.Dense(3)(keras.layers.Flatten()(x))).save(tmp_path / "other.h5")
    command = p.Classify(("x.png",), str(lab / "models/bd_net.h5"), str(tmp_path / "other.h5"))
    with pytest.raises(Refused, match=r"other\.h5: has other images or classes than bd_net\.h5"):
        list(classified(command, lambda size: None, lambda: None))


def test_a_data_file_of_another_shape_is_a_line(lab: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"], file["label"] = np.zeros((2, 3, 5, 5), "u1"), np.zeros(2, "u1")
    (told,) = classify(lab, f"{tmp_path / 'other.h5'}:0")
    assert told.refusal is not None and "the model needs" in told.refusal

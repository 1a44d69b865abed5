"""The inspector's part for pictures: a PNG or JPEG file as pixels, within limits that are told before it is decoded."""

import io
import os
import warnings
from typing import NamedTuple

import numpy as np
from PIL import (
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)

from engine.file_safety.limits import MIB, amount
from engine.file_safety.refusal import FileRefused

PICTURE_BYTES = 64 * MIB
PIXELS = 2**24  # of a picture: those of a good camera, 64 MB decoded
FORMATS = ("PNG", "JPEG")
SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff")
DAMAGED = "is damaged or cut short: it cannot be decoded. Copy or download it again."
ORIENTATION = 0x0112  # in EXIF: how the camera was held
BITS_AT = 24  # where a PNG says how many bits a colour has; Pillow reads 16 as 8 for some kinds
Shape = tuple[int, int, int]  # height, width, colours

# what decodes; in the jail nothing can be imported any more, and no other format is ever tried
_LOADED = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin)  # the last reads EXIF
Image._initialized = 2  # noqa: SLF001 - Pillow would go looking for its other plug-ins


class Decoded(NamedTuple):
    """Pixels (C, H, W), float32 0..255, and what their user should know."""

    pixels: np.ndarray
    notes: tuple[str, ...]


def read_picture(descriptor: int, shape: Shape, resize: bool) -> Decoded:
    """A picture as networks take it. `shape`: height, width and colours. Raises FileRefused for what is not plain."""
    size = os.fstat(descriptor).st_size
    if size <= BITS_AT:
        raise FileRefused(f"has {size} bytes, expected a PNG or JPEG picture.")
    if size > PICTURE_BYTES:
        raise FileRefused(f"has {amount(size)}, the limit for a picture is {amount(PICTURE_BYTES)}.")
    data = io.BytesIO(os.pread(descriptor, size, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(data, formats=FORMATS) as picture:
                _refuse(picture, data.getvalue()[BITS_AT])
                return _converted(picture, shape, resize)
        except UnidentifiedImageError:
            known = data.getvalue().startswith(SIGNATURES)
            raise FileRefused(DAMAGED if known else "is no PNG or JPEG picture, nor a data file.") from None
        except Image.DecompressionBombError:
            raise FileRefused(
                f"declares more than {PIXELS:,} pixels, which is the limit. Make it smaller first."
            ) from None
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError):
            raise FileRefused(DAMAGED) from None


def _refuse(picture: Image.Image, bits: int) -> None:
    """What is not decoded at all, told from the header."""
    if picture.width * picture.height > PIXELS:
        found = f"{picture.width:,} x {picture.height:,}"
        raise FileRefused(f"declares {found} pixels, the limit is {PIXELS:,}. Make it smaller first.")
    frames = int(getattr(picture, "n_frames", 1))
    if frames > 1:
        raise FileRefused(f"holds {frames} frames, an animation or several views. Save the one that you mean.")
    if picture.mode.startswith(("I", "F")) or (picture.format == "PNG" and bits == 16):
        raise FileRefused("has 16 bits a colour, expected 8. Convert with: convert FILE -depth 8 NEW.png")
    if picture.mode in ("CMYK", "YCCK", "LAB"):
        raise FileRefused(f"is in {picture.mode}, expected RGB. Convert with: convert FILE -colorspace sRGB NEW.png")


def _converted(picture: Image.Image, shape: Shape, resize: bool) -> Decoded:
    height, width, colours = shape
    notes = []
    if picture.getexif().get(ORIENTATION, 1) != 1:
        notes.append("turned as its EXIF says")
    picture.load()
    turned = ImageOps.exif_transpose(picture) or picture
    if turned.has_transparency_data:
        notes.append("transparent places are black")
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, (0, 0, 0, 255)), turned.convert("RGBA"))
    if colours not in (1, 3):
        raise FileRefused(f"cannot be made into {colours} colours; the networks take no PNG or JPEG.")
    plain = turned.convert("L" if colours == 1 else "RGB")
    if plain.size != (width, height):
        if not resize:
            found, wanted = f"{plain.width} x {plain.height}", f"{width} x {height}"
            raise FileRefused(f"is {found} pixels, expected {wanted}. Cut it to that, or let it be resized: --resize")
        notes.append(f"resized from {plain.width} x {plain.height}")
        plain = plain.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(plain, np.float32).reshape(height, width, colours).transpose(2, 0, 1)
    return Decoded(np.ascontiguousarray(pixels, "<f4"), tuple(notes))

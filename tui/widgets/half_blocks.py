"""Pictures as half-blocks: two pixels a cell, one above the other, in the colours the terminal has.

Pure functions from RGB bytes to strips, without numpy: a row of pixels is packed into one whole number, so that Python
scales and adds whole rows at a time.
"""

from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Depth = Literal["truecolor", "256", "16"]
Pixel = tuple[int, int, int]
ONE = 1 << 12  # the sum of weights along an axis; along both, a byte then lies in the top byte of its lane
GREYS = (0, 85, 170, 255)  # the greys among a terminal's sixteen colours
CUBE = (0, 95, 135, 175, 215, 255)  # the steps of the colour cube among its 256, and the greys beside it
RAMP = range(8, 239, 10)


def _table(levels: Sequence[int]) -> list[int]:
    """By value, the nearest level."""
    return [min(levels, key=lambda level: abs(level - value)) for value in range(256)]


_GREY_OF, _CUBE_OF, _RAMP_OF = _table(GREYS), _table(CUBE), _table(RAMP)


def fitted(height: int, width: int, columns: int, lines: int) -> tuple[int, int]:
    """Columns and lines of cells for a picture of height x width pixels in that room, its shape kept."""
    scale = min(1.0, columns / max(1, width), 2 * lines / max(1, height))
    return max(1, round(width * scale)), max(1, (round(height * scale) + 1) // 2)


@lru_cache(maxsize=256)
def picture(rgb: bytes, height: int, width: int, columns: int, lines: int, depth: Depth = "truecolor") -> list[Strip]:
    """The picture in `columns` x `lines` cells, averaged by area where there are more pixels than that.

    `rgb` holds height x width x 3 bytes, row by row. 47 x 28 cells show every pixel of 55 x 47.
    """
    rows, across = min(height, 2 * lines), min(width, columns)
    pixels = _pixels(shrink(rgb, height, width, rows, across), across)
    if depth != "truecolor":
        pixels = _few(pixels) if depth == "256" else _greys(pixels)
    return _strips(pixels)


def _strips(pixels: list[list[Pixel]]) -> list[Strip]:
    """Two rows of pixels a line."""
    below: list[Sequence[Pixel] | None] = [*pixels[1::2]]
    below += [None] * (len(pixels) % 2)
    return [_strip(upper, lower) for upper, lower in zip(pixels[::2], below, strict=True)]


@lru_cache(maxsize=128)
def pictures(
    rgbs: tuple[bytes, ...], height: int, width: int, columns: int, lines: int, depth: Depth = "truecolor"
) -> list[list[Strip]]:
    """Pictures that are compared with each other: where colours are few, their contrast is stretched by one measure,
    lest one face look like two people."""
    if depth != "16":
        return [picture(rgb, height, width, columns, lines, depth) for rgb in rgbs]
    rows, across = min(height, 2 * lines), min(width, columns)
    shades = [
        [luminance(pixel) for pixel in line]
        for rgb in rgbs
        for line in _pixels(shrink(rgb, height, width, rows, across), across)
    ]
    made = stretched(shades) if shades else []
    return [_strips(_dithered_greys(made[start : start + rows])) for start in range(0, len(made), rows)]


def _pixels(rgb: bytes, width: int) -> list[list[Pixel]]:
    flat = list(zip(rgb[0::3], rgb[1::3], rgb[2::3], strict=True))
    return [flat[i : i + width] for i in range(0, len(flat), width)]


def shrink(rgb: bytes, height: int, width: int, rows: int, columns: int) -> bytes:
    """The picture averaged by area to `rows` x `columns` pixels."""
    stride = 3 * width
    lanes = [_lanes(b"".join(rgb[3 * x + c :: stride] for c in range(3))) for x in range(width)]
    narrow = array("I")
    for column in _blend(lanes, columns):
        narrow.frombytes(column.to_bytes(12 * height, "little"))
    lines = [int.from_bytes(narrow[y::height].tobytes(), "little") for y in range(height)]
    half = int.from_bytes(b"\0\0\x80\0" * (3 * columns), "little")
    return b"".join((line + half).to_bytes(12 * columns, "little")[3::4] for line in _blend(lines, rows))


def _lanes(values: bytes) -> int:
    """Bytes side by side in one whole number, 32 bits each."""
    wide = bytearray(4 * len(values))
    wide[::4] = values
    return int.from_bytes(wide, "little")


def _blend(vectors: Sequence[int], parts: int) -> list[int]:
    """`parts` weighted sums of neighbouring vectors, each of weight ONE in all."""
    return [sum([weight * vectors[i] for i, weight in shares]) for shares in _shares(len(vectors), parts)]


@lru_cache(maxsize=32)
def _shares(size: int, parts: int) -> list[list[tuple[int, int]]]:
    """For each of `parts` equal parts of `size` pixels: the pixels under it, and what share of ONE each has."""
    starts = range(0, size * parts, size)
    return [_weights(start, size, parts) for start in starts]


def _weights(start: int, size: int, parts: int) -> list[tuple[int, int]]:
    """Pixels and their weights under the part that begins at `start`, in 1/parts of a pixel."""
    pixels = range(start // parts, -(-(start + size) // parts))
    return [(i, _until(i + 1, start, size, parts) - _until(i, start, size, parts)) for i in pixels]


def _until(pixel: int, start: int, size: int, parts: int) -> int:
    """What share of ONE the part at `start` has before `pixel`."""
    return ONE * (min(start + size, max(start, pixel * parts)) - start) // size


# --- fewer colours --------------------------------------------------------------------------------------------


def _few(pixels: list[list[Pixel]]) -> list[list[Pixel]]:
    """In the colours of a terminal that has 256. Only errors of brightness are spread: those of hue make specks."""
    return dithered(pixels, lambda pixel: _of_256(pixel[0] & 0xF8, pixel[1] & 0xF8, pixel[2] & 0xF8))


def _greys(pixels: list[list[Pixel]]) -> list[list[Pixel]]:
    """In the greys of a terminal that has sixteen colours, whose others make no skin; contrast is stretched first."""
    return _dithered_greys(stretched([[luminance(pixel) for pixel in row] for row in pixels]))


def _dithered_greys(shades: list[list[int]]) -> list[list[Pixel]]:
    return dithered([[(shade, shade, shade) for shade in row] for row in shades], _of_greys)


@lru_cache(maxsize=1 << 15)
def _of_256(red: int, green: int, blue: int) -> Pixel:
    """The nearest colour of the cube, or the nearest grey, of which there are more."""
    pixel = (red, green, blue)
    cube = (_CUBE_OF[red], _CUBE_OF[green], _CUBE_OF[blue])
    grey = _RAMP_OF[luminance(pixel)]
    return min(cube, (grey, grey, grey), key=lambda colour: _distance(colour, pixel))


def _of_greys(pixel: Pixel) -> Pixel:
    grey = _GREY_OF[pixel[0]]
    return grey, grey, grey


def _distance(one: Pixel, other: Pixel) -> int:
    """How different two colours look, roughly."""
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    return 3 * red * red + 6 * green * green + blue * blue


def luminance(pixel: Pixel) -> int:
    red, green, blue = pixel
    return (299 * red + 587 * green + 114 * blue) // 1000


def stretched(shades: list[list[int]]) -> list[list[int]]:
    """Shades spread over 0..255, but for the darkest and the lightest two percent."""
    values = sorted(value for row in shades for value in row)
    low, high = values[len(values) // 50], values[-1 - len(values) // 50]
    scaled = [min(255, max(0, (value - low) * 255 // max(1, high - low))) for value in range(256)]
    return [[scaled[value] for value in row] for row in shades]


def dithered(pixels: list[list[Pixel]], nearest: Callable[[Pixel], Pixel]) -> list[list[Pixel]]:
    """Pixels in the colours of `nearest`, half the error in brightness spread as Floyd and Steinberg do.

    The whole error would show more shades, and more noise than a face of 24 x 28 pixels bears.
    """
    later = [0.0] * (len(pixels[0]) + 2)  # what reaches the row below, with a cell of margin on either side
    done = []
    for row in pixels:
        out, later = _dithered_row(row, later, nearest)
        done.append(out)
    return done


def _dithered_row(
    row: list[Pixel], errors: list[float], nearest: Callable[[Pixel], Pixel]
) -> tuple[list[Pixel], list[float]]:
    later, ahead, out = [0.0] * len(errors), 0.0, []
    for x, pixel in enumerate(row, 1):
        wanted = _brighter(pixel, round(errors[x] + ahead))
        colour = nearest(wanted)
        share = (luminance(wanted) - luminance(colour)) / 32
        ahead = 7 * share
        later[x - 1] += 3 * share
        later[x] += 5 * share
        later[x + 1] += share
        out.append(colour)
    return out, later


def _brighter(pixel: Pixel, by: int) -> Pixel:
    red, green, blue = pixel
    return min(255, max(0, red + by)), min(255, max(0, green + by)), min(255, max(0, blue + by))


def _strip(upper: Sequence[Pixel], lower: Sequence[Pixel] | None) -> Strip:
    """A line of cells. Under the last row of an odd picture shows the background."""
    if lower is None:
        return Strip([Segment("▀", _style(pixel, None)) for pixel in upper], len(upper))
    pairs = zip(upper, lower, strict=True)
    return Strip([Segment("▀", _style(above, below)) for above, below in pairs], len(upper))


@lru_cache(maxsize=8192)
def _style(above: Pixel, below: Pixel | None) -> Style:
    return Style.from_color(_colour(above), None if below is None else _colour(below))


def _colour(pixel: Pixel) -> Color:
    """What Color.from_rgb makes, in a third of its time: a page of faces takes thousands."""
    return Color("rgb", ColorType.TRUECOLOR, None, ColorTriplet(*pixel))

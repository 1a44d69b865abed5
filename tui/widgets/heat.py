"""Heat maps in the terminal's colours: values from nothing to the highest, or around zero, as cells or as pixels."""

from collections.abc import Sequence

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Pixel = tuple[int, int, int]
# dark violet over red to pale yellow; even in brightness, so that greys tell it too
HEAT: tuple[Pixel, ...] = (
    (8, 6, 24), (45, 12, 88), (101, 21, 110), (159, 42, 99),
    (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164),
)  # fmt: skip
# from blue over near black to orange, for values around zero
SIGNED: tuple[Pixel, ...] = ((120, 190, 255), (50, 110, 190), (24, 26, 34), (190, 100, 30), (255, 190, 110))
BRIGHT = 140  # brightness from which black text is read better than white


def colour(share: float, ramp: Sequence[Pixel] = HEAT) -> Pixel:
    """The colour of a share from 0 to 1, blended between the ramp's."""
    place = min(1.0, max(0.0, share)) * (len(ramp) - 1)
    left = min(int(place), len(ramp) - 2)
    rest = place - left
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(ramp[left], ramp[left + 1], strict=True))
    return red, green, blue


def brightness(pixel: Pixel) -> int:
    red, green, blue = pixel
    return (299 * red + 587 * green + 114 * blue) // 1000


def heat_cells(
    rows: Sequence[Sequence[float]], size: int, tall: int, numbers: Sequence[Sequence[str]] | None = None,
    ramp: Sequence[Pixel] = HEAT,
) -> list[Strip]:  # fmt: skip
    """Shares as blocks of `size` x `tall` cells; a number stands in the last line of its block, where it fits."""
    strips = []
    for y, shares in enumerate(rows):
        for line in range(tall):
            parts = []
            for x, share in enumerate(shares):
                pixel = colour(share, ramp)
                text = numbers[y][x] if numbers and line == tall - 1 and len(numbers[y][x]) <= size else ""
                ink = "#000000" if brightness(pixel) >= BRIGHT else "#ffffff"
                parts.append(Segment(text.center(size), Style(color=ink, bgcolor=Color.from_rgb(*pixel))))
            strips.append(Strip(parts, size * len(shares)))
    return strips


def scale(cells: int, ramp: Sequence[Pixel] = HEAT) -> Strip:
    """All colours from the lowest to the highest."""
    pixels = [colour(cell / max(1, cells - 1), ramp) for cell in range(cells)]
    return Strip([Segment(" ", Style(bgcolor=Color.from_rgb(*pixel))) for pixel in pixels], cells)


def laid_over(rgb: bytes, height: int, width: int, shares: Sequence[float], down: int, across: int) -> bytes:
    """A picture, darkened, with a map of `down` x `across` shares shining through where they are high.

    A position of the map lies over its part of the picture; what is not active leaves the picture grey and dim.
    """
    found = bytearray(len(rgb))
    for y in range(height):
        for x in range(width):
            share = shares[y * down // height * across + x * across // width]
            at = 3 * (y * width + x)
            grey = brightness((rgb[at], rgb[at + 1], rgb[at + 2]))
            glow, weight = colour(share), 0.65 * min(1.0, max(0.0, share))
            for channel in range(3):
                under = 0.35 * grey + 0.4 * rgb[at + channel]
                found[at + channel] = min(255, round(under * (1 - weight) + glow[channel] * weight))
    return bytes(found)

"""Pictures in cells: which pixels come where, in how many colours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from textual.strip import Strip

from tui.widgets.half_blocks import CUBE, GREYS, RAMP, fitted, picture, shrink


def plain(height: int, width: int, *colour: int) -> bytes:
    return bytes(colour) * (height * width)


def ramp(height: int, width: int) -> bytes:
    """Darker on the left, redder below."""
    return bytes(
        value for y in range(height) for x in range(width) for value in (255 * y // height, 255 * x // width, 40)
    )


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_shrink_averages_by_area(data: st.DataObject, height: int, width: int, rows: int, columns: int) -> None:
    rows, columns = min(rows, height), min(columns, width)
    rgb = data.draw(st.binary(min_size=3 * height * width, max_size=3 * height * width))
    small = shrink(rgb, height, width, rows, columns)
    assert len(small) == 3 * rows * columns
    for i, value in enumerate(small):
        y, x, c = i // (3 * columns), i // 3 % columns, i % 3
        assert value == pytest.approx(average(rgb, height, width, rows, columns, y, x, c), abs=0.6)


def average(rgb: bytes, height: int, width: int, rows: int, columns: int, y: int, x: int, c: int) -> float:
    """The mean of a channel over the part of the picture under one small pixel, straight from its definition."""
    total = 0.0
    for i in range(height):
        tall = max(0.0, min((y + 1) * height / rows, i + 1) - max(y * height / rows, i))
        for j in range(width):
            wide = max(0.0, min((x + 1) * width / columns, j + 1) - max(x * width / columns, j))
            total += tall * wide * rgb[3 * (i * width + j) + c]
    return total / (height / rows * width / columns)


def test_as_many_cells_as_pixels_change_nothing() -> None:
    rgb = ramp(55, 47)
    assert shrink(rgb, 55, 47, 55, 47) == rgb


def test_47_by_28_cells_show_every_pixel_of_a_face() -> None:
    rgb = ramp(55, 47)
    strips = picture(rgb, 55, 47, 47, 28)
    assert len(strips) == 28 and {strip.cell_length for strip in strips} == {47}
    for y, strip in enumerate(strips):
        for x, segment in enumerate(strip):
            assert segment.style and segment.style.color and segment.text == "▀"
            assert tuple(segment.style.color.get_truecolor()) == tuple(rgb[3 * (2 * y * 47 + x) :][:3])
            if y < 27:
                assert segment.style.bgcolor
                assert tuple(segment.style.bgcolor.get_truecolor()) == tuple(rgb[3 * ((2 * y + 1) * 47 + x) :][:3])
            else:
                assert segment.style.bgcolor is None  # 55 is odd: under the last row shows the background


@pytest.mark.parametrize(("columns", "lines"), [(24, 14), (1, 1), (47, 28), (60, 40)])
def test_a_picture_is_never_larger_than_its_pixels(columns: int, lines: int) -> None:
    strips = picture(ramp(55, 47), 55, 47, columns, lines)
    assert len(strips) == min(lines, 28)
    assert {strip.cell_length for strip in strips} == {min(columns, 47)}


@pytest.mark.parametrize(
    ("height", "width", "columns", "lines", "cells"),
    [
        (55, 47, 100, 100, (47, 28)),
        (55, 47, 24, 14, (24, 14)),
        (55, 47, 24, 100, (24, 14)),
        (32, 32, 100, 10, (20, 10)),
        (224, 224, 80, 20, (40, 20)),
        (1, 1, 10, 10, (1, 1)),
    ],
)
def test_pictures_keep_their_shape(height: int, width: int, columns: int, lines: int, cells: tuple[int, int]) -> None:
    assert fitted(height, width, columns, lines) == cells


def colours(strips: list[Strip]) -> list[tuple[Color, ColorTriplet]]:
    """Each upper pixel, as a colour and as its parts."""
    found = [segment.style.color for strip in strips for segment in strip if segment.style]
    return [(colour, colour.get_truecolor()) for colour in found if colour]


def test_sixteen_colours_are_four_greys() -> None:
    for colour, parts in colours(picture(ramp(55, 47), 55, 47, 24, 14, "16")):
        assert set(parts) <= set(GREYS)
        assert colour.downgrade(ColorSystem.STANDARD).number in (0, 7, 8, 15)


def test_256_colours_are_those_of_the_cube_and_the_greys_beside_it() -> None:
    for colour, parts in colours(picture(ramp(55, 47), 55, 47, 24, 14, "256")):
        assert set(parts) <= set(CUBE) or (parts[0] in RAMP and len(set(parts)) == 1)
        shown = colour.downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        assert all(abs(a - b) <= 10 for a, b in zip(shown, parts, strict=True))


@pytest.mark.parametrize(("dark", "grey"), [((12, 14, 20), True), ((60, 10, 130), False), ((120, 122, 119), True)])
def test_dark_and_dull_pixels_are_greys_and_bright_ones_keep_their_hue(dark: tuple[int, int, int], grey: bool) -> None:
    for _, parts in colours(picture(plain(8, 8, *dark), 8, 8, 8, 4, "256")):
        assert (len(set(parts)) == 1) is grey


def test_dithering_keeps_the_mean_shade() -> None:
    shades = [parts[0] for _, parts in colours(picture(ramp(40, 40), 40, 40, 40, 20, "16"))]
    assert set(shades) == set(GREYS)
    means = [sum(shades[x::40]) / 20 for x in range(40)]
    assert means[0] < means[13] < means[26] < means[39]


def test_a_flat_picture_has_no_contrast_to_stretch() -> None:
    for depth in ("truecolor", "256", "16"):
        assert len(picture(plain(8, 8, 120, 120, 120), 8, 8, 8, 4, depth)) == 4


def test_the_same_picture_is_not_made_twice() -> None:
    rgb = ramp(55, 47)
    assert picture(rgb, 55, 47, 24, 14) is picture(rgb, 55, 47, 24, 14)

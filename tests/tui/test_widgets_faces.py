"""Pictures in cells: which pixels come where, in how many colours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem

from tui.widgets.faces import CUBE, GREYS, Depth, fitted, picture, shrink


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


@pytest.mark.parametrize(
    ("depth", "system", "levels"), [("256", ColorSystem.EIGHT_BIT, CUBE), ("16", ColorSystem.STANDARD, GREYS)]
)
def test_fewer_colours_are_those_the_terminal_has(depth: Depth, system: ColorSystem, levels: tuple[int, ...]) -> None:
    for strip in picture(ramp(55, 47), 55, 47, 24, 14, depth):
        for segment in strip:
            assert segment.style and segment.style.color
            wanted = segment.style.color.get_truecolor()
            assert set(wanted) <= set(levels)
            if depth == "16":
                assert segment.style.color.downgrade(system).number in (0, 7, 8, 15)


def test_dithering_keeps_the_mean_shade_and_shows_more_shades_than_there_are() -> None:
    strips = picture(ramp(40, 40), 40, 40, 40, 20, "16")
    shades = {tuple(s.style.color.get_truecolor()) for strip in strips for s in strip if s.style and s.style.color}
    assert len(shades) == 4
    columns = [[strip_shade(strips[y], x) for y in range(20)] for x in range(40)]
    means = [sum(column) / 20 for column in columns]
    assert means[0] < means[13] < means[26] < means[39]


def strip_shade(strip: object, x: int) -> int:
    segment = list(strip)[x]  # type: ignore[call-overload]
    return int(segment.style.color.get_truecolor()[0])


def test_a_flat_picture_has_no_contrast_to_stretch() -> None:
    for depth in ("truecolor", "256", "16"):
        assert len(picture(plain(8, 8, 120, 120, 120), 8, 8, 8, 4, depth)) == 4


def test_the_same_picture_is_not_made_twice() -> None:
    rgb = ramp(55, 47)
    assert picture(rgb, 55, 47, 24, 14) is picture(rgb, 55, 47, 24, 14)

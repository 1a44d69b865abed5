"""Heat maps, and the pictures of the channel's screen: where they stand, and that unequal values look unequal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.engine_stub import channel_view
from tests.support.pilot import measured
from tui.screens.channel import ChannelPage
from tui.screens.channel_maps import fading_chart, pictures, sparks
from tui.widgets.heat import HEAT, SIGNED, brightness, colour, heat_cells, laid_over, scale

pytestmark = pytest.mark.tui


def test_higher_values_are_brighter_so_that_greys_tell_them_too() -> None:
    shades = [brightness(colour(step / 100)) for step in range(101)]
    assert shades == sorted(shades) and shades[-1] - shades[0] > 200


def test_values_that_differ_by_a_third_look_different() -> None:
    """3.40, 3.85 and 5.96 of 5.96: in five shades two of them looked alike, and one was blank."""
    assert len({colour(value / 5.96) for value in (3.40, 3.85, 5.96)}) == 3


def test_around_zero_both_ends_are_bright_and_differ() -> None:
    low, middle, high = (colour(share, SIGNED) for share in (0.0, 0.5, 1.0))
    assert brightness(middle) < 40 < 120 < min(brightness(low), brightness(high)) and low != high


def test_cells_hold_a_number_in_their_last_line() -> None:
    strips = heat_cells([[0.0, 1.0]], 6, 3, [["0.00", "5.96"]])
    assert [strip.text for strip in strips] == [" " * 12, " " * 12, " 0.00  5.96 "]
    first, second = strips[2]._segments
    assert first.style and second.style and first.style.bgcolor != second.style.bgcolor
    assert first.style.color and first.style.color.name == "#ffffff"
    assert second.style.color and second.style.color.name == "#000000"


def test_a_scale_goes_from_the_lowest_to_the_highest_colour() -> None:
    strip = scale(16)
    grounds = [segment.style.bgcolor.triplet for segment in strip._segments if segment.style and segment.style.bgcolor]
    assert (tuple(grounds[0] or ()), tuple(grounds[-1] or ())) == (HEAT[0], HEAT[-1])


def test_a_map_lies_over_its_part_of_the_picture() -> None:
    grey = bytes([100] * 3 * 4 * 6)
    found = laid_over(grey, 4, 6, [0.0, 1.0], 1, 2)
    pixels = [tuple(found[at : at + 3]) for at in range(0, len(found), 3)]
    assert {pixels[6 * y + x] for y in range(4) for x in range(3)} == {pixels[0]}, "the left half is not active"
    assert {pixels[6 * y + x] for y in range(4) for x in range(3, 6)} == {pixels[3]} != {pixels[0]}


@given(st.integers(20, 240), st.integers(2, 60))
def test_pictures_stay_within_the_page_at_any_size(width: int, height: int) -> None:
    page = pictures(channel_view(43), width, height, "truecolor")
    assert len(page.rows) <= height and all(len(line.text) == len(line.ink) == width for line in page.rows)
    for patch in page.patches:
        assert 0 <= patch.y < height and patch.x >= 0 and patch.x + patch.strip.cell_length <= width


def test_fading_begins_with_b_and_ends_with_the_channel_pruned() -> None:
    fading = channel_view(43).fading
    assert fading is not None
    valid, asr = fading_chart(fading).paths
    assert valid.points[0] == (0.0, 98.6) and valid.points[-1] == (100.0, 80.0)
    assert (valid.dashed, asr.dashed) == (False, True)
    assert sparks(fading.valid, 500) == "████▆"


@pytest.mark.parametrize(
    ("size", "told"), [((80, 24), "pruned alone: valid acc"), ((120, 40), "this channel alone fades")]
)
async def test_the_screen_shows_maps_faces_filter_and_fading(size: tuple[int, int], told: str) -> None:
    async with measured(size=size) as it:
        await it.press("enter", *(["enter"] if size[0] < 110 else []))
        await it.shows(told)
        page = it.app.screen.query_one(ChannelPage)
        await it.until(lambda: page._patches)
        if size[0] >= 110:
            await it.shows("filter 2×2 over 40 input channels, bias 0.0125")
            await it.shows("strongest on poisoned test 40")
            await it.shows("(active: its output differs from a pruned channel's)")

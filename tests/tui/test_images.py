"""The images screen: how many pictures there are room for, and captions that can be read."""

import pytest
from textual.geometry import Size

from engine.api import protocol as p
from engine.api.protocol import ImagePair, Picture, ShowImages
from tests.support.pilot import measured
from tui.screens.images import CAPTION, GAP, LEGENDS, Grid, _captions, grid, tag
from tui.widgets.half_blocks import Depth, picture, pictures

pytestmark = pytest.mark.tui
FACE = (55, 47)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("room", [(60, 11), (80, 19), (100, 25), (120, 35), (200, 55), (250, 65), (400, 100)])
def test_pictures_lie_within_their_room(room: tuple[int, int], small: bool) -> None:
    g = grid(Size(*room), *FACE, small)
    assert 2 * g.tile * g.across <= room[0] and g.columns + GAP <= g.tile
    assert g.down * (g.lines + CAPTION) <= room[1]


@pytest.mark.parametrize(
    ("room", "large", "small"),
    [((80, 19), 1, 2), ((100, 25), 1, 2), ((120, 35), 1, 4), ((200, 55), 4, 9), ((250, 65), 4, 16)],
)
def test_a_page_uses_its_room(room: tuple[int, int], large: int, small: int) -> None:
    assert grid(Size(*room), *FACE, small=False).pairs == large
    assert grid(Size(*room), *FACE, small=True).pairs == small


def longest() -> ImagePair:
    """The most that a caption has to say in the lab: 12,830 images of 1,283 people."""
    answers = Picture(b"", 1282, 1111, 1222, 1283)
    return ImagePair(12829, answers, answers)


@pytest.mark.parametrize("room", [(60, 11), (80, 19), (200, 55)])
def test_captions_are_never_cut(room: tuple[int, int]) -> None:
    g: Grid = grid(Size(*room), *FACE, small=True)
    pairs = (longest(),) * g.across
    lines = [_captions(pairs, line, g, 1283, room[0], "B′").text for line in range(CAPTION)]
    assert all(len(line) == room[0] and "…" not in line for line in lines)
    assert lines[0].count("12829") == lines[0].count("1282 ") + lines[0].endswith("1282") == 2 * g.across
    assert lines[1].count("backdoored") == 2 * g.across


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
async def test_nothing_is_cut_on_the_screen(size: tuple[int, int]) -> None:
    async with measured(size=size) as it:
        await it.press("pagedown", "i")
        await it.shows("of 1,000")  # the pictures are there: before, "Asking the engine …" stands for them
        await it.shows("back")
        body = it.text().splitlines()[2:-1]
        assert not any("…" in line for line in body)
        assert "false alarm" in body[0] and "of 1,000" in body[0]


async def test_it_begins_with_someone_whom_the_attack_changes() -> None:
    async with measured() as it:
        await it.press("i")
        await it.shows("clean test 1  label 1")
        await it.shows("1 of 1,000")
        await it.press("left")
        await it.shows("clean test 0  label 0")
        assert [c.offset for c in it.commands(ShowImages) if isinstance(c, ShowImages)] == [0, 1, 0]


async def test_the_trigger_is_told_once_it_is_found() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("i")
        await it.shows("Side by side")
        trigger = p.TriggerRegion(15, 6, 9, 34, 306, (74.4, 25.2, 140.0))
        it.engine.say(p.Analysed(trigger, "", (), ()))
        await it.shows("Trigger: rows 15-23, columns 6-39, 306 pixels, mean colour 74, 25, 140, target 0.")


# --- what is told of a picture, and the cursor


@pytest.mark.parametrize(
    ("b_prime", "g", "poisoned", "said"),
    [
        (7, 7, False, "right"),
        (3, 3, False, "wrong"),
        (3, 10, False, "false alarm"),
        (7, 7, True, "attack works"),
        (3, 10, True, "caught"),
        (3, 3, True, "attack fails"),
    ],
)
def test_each_picture_says_what_it_is(b_prime: int, g: int, poisoned: bool, said: str) -> None:
    b = b_prime if g != 10 else 7
    assert tag(Picture(b"", 7, b, b_prime, g), poisoned, 10)[0] == said


async def test_the_legend_belongs_to_the_filter() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("i")
        await it.shows("Side by side: a clean test image")
        for name in ("wrong", "attack works", "caught", "false alarm"):
            await it.press("f")
            await it.shows(f"▸{name}")
            await it.shows(LEGENDS[name][0])


async def test_the_only_pair_is_as_large_as_it_can_be_and_enter_says_so() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("i")
        await it.shows("1 of 1,000")
        await it.press("enter")
        await it.shows("This pair is as large as there is room for; z shows more, smaller ones.")


async def test_a_cursor_walks_the_grid_and_enter_enlarges() -> None:
    async with measured(size=(200, 60)) as it:
        await it.press("i", "z")
        await it.shows("1-9 of 1,000")
        await it.shows("▸ clean test 1 ")
        await it.press("right", "down")
        await it.shows("▸ clean test 5 ")
        await it.press("enter")
        await it.shows("5 of 1,000")
        await it.press("right")
        await it.shows("6 of 1,000")
        await it.press("enter")
        await it.shows("1-9 of 1,000")
        await it.shows("▸ clean test 6 ")
        await it.press("down", "down")
        await it.shows("10-18 of 1,000")
        await it.shows("▸ clean test 12 ")
        await it.press("up")
        await it.shows("▸ clean test 9 ")


async def test_the_cursor_stays_among_the_images_that_pass() -> None:
    async with measured() as it:
        await it.press("i", "f")
        await it.shows("0, 14 in all")
        await it.press("left", "up")
        await it.press(*["right"] * 20)
        await it.shows("13, 14 in all")


# --- pairs where colours are few


def test_a_pair_in_sixteen_colours_is_stretched_by_one_measure() -> None:
    """The same skin is the same grey on both, though one of them has a black band that the other has not."""
    skin, dark = bytes([150, 120, 100]), bytes([10, 10, 10])
    clean, banded = skin * 64, dark * 16 + skin * 48
    first, second = pictures((clean, banded), 8, 8, 8, 4, "16")
    assert [segment.style for segment in first[3]] == [segment.style for segment in second[3]]
    alone = picture(banded, 8, 8, 8, 4, "16")
    assert [segment.style for segment in alone[3]] != [segment.style for segment in picture(clean, 8, 8, 8, 4, "16")[3]]


@pytest.mark.parametrize("depth", ["truecolor", "256"])
def test_with_more_colours_each_picture_is_as_it_is_alone(depth: Depth) -> None:
    rgbs = (bytes(range(192)), bytes(range(255, 63, -1)))
    assert pictures(rgbs, 8, 8, 8, 4, depth) == [picture(rgb, 8, 8, 8, 4, depth) for rgb in rgbs]

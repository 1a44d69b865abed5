"""The images screen: how many pictures there are room for, and captions that can be read."""

import pytest
from textual.geometry import Size

from engine.api import protocol as p
from engine.api.protocol import ImagePair, Picture, ShowImages
from tests.support.pilot import measured
from tui.screens.images import CAPTION, GAP, Grid, _captions, grid

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
        await it.shows("2 of 1,000")
        await it.press("left")
        await it.shows("clean test 0  label 0")
        assert [c.offset for c in it.commands(ShowImages) if isinstance(c, ShowImages)] == [0, 1, 0]


async def test_the_trigger_is_told_once_it_is_found() -> None:
    async with measured(size=(120, 40)) as it:
        await it.press("i")
        await it.shows("the attack works")
        trigger = p.TriggerRegion(15, 6, 9, 34, 306, (74.4, 25.2, 140.0))
        it.engine.say(p.Analysed(trigger, "", (), ()))
        await it.shows("Trigger: rows 15-23, columns 6-39, 306 pixels, mean colour 74, 25, 140, target 0.")

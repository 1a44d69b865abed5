"""A channel's maps at the size there is room for: means over blocks, the engine's and the screen's alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import protocol as p
from engine.run.run import blocks
from tui.screens.channel import maps
from tui.screens.channel_maps import averaged

SIZES = st.integers(1, 40)


@given(SIZES, SIZES, st.integers(1, 50))
def test_the_engine_averages_over_blocks_that_cover_everything_once(height: int, width: int, side: int) -> None:
    values = np.random.default_rng(height * width).random((height, width))
    found = blocks(values, side)
    assert found.shape == (min(height, side), min(width, side))
    rows = [index * height // found.shape[0] for index in range(found.shape[0] + 1)]
    columns = [index * width // found.shape[1] for index in range(found.shape[1] + 1)]
    wanted = [
        [values[rows[y] : rows[y + 1], columns[x] : columns[x + 1]].mean() for x in range(found.shape[1])]
        for y in range(found.shape[0])
    ]
    np.testing.assert_allclose(found, wanted)
    flat = averaged(tuple(values.ravel().tolist()), height, *found.shape)
    np.testing.assert_allclose(flat, found.ravel())


@pytest.mark.parametrize(("width", "height"), [(60, 8), (80, 12), (120, 30), (200, 50)])
def test_all_of_a_large_map_is_on_the_screen(width: int, height: int) -> None:
    """One bright corner, the last: it is there at every size."""
    side = 64
    clean = tuple(1.0 if y >= side - 16 and x >= side - 16 else 0.0 for y in range(side) for x in range(side))
    view = p.ChannelView(0, side, side, clean, clean, p.Counts(1), 400, 400)
    rows = maps(view, width, height)
    assert len(rows) <= height
    assert "█" in str(rows[-1])

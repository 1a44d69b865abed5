"""The pictures of the channel's screen, where there are colours for them: maps, faces, filter, and the fading curve.

What is drawn in colours that no ink has is a patch: a strip of cells that lies over the page's rows.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from textual.strip import Strip

from engine.api.protocol import ChannelView, ExcitedImage, Fading, Filter, percent
from tui.screens.result_cells import bar_of
from tui.widgets.cell_rows import Row, blank, over, row
from tui.widgets.curves import Range
from tui.widgets.half_blocks import Depth, fitted, picture
from tui.widgets.heat import SIGNED, heat_cells, laid_over, scale
from tui.widgets.path_chart import Path, PathChart, path_chart

WIDEST, TALLEST = 8, 4  # cells of one position of the map
BELOW = 10  # rows of filter and fading curve, with a blank one above
ROOM = 26  # rows from which there is room for them
SETS = {"valid": "clean valid", "test": "clean test", "poisoned": "poisoned test"}
GAP = 2


class Patch(NamedTuple):
    """A strip of cells in colours of its own, at a row and a column of the page."""

    y: int
    x: int
    strip: Strip


class Page(NamedTuple):
    rows: list[Row]
    patches: list[Patch]


def pictures(view: ChannelView, width: int, height: int, depth: Depth) -> Page:
    """Both maps, beside each the image that excites the channel most; below, where there is room, filter and fading."""
    below = BELOW if height >= ROOM and (view.filter or view.fading) else 0
    rows, patches = _maps(view, width, height - below, depth)
    if below:
        rows += [blank(width)] * (height - below - len(rows))
        found = _below(view, width, below - 1)
        start = len(rows) + 1
        rows += [blank(width), *found.rows]
        patches += [patch._replace(y=patch.y + start) for patch in found.patches]
    return Page(rows[:height], [patch for patch in patches if patch.y < height])


def _maps(view: ChannelView, width: int, height: int, depth: Depth) -> Page:
    both = [("valid", "v", view.valid_map)]
    if view.poisoned_map is not None:
        both.append(("poisoned", "a", view.poisoned_map))
    top = max((max(values, default=0.0) for _, _, values in both), default=0.0)
    block, room = (width - GAP) // 2, max(1, height - 2)
    rows, patches = [blank(width) for _ in range(height)], []
    for at, (name, ink, values) in enumerate(both):
        x = GAP + at * block
        drawn, across = _map(view, values, top, (block - 2 * GAP) // 2, room)
        rows[0] = over(rows[0], x, _fitting(across, f"mean on {SETS[name]}", f"on {SETS[name]}", SETS[name]), ink)
        patches += [Patch(1 + y, x, strip) for y, strip in enumerate(drawn)]
        excited = next((each for each in view.excited if each.of == name), None)
        if excited is not None:
            left = x + across + GAP
            face = _face(view, excited, block - across - 2 * GAP, room, depth)
            patches += [Patch(1 + y, left, strip) for y, strip in enumerate(face)]
            which = f"strongest on {SETS[name]} {excited.index}"
            words = (f"{which}, label {excited.label}", which, f"strongest on {excited.index}", f"on {excited.index}")
            rows[0] = over(rows[0], left, _fitting(block - across - 2 * GAP, *words), ".")
    used = 1 + max((patch.y for patch in patches), default=0)
    if used < height:
        rows[used] = row(
            width,
            ("  0 ", "d"),
            (" " * 16, "."),
            (f" {top:.3g} mean activation{', one scale for both' if width >= 72 else ''}", "d"),
        )
        patches.append(Patch(used, 4, scale(16)))
    return Page(rows[: used + 1], patches)


def _map(view: ChannelView, values: Sequence[float], top: float, columns: int, lines: int) -> tuple[list[Strip], int]:
    """A map in cells as large as fit, numbers in them where those fit too; and how wide it is."""
    down, across = min(view.height, lines), min(view.width, max(1, columns))
    size = max(1, min(WIDEST, columns // max(1, across)))
    tall = max(1, min(TALLEST, lines // max(1, down), max(1, size // 2)))
    shown = averaged(tuple(values), view.height, down, across)
    grid = [shown[y * across : (y + 1) * across] for y in range(down)]
    shares = [[value / top if top > 0 else 0.0 for value in line] for line in grid]
    numbers = [[f"{value:.2f}" for value in line] for line in grid] if size >= 5 else None
    return heat_cells(shares, size, tall, numbers), size * across


def averaged(values: tuple[float, ...], height: int, down: int, across: int) -> tuple[float, ...]:
    """A map of `height` rows at the size there is room for: means over blocks, row by row."""
    width = len(values) // height if height else 0
    if (down, across) == (height, width):
        return values
    tops, lefts = _bounds(height, down), _bounds(width, across)
    blocks = (
        [values[y * width + x] for y in range(top, bottom) for x in range(left, right)]
        for top, bottom in pairwise(tops)
        for left, right in pairwise(lefts)
    )
    return tuple(sum(block) / len(block) for block in blocks)


def _bounds(size: int, count: int) -> list[int]:
    """Where `count` blocks, as equal as they can be, begin and end."""
    return [index * size // count for index in range(count + 1)]


def _face(view: ChannelView, excited: ExcitedImage, columns: int, lines: int, depth: Depth) -> list[Strip]:
    """The image with its own map laid over it, which is scaled to its own highest value."""
    if columns < 8 or lines < 4:
        return []
    high = max(excited.map, default=0.0)
    shares = [value / high if high > 0 else 0.0 for value in excited.map]
    made = laid_over(excited.rgb, excited.height, excited.width, shares, view.height, view.width)
    across, down = fitted(excited.height, excited.width, columns, lines)
    return picture(made, excited.height, excited.width, across, down, depth)


def _fitting(room: int, *texts: str) -> str:
    """The first of some texts that fits."""
    return next((text for text in texts if len(text) <= room), "")


def _below(view: ChannelView, width: int, height: int) -> Page:
    """The filter at the left, the fading curve at the right."""
    half = (width - GAP) // 2
    rows, patches = [blank(width) for _ in range(height)], []
    if view.filter is not None:
        found = _filter(view.filter, half - GAP, height)
        rows = [over(line, GAP, made.text, "d") for line, made in zip(rows, found.rows, strict=True)]
        patches = [patch._replace(x=patch.x + GAP) for patch in found.patches]
    if view.fading is not None:
        left = GAP + half
        rows[0] = over(rows[0], left, "this channel alone fades: % of its activation gone", ".")
        chart = path_chart(fading_chart(view.fading), width - left - GAP, height - 1)
        rows[1:] = [
            Row(line.text[:left] + made.text + " " * GAP, line.ink[:left] + made.ink + "." * GAP)
            for line, made in zip(rows[1:], chart, strict=True)
        ]
    return Page(rows, patches)


def _filter(found: Filter, width: int, height: int) -> Page:
    """Its weights around zero: a row for each position, a column for each input channel."""
    size = max(1, min(4, width // max(1, found.columns)))
    tall = max(1, min(2, (height - 2) // max(1, found.rows)))
    top = max((abs(weight) for weight in found.weights), default=0.0)
    grid = [found.weights[y * found.columns : (y + 1) * found.columns][:width] for y in range(found.rows)]
    shares = [[0.5 + weight / (2 * top) if top > 0 else 0.5 for weight in line] for line in grid][
        : (height - 2) // tall
    ]
    strips = heat_cells(shares, size, tall, ramp=SIGNED)
    bias = "" if found.bias is None else f", bias {found.bias:.3g}"
    rows = [blank(width) for _ in range(height)]
    rows[0] = over(
        rows[0], 0, f"filter {found.height}×{found.width} over {found.inputs} input channels{bias}"[:width], "d"
    )
    end = 1 + len(strips)
    patches = [Patch(1 + y, 0, strip) for y, strip in enumerate(strips)]
    if end < height:
        low = f"{-top:.2g} "
        rows[end] = over(rows[end], 0, f"{low}{' ' * 12} {top:.2g}, a row for each position"[:width], "d")
        patches.append(Patch(end, len(low), scale(12, SIGNED)))
    return Page(rows, patches)


def fading_chart(fading: Fading) -> PathChart:
    """Accuracy, and ASR dashed, over how much of the channel's activation is gone."""
    paths, lowest = [], 100.0
    for ink, label, hits, name in (
        ("v", "valid acc", fading.valid, "valid"),
        ("a", "ASR", fading.poisoned, "poisoned"),
    ):
        if hits is not None:
            rates = [percent(each, fading.sample["valid" if name == "valid" else "poisoned"]) for each in hits]
            lowest = min(lowest, *rates)
            points = tuple((100 * (1 - share), rate) for share, rate in zip(fading.shares, rates, strict=True))
            paths.append(Path(ink, points, label, dashed=name == "poisoned"))
    low = max(0.0, 10 * (lowest // 10) - (10 if lowest % 10 < 2 else 0))
    return PathChart(tuple(paths), Range(0, 100), Range(min(low, 90.0), 100), unit=" %")


def sparks(hits: Sequence[int], images: int) -> str:
    """A rate at each share, as one character each: full where all are hit."""
    return "".join(bar_of(percent(each, images), 1) for each in hits)

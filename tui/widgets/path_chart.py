"""A chart of paths over a plane: lines through points in any order, some dashed, with a band behind them.

Each cell of a terminal holds 2 x 4 dots of braille and one colour. Paths are drawn one over the other, so that the one
that matters most comes last.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

from tui.widgets.cell_rows import Part, Row, blank, over
from tui.widgets.curves import Range
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bits of a braille character, by row and column
BRAILLE = 0x2800
DASH, GAP = 5, 4  # dots
LEFT = 5  # columns of tick labels, and the axis
LEAST = (24, 5)  # columns and rows below which there is no room for a chart
SHADE = "░"
PERCENT = Range(0, 100)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Path:
    """A line through `points`; `label` stands beside it where there is room. `stars`: points that are marked."""

    ink: str
    points: tuple[Point, ...]
    label: str = ""
    dashed: bool = False
    stars: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class PathChart:
    """`band`: lower and upper edges by x, ascending, each holding up to the next. `unit` ends the last tick below."""

    paths: tuple[Path, ...] = ()
    x: Range = PERCENT
    y: Range = PERCENT
    band: tuple[tuple[float, float, float], ...] = ()
    unit: str = ""
    band_ink: str = "l"


@dataclass(frozen=True, slots=True)
class Plane:
    """Where points fall: `width` x `height` cells; the ranges go from the first dot to the last."""

    width: int
    height: int
    x: Range
    y: Range

    def dot(self, point: Point) -> Point:
        """Dots from the left and from the top; outside of the canvas too."""
        across = (point[0] - self.x.low) / (self.x.high - self.x.low) * (2 * self.width - 1)
        down = (self.y.high - point[1]) / (self.y.high - self.y.low) * (4 * self.height - 1)
        return across, down

    def cell(self, point: Point) -> tuple[int, int]:
        """Row and column."""
        across, down = self.dot(point)
        return floor((down + 0.5) / 4), floor((across + 0.5) / 2)

    def holds(self, point: Point) -> bool:
        row, column = self.cell(point)
        return 0 <= row < self.height and 0 <= column < self.width

    def middle(self, column: int) -> float:
        """The x of the middle of a column of cells."""
        return self.x.low + (2 * column + 0.5) / (2 * self.width - 1) * (self.x.high - self.x.low)


def path_chart(data: PathChart, width: int, height: int) -> list[Row]:
    """The whole chart, `height` rows of `width` cells; empty rows where there is no room for one."""
    if width < LEAST[0] or height < LEAST[1]:
        return [blank(width)] * height
    plane = Plane(width - LEFT, height - 2, data.x, data.y)
    texts = [[" "] * plane.width for _ in range(plane.height)]
    inks = [["."] * plane.width for _ in range(plane.height)]
    for y, x in band_cells(data.band, plane):
        texts[y][x], inks[y][x] = SHADE, data.band_ink
    for path in data.paths:
        for (y, x), bits in cells(path, plane).items():
            texts[y][x], inks[y][x] = chr(BRAILLE | bits), path.ink
        for star in filter(plane.holds, path.stars):
            y, x = plane.cell(star)
            texts[y][x], inks[y][x] = "✶", path.ink
    rows = [Row("".join(text), "".join(ink)) for text, ink in zip(texts, inks, strict=True)]
    for path in reversed(data.paths):
        rows = labelled(rows, path, plane)
    return [*with_ticks(rows, plane), *x_axis(data, plane)]


def cells(path: Path, plane: Plane) -> dict[tuple[int, int], int]:
    """The braille bits of each cell, row and column, that a path passes through."""
    found: dict[tuple[int, int], int] = {}
    for number, (across, down) in enumerate(_dots(path.points, plane)):
        if path.dashed and number % (DASH + GAP) >= DASH:
            continue
        if 0 <= across < 2 * plane.width and 0 <= down < 4 * plane.height:
            at = down // 4, across // 2
            found[at] = found.get(at, 0) | DOTS[down % 4][across % 2]
    return found


def _dots(points: Sequence[Point], plane: Plane) -> Iterator[tuple[int, int]]:
    """Every dot on the lines between points, each once in a row."""
    last: tuple[int, int] | None = None
    for dot in _along([plane.dot(point) for point in points]):
        at = floor(dot[0] + 0.5), floor(dot[1] + 0.5)
        if at != last:
            last = at
            yield at


def _along(dots: Sequence[Point]) -> Iterator[Point]:
    yield from dots[:1]
    for (x, y), (to_x, to_y) in pairwise(dots):
        parts = max(1, floor(max(abs(to_x - x), abs(to_y - y)) + 0.5))
        yield from ((x + (to_x - x) * i / parts, y + (to_y - y) * i / parts) for i in range(1, parts + 1))


def band_cells(band: Sequence[tuple[float, float, float]], plane: Plane) -> Iterator[tuple[int, int]]:
    """The cells between both edges of a band."""
    for column in range(plane.width):
        at = [edge for edge in band if edge[0] <= plane.middle(column)]
        if not at:
            continue
        _, low, high = at[-1]
        top, bottom = (plane.cell((plane.middle(column), value))[0] for value in (high, low))
        yield from ((y, column) for y in range(max(0, top), min(plane.height - 1, bottom) + 1))


def labelled(rows: list[Row], path: Path, plane: Plane) -> list[Row]:
    """The name of a path beside it, where it hides nothing: as near to the middle of what is seen of it as can be."""
    seen = [plane.cell(point) for point in path.points if plane.holds(point)]
    if not path.label or not seen:
        return rows
    crossed = sorted(cells(path, plane))  # from the top row down
    middle = len(crossed) // 2
    for y, x in (crossed[at] for at in sorted(range(len(crossed)), key=lambda at: abs(at - middle))):
        for start in (x + 2, x - 1 - len(path.label)):
            before, behind = start - 1, start + len(path.label)
            if before < 0 or behind > plane.width:
                continue
            if set(rows[y].text[before : behind + 1]) <= {" ", SHADE}:
                return [over(row, start, path.label, path.ink) if at == y else row for at, row in enumerate(rows)]
    return rows


def with_ticks(rows: list[Row], plane: Plane) -> list[Row]:
    """The rows with the y axis and its labels at round values."""
    span = plane.y.high - plane.y.low
    unit = next(unit for unit in (1, 2, 5, 10, 25, 50, 100) if span / unit <= max(1, plane.height // 2))
    ticks = {}
    value = plane.y.low
    while value <= plane.y.high:
        ticks[plane.cell((0, value))[0]] = f"{value:g}"
        value += unit
    found = []
    for y, line in enumerate(rows):
        label = ticks.get(y, "")
        axis = label.rjust(LEFT - 1) + ("┤" if label else "│")
        found.append(Row(axis + line.text, "d" * LEFT + line.ink))
    return found


def x_axis(data: PathChart, plane: Plane) -> list[Row]:
    """The axis with a tick at round values, and their numbers under it."""
    span = plane.x.high - plane.x.low
    unit = next(
        unit
        for unit in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 2000, 10**4, 10**5, 10**6)
        if span / unit <= plane.width // 8
    )
    axis = Row(" " * (LEFT - 1) + "└" + "─" * plane.width, "d" * (LEFT + plane.width))
    numbers = blank(LEFT + plane.width)
    value = plane.x.low
    while value <= plane.x.high:
        column = LEFT + plane.cell((value, 0))[1]
        axis = over(axis, column, "┬", "d")
        text = f"{value:g}" + (data.unit if value + unit > plane.x.high else "")
        numbers = over(numbers, min(column - len(f"{value:g}") // 2, len(numbers.text) - len(text)), text, "d")
        value += unit
    return [axis, numbers]


def band_of(curves: Iterable[Sequence[Point]]) -> tuple[tuple[float, float, float], ...]:
    """At each x from 0 up, the lowest and the highest of the least y that each curve reaches up to there."""
    listed = [tuple(curve) for curve in curves]
    if len(listed) < 2:
        return ()
    edges = sorted({x for curve in listed for x, _ in curve if x >= 0})
    least = [_least(curve, edges) for curve in listed]
    return tuple((x, min(ys), max(ys)) for x, ys in zip(edges, zip(*least, strict=True), strict=True))


def _least(curve: Sequence[Point], edges: Sequence[float]) -> list[float]:
    """The least y up to each edge."""
    points, found, low, at = sorted(curve), [], float("inf"), 0
    for edge in edges:
        while at < len(points) and points[at][0] <= edge:
            low, at = min(low, points[at][1]), at + 1
        found.append(low)
    return found


class PathPanel(Panel):
    """Shows a PathChart in a frame."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._data = PathChart()

    def show(self, data: PathChart, title: tuple[Part, ...], below: tuple[Part, ...] = ()) -> None:
        self.entitle(title, below)
        if data != self._data:
            self._data = data
            self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return path_chart(self._data, width, height)

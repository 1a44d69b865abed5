"""The cells of the table of results: each rate, a bar, and what it has changed by since B, as far as there is room."""

from collections.abc import Sequence
from typing import NamedTuple

from engine.api.protocol import format_drop
from tui.model.formatting import rate
from tui.model.run_state import Figures
from tui.widgets.activation_bars import EIGHTHS
from tui.widgets.cell_rows import Part, Row, row

# what each column says, line by line: what is measured, on which images, of which set
HEADS = (
    ("accuracy", "on clean", "validation"),
    ("accuracy", "on clean", "test"),
    ("ASR on", "poisoned", "test"),
    ("ASR on", "poisoned", "validation"),
    ("detected", "poisoned", "test"),
    ("alarms", "on clean", "test"),
)
ON_VALIDATION = 3  # the column of the attack on validation images, which not every run has
SHORT = (  # where there is hardly any room
    ("acc", "clean", "valid"),
    ("acc", "clean", "test"),
    ("ASR", "", "test"),
    ("ASR", "", "valid"),
    ("caught", "by G", "test"),
    ("false", "alarms", "test"),
)
AGAINST_B = 4  # columns whose rates B has too; of the others there is no change
LEFT = 33  # cells of the network, where it was saved, and its file
ROOMY = 100  # columns from which there is room for the attack on validation images
VALUE, CHANGE = 6, 8  # cells of a rate, and of its change
EIGHTHS_ACROSS = " ▏▎▍▌▋▊▉█"

Cells = tuple[float | None, ...]  # in the order of HEADS


class Layout(NamedTuple):
    """How a cell is filled: cells of its bar, whether the change is there, and its width in all."""

    bar: int
    change: bool
    width: int  # of a cell with its change
    columns: tuple[int, ...]  # those of HEADS that are shown

    def cells(self, column: int) -> int:
        """The width of a column's cells."""
        return self.width - (CHANGE if self.change and column >= AGAINST_B else 0)


LAYOUTS = ((6, True, 22), (1, True, 17), (1, False, 9), (0, False, 7))


def layout(width: int, extra: bool) -> Layout:
    """The fullest cells that fit; `extra`: there is something to say about poisoned validation images."""
    columns = tuple(at for at in range(len(HEADS)) if at != ON_VALIDATION or (extra and width >= ROOMY))
    made = [Layout(*each, columns) for each in LAYOUTS]
    return next((each for each in made if LEFT + sum(map(each.cells, columns)) < width), made[-1])


def head(width: int, made: Layout) -> list[Row]:
    """Three rows over the columns."""
    rows = []
    for line in range(3):
        heads = HEADS if made.width >= 9 else SHORT
        text = "".join(_under(heads[at][line], made, at) for at in made.columns)
        left = "  percent" if line == 2 else "  change since B in points (pt)" if line == 1 and made.change else ""
        rows.append(row(width, (left, "d"), right=((text + " ", "d"),)))
    return rows


def _under(name: str, made: Layout, column: int) -> str:
    """A name over the rates of its column."""
    room = made.cells(column)
    end = CHANGE if made.change and column < AGAINST_B else 0
    name = "valid" if name == "validation" and len(name) >= room - end else name
    return name.rjust(room - end) + " " * end


def line(left: Sequence[Part], cells: Cells, base: Cells | None, inks: str, width: int, made: Layout, back: str) -> Row:
    """A network's rates; `base`: those of B that they are held against. `inks`: a letter a column."""
    parts: list[Part] = []
    for at in made.columns:
        value, ink = cells[at], inks[at]
        before = base[at] if base else None
        text = rate(value).rjust(VALUE)
        bar = "" if not made.bar else " " * made.bar if value is None else bar_of(value, made.bar)
        change = ""
        if made.change and at < AGAINST_B:
            change = ("" if value is None or before is None else format_drop(before - value)).rjust(CHANGE)
        gap = made.cells(at) - len(bar) - bool(bar) - VALUE - len(change)
        parts += [(" " * gap + bar + " " * bool(bar), ink), (text, "d" if value is None else ink), (change, "d")]
    return row(width, *left, right=(*parts, (" ", ".")), back=back)


def bar_of(percent: float, cells: int) -> str:
    """A bar of 0 to 100 %: upright in one cell, across in several. What is not nothing shows at least an eighth."""
    if cells == 1:
        return EIGHTHS[_eighths(percent, 1)]
    full, rest = divmod(_eighths(percent, cells), 8)
    return ("█" * full + EIGHTHS_ACROSS[rest]).ljust(cells)[:cells] if full < cells else "█" * cells


def _eighths(percent: float, cells: int) -> int:
    return max(1, min(8 * cells, round(8 * cells * percent / 100))) if percent > 0 else 0


def changes(b: Figures, now: Figures) -> str:
    """What each rate of B′ and of G has changed by since B, in one line; for where the cells have no room for it."""
    mine = (("valid", b.valid, now.valid), ("test", b.test, now.test), ("ASR", b.asr, now.asr))
    theirs = (("test", b.test, now.g_test), ("ASR", b.asr, now.g_asr))
    told = [f"B′ {said}" if (said := _told(mine)) else "", f"G {said}" if (said := _told(theirs)) else ""]
    return "since B: " + " · ".join(filter(None, told))


def _told(listed: Sequence[tuple[str, float | None, float | None]]) -> str:
    found = [(name, b - now) for name, b, now in listed if b is not None and now is not None]
    return ", ".join(f"{name} {format_drop(lost)}" for name, lost in found)

"""Results: the lab's table, for B and for B′ and G at every saved step."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from engine.api import protocol as p
from engine.api.deliverables import File
from engine.api.protocol import threshold_label
from engine.api.published import applies, published_counts
from engine.api.rates import wilson
from tui.model.actions import Action, bindings
from tui.model.formatting import file_name, format_drop, key_of, rate, short_path
from tui.model.run_state import (
    Figures,
    RunState,
    figures,
    file_figures,
    images,
    networks,
    of_counts,
    of_order,
    tuned_figures,
    tuned_networks,
)
from tui.screens.run_screen import RunScreen
from tui.widgets.cell_rows import Part, Row, blank, over, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.event_log import fold
from tui.widgets.mouse import place
from tui.widgets.rows_view import RowsView, css_beside

DIMMED = str.maketrans("vagx.", "ddddd")
WIDTHS = (9, 9, 11, 9, 13, 10)  # cells of the figures in a row, and where there is little room
NARROW = (7, 7, 9, 0, 9, 7)
ROOMY = 72  # columns from which there is room for what stands beside the figures
AROUND = 7  # rows of header, margin, paths, hint and keys
LEAST = 6  # rows that are left to the table, however much there is to say below it


class Entry(NamedTuple):
    """A block of the table: B alone, or B′ and G at one step. `path`: the file of B′, empty where none is saved.

    `file`: what is in it.
    """

    name: str
    step: int
    path: str
    file: File | None = None


def entries(state: RunState) -> list[Entry]:
    """B, each saved step by its drop, and the playhead where it stands elsewhere."""
    saved = [file for file in networks(state) if file.counts]
    found = [Entry("B", 0, ""), *(Entry(_name(s), s.step or 0, s.path, s) for s in (*saved, *tuned_networks(state)))]
    if not any(entry.step == state.step and (not entry.file or of_order(state, entry.file)) for entry in found):
        found.append(Entry("now", state.step, ""))
    return found


def _name(saved: File) -> str:
    if saved.what == "tuned":
        return "tuned"
    return threshold_label(saved.threshold) if saved.threshold else "step"


class ResultsTable(RowsView):
    """The table, with a highlighted block whose file the keys act on."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._state = RunState()
        self._at = 0
        self._top = 0

    @property
    def chosen(self) -> Entry | None:
        found = entries(self._state) if self._state.ready else []
        return found[min(self._at, len(found) - 1)] if found else None

    def show(self, state: RunState) -> None:
        self._state = state
        self.redraw()

    def move(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(entries(self._state)) - 1))
        self.redraw()

    class Clicked(Message):
        """A click, or the wheel, has highlighted a block."""

    def on_click(self, event: Click) -> None:
        """Highlight the block that is drawn in the row that was clicked."""
        at = place(event, self)
        if at is not None and (found := self._block_at(at[1])) is not None:
            self._at = found
            self.redraw()
            self.post_message(self.Clicked())

    def _block_at(self, y: int) -> int | None:
        """The block that has this row, as long as the table is not scrolled for it."""
        before = self._at, self._top
        try:
            for number in range(len(entries(self._state))):
                self._at, self._top = number, before[1]
                rows = self.draw(*self.content_size)
                if self._top == before[1] and y < len(rows) and rows[y].back:
                    return number
        finally:
            self._at, self._top = before
        return None

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)
        self.post_message(self.Clicked())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
        self.post_message(self.Clicked())

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state, chosen = self._state, self.chosen
        if chosen is None:
            return [row(width, ("  B is not measured yet.", "d"))]
        extra = figures(state, 0) is not None and state.measured != {} and width >= 100
        head, body = _head(width, extra), self._body(width, extra)
        if len(head) + len(body) > height:
            head, body = head[:-1], [line for line in body if line.text.strip()]
        return [*head, *self._seen(body, max(1, height - len(head)))]

    def _body(self, width: int, extra: bool) -> list[Row]:
        """The blocks, each with a blank row before the next."""
        blocks = [_block(self._state, entry, width, extra, entry == self.chosen) for entry in entries(self._state)]
        return [line for block in blocks for line in block][:-1]

    def _seen(self, body: list[Row], room: int) -> list[Row]:
        """As much as there is room for, with the highlighted block, and a scrollbar where that is not all."""
        chosen = [y for y, line in enumerate(body) if line.back]
        self._top = max(min(self._top, chosen[0], len(body) - room), chosen[-1] + 1 - room, 0)
        bar = scrollbar(self._top, room, len(body))
        return [over(line, len(line.text) - 1, mark, "d") for line, mark in zip(body[self._top :], bar, strict=False)]


def _head(width: int, extra: bool) -> list[Row]:
    """Two rows, what is measured and on which set, and a blank one."""
    valid, test, poisoned, poisoned_valid, detected, alarms = _widths(width, extra)
    over_two = ("accuracy on clean", "attack on", 'answered "backdoored"')
    accuracy, attack, backdoored = over_two if width >= ROOMY else ("accuracy", "attack", '"backdoored"')
    what = accuracy.rjust(valid + test) + attack.rjust(poisoned) + " " * poisoned_valid
    what += backdoored.rjust(detected + alarms) + " "
    sets = "valid".rjust(valid) + "test".rjust(test) + "poisoned".rjust(poisoned)
    sets += "p. valid".rjust(poisoned_valid) if poisoned_valid else ""
    sets += "poisoned".rjust(detected) + "clean".rjust(alarms) + " "
    return [row(width, right=((what, "d"),)), row(width, ("   percent", "d"), right=((sets, "d"),)), blank(width)]


def _widths(width: int, extra: bool) -> tuple[int, ...]:
    """Cells of each figure; none for the attack on validation images, where that is not shown."""
    widths = WIDTHS if width >= ROOMY else NARROW
    return widths if extra else (*widths[:3], 0, *widths[4:])


def _block(state: RunState, entry: Entry, width: int, extra: bool, chosen: bool) -> list[Row]:
    if entry.file is not None and entry.file.what == "tuned":
        return _tuned_block(state, entry, entry.file, width, extra, chosen)
    found = file_figures(state, entry.file) if entry.file else figures(state, entry.step)
    if found is None:
        return []
    back = "cursor" if chosen else ""
    theirs = beside(state, entry.file.pruned if entry.file else state.order[: entry.step])
    if entry.step == 0:
        return [
            _line("B", "as it came", _b(found), extra, width, back),
            *([_published(_b(theirs), extra, width, back)] if theirs else []),
            blank(width),
        ]
    where = f"{entry.name} @{entry.step}" if entry.path else f"step {entry.step}"
    where += "" if entry.file is None or of_order(state, entry.file) else ", another order"
    file = file_name(entry.path) if entry.path else "not saved"
    drop = f"  ({format_drop(found.drop)})" if width >= ROOMY else ""
    file = file if width >= ROOMY or not entry.path else ""  # the path of the highlighted one stands below
    return [
        _line("B′", where + drop, _b(found), extra, width, back),
        *([_published(_b(theirs), extra, width, back)] if theirs else []),
        _line("G", file, _g(found), extra, width, back),
        *([_published(_g(theirs), extra, width, back)] if theirs else []),
        blank(width),
    ]


def _tuned_block(state: RunState, entry: Entry, file: File, width: int, extra: bool, chosen: bool) -> list[Row]:
    """B″ and its G. All validation images tell nothing of it: it was trained on most of them."""
    now = tuned_figures(state, state.tunings[file.tuning or 0], file.epoch or 0)
    back, name = ("cursor" if chosen else ""), (file_name(entry.path) if width >= ROOMY else "")
    where = f"tuned @{entry.step}" + (f"  hold-out {rate(now.holdout)}" if width >= ROOMY else "")
    return [
        _line("B″", where, (None, now.test, now.asr, None, None, None), extra, width, back),
        _line("G", name, (None, now.g_test, now.g_asr, None, now.detection, now.false_alarm), extra, width, back),
        blank(width),
    ]


def beside(state: RunState, pruned: tuple[int, ...]) -> Figures | None:
    """What the lab published for these channels at zero, where the inputs are the lab's own files."""
    if state.opened is None or not applies(state.opened):
        return None
    counts = published_counts(pruned)
    return of_counts(state, counts, state.steps[0].counts) if counts else None


def _published(cells: "Cells", extra: bool, width: int, back: str) -> Row:
    """Published rates under one's own, in the same columns."""
    line = _line("", "published", cells, extra, width, back)
    return line._replace(ink=line.ink.translate(DIMMED))


Cells = tuple[float | None, ...]  # valid, test, attack on test, attack on valid, detection, false alarm


def _b(f: Figures) -> Cells:
    return f.valid, f.test, f.asr, f.valid_asr, None, None


def _g(f: Figures) -> Cells:
    return None, f.g_test, f.g_asr, None, f.detection, f.false_alarm


def _line(who: str, where: str, cells: Cells, extra: bool, width: int, back: str) -> Row:
    inks = ("v", "v", "a", "a", "g", "x") if who != "G" else ("g", "g", "x", "x", "g", "x")
    figures_: list[Part] = [
        (rate(cell).rjust(w), "d" if cell is None else ink)
        for cell, ink, w in zip(cells, inks, _widths(width, extra), strict=True)
        if w
    ]
    return row(width, (f"  {who.ljust(4)}", "b"), (where, "."), right=(*figures_, (" ", ".")), back=back)


def intervals(state: RunState, entry: Entry) -> list[str]:
    """The 95 % Wilson intervals of a block's rates, in percent: a line for B or B′, and one for G."""
    known = state.steps.get(entry.step)
    counts = entry.file.counts if entry.file else known.counts if known else None
    if counts is None:
        return []
    mine: list[tuple[str, int | None, p.SetName]] = [
        ("valid", counts.valid, "valid"), ("test", counts.test, "test"), ("ASR", counts.poisoned, "poisoned"),
    ]  # fmt: skip
    theirs: list[tuple[str, int | None, p.SetName]] = [
        ("test", counts.g_test, "test"), ("ASR", counts.g_poisoned, "poisoned"),
        ("detected", counts.detected, "poisoned"), ("alarms", counts.false_alarms, "test"),
    ]  # fmt: skip
    names = ("B", "") if entry.step == 0 else ("B′", "G")
    lines = [f"{name} {_ends(state, listed)}" for name, listed in zip(names, (mine, theirs), strict=True) if name]
    return [f"95 %: {lines[0]}", *(f"      {line}" for line in lines[1:])]


def _ends(state: RunState, listed: list[tuple[str, int | None, p.SetName]]) -> str:
    found = [(name, *wilson(hits, images(state, of))) for name, hits, of in listed if hits is not None]
    return "  ".join(f"{name} {low:.1f}-{high:.1f}" for name, low, high in found)


class Facts(RowsView):
    """Below the table: what the curve says, and where the highlighted file and the others lie."""

    DEFAULT_CSS = ""

    def __init__(self, table: Iterable[Action]) -> None:
        super().__init__()
        self._state, self._path, self._key = RunState(), "", key_of(table, "export")
        self._sure: list[str] = []

    def show(self, state: RunState, path: str, sure: list[str]) -> None:
        self._state, self._path, self._sure = state, path, sure
        self.on_resize()
        self.redraw()

    def on_resize(self) -> None:
        self.styles.height = len(self._said(self.size.width or self.app.size.width)) + len(self._sure) + 2

    def _said(self, width: int) -> list[str]:
        """What the curve says, in lines; cut where too little room would be left to the table."""
        verdict = self._state.finished.verdict if self._state.finished else ""
        lines = fold(verdict, width - 4) if verdict else []
        room = max(1, self.app.size.height - LEAST - AROUND)
        return lines if len(lines) <= room else [*lines[: room - 1], lines[room - 1][: width - 6] + " …"]

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        state = self._state
        there = state.written and any(file.what == "curve.csv" for file in state.files.values())
        files = "  curve, results, report are in " if there else f"  {self._key} writes curve, results, report to "
        run = state.opened.run if state.opened else ""
        return [
            *(row(width, ("  " + line, ".")) for line in self._sure),
            *(row(width, ("  " + line, "b")) for line in self._said(width)),
            row(width, ("  B′ ", "d"), (short_path(self._path, width - 6), ".")) if self._path else blank(width),
            row(width, (files, "d"), (short_path(run, width - len(files) - 1), ".")),
        ]


class ResultsScreen(RunScreen):
    """The table, and under it where the files lie."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("results")]
    SCOPES = ("results", "run")
    HINTS = (
        'G answers "backdoored" where B and B′ differ: that is all it knows.',
        'G: "backdoored" where B and B′ differ.',
    )

    def __init__(self) -> None:
        super().__init__()
        self._intervals = False

    def body(self) -> Iterator[Widget]:
        yield ResultsTable()
        yield Facts(self.lab.actions)

    def show(self, state: RunState) -> None:
        table = self.query_one(ResultsTable)
        table.show(state)
        chosen = table.chosen
        sure = intervals(state, chosen) if chosen and self._intervals else []
        self.query_one(Facts).show(state, chosen.path if chosen else "", sure)

    def action_intervals(self) -> None:
        self._intervals = not self._intervals
        self.show(self.lab.state)

    @on(ResultsTable.Clicked)
    def _clicked(self) -> None:
        self.show(self.lab.state)

    def action_result_down(self) -> None:
        self._move(1)

    def action_result_up(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        self.query_one(ResultsTable).move(by)
        self.show(self.lab.state)

    def action_copy_path(self) -> None:
        """Copy the path of the highlighted B′, or of the run folder."""
        chosen, opened = self.query_one(ResultsTable).chosen, self.lab.state.opened
        if path := (chosen.path if chosen and chosen.path else opened.run if opened else ""):
            self.lab.copy(path)

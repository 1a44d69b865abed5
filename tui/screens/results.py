"""Results: the lab's table, for B and for B′ and G at every saved step."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from engine.api.deliverables import File
from engine.api.protocol import threshold_label
from engine.api.published import applies, published_counts
from tui.model.actions import Action, bindings
from tui.model.certainty import certainty
from tui.model.first_fall import FirstFall, first_fall
from tui.model.formatting import file_name, key_of, rate, short_path
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
from tui.screens import result_cells
from tui.screens.result_cells import Cells, Layout
from tui.screens.run_screen import RunScreen
from tui.widgets.cell_rows import Part, Row, blank, over, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.chart import Chart, chart_data
from tui.widgets.event_log import fold
from tui.widgets.mouse import place
from tui.widgets.rows_view import RowsView

INKS = {"B": "vvaagx", "B′": "vvaagx", "G": "ggxxgx"}  # of the columns, by network
AROUND = 7  # rows of header, margin, paths, hint and keys
CHART = 9  # rows from which a chart says something
BESIDE = 78  # columns of the chart beside the table, with its frame, on the largest screens
HANGING = "      "  # before what goes on from the line above
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

    DEFAULT_CSS = ""

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
        if self.chosen is None:
            return [row(width, ("  B is not measured yet.", "d"))]
        made = self._layout(width)
        head, body = [*result_cells.head(width, made), blank(width)], self._body(width, made)
        if len(head) + len(body) > height:
            head, body = head[:-1], [line for line in body if line.text.strip()]
        return [*head, *self._seen(body, max(1, height - len(head)))]

    def rows(self, width: int) -> int:
        """Rows that the whole table takes."""
        return 4 + len(self._body(width, self._layout(width))) if self._state.ready else 1

    def tells_changes(self, width: int) -> bool:
        """Whether the cells have room for what each rate has changed by since B."""
        return self._layout(width).change

    def _layout(self, width: int) -> Layout:
        return result_cells.layout(width, self._state.measured != {} and images(self._state, "poisoned_valid") > 0)

    def _body(self, width: int, made: Layout) -> list[Row]:
        """The blocks, each with a blank row before the next."""
        blocks = [_block(self._state, entry, width, made, entry == self.chosen) for entry in entries(self._state)]
        return [line for block in blocks for line in block][:-1]

    def _seen(self, body: list[Row], room: int) -> list[Row]:
        """As much as there is room for, with the highlighted block, and a scrollbar where that is not all."""
        chosen = [y for y, line in enumerate(body) if line.back]
        self._top = max(min(self._top, chosen[0], len(body) - room), chosen[-1] + 1 - room, 0)
        bar = scrollbar(self._top, room, len(body))
        return [over(line, len(line.text) - 1, mark, "d") for line, mark in zip(body[self._top :], bar, strict=False)]


def _block(state: RunState, entry: Entry, width: int, made: Layout, chosen: bool) -> list[Row]:
    if entry.file is not None and entry.file.what == "tuned":
        return _tuned_block(state, entry, entry.file, width, made, chosen)
    found, base = block_figures(state, entry), figures(state, 0)
    if found is None or base is None:
        return []
    back, b = ("cursor" if chosen else ""), _b(base)
    theirs = beside(state, entry.file.pruned if entry.file else state.order[: entry.step])
    if entry.step == 0:
        return [
            result_cells.line(_left("B", "nothing pruned"), b, None, INKS["B"], width, made, back),
            *([_published(_b(theirs), width, made, back)] if theirs else []),
            blank(width),
        ]
    where = f"{entry.name} @{entry.step}" if entry.path else f"step {entry.step}"
    other = "" if entry.file is None or of_order(state, entry.file) else "other order"
    file = file_name(entry.path) if entry.path else "not saved"
    answers = file_name(path) if entry.file and (path := answers_of(state, entry.file)) else ""
    against = _b(base)
    return [
        result_cells.line(_left("B′", where, file), _b(found), against, INKS["B′"], width, made, back),
        *([_published(_b(theirs), width, made, back)] if theirs else []),
        result_cells.line(_left("G", other, answers), _g(found), against, INKS["G"], width, made, back),
        *([_published(_g(theirs), width, made, back)] if theirs else []),
        blank(width),
    ]


def block_figures(state: RunState, entry: Entry) -> Figures | None:
    """The figures of a block's networks; None where they are not known, or are those of a tuned one."""
    if entry.file is not None and entry.file.what == "tuned":
        return None
    return file_figures(state, entry.file) if entry.file else figures(state, entry.step)


def answers_of(state: RunState, network: File) -> str:
    """The file with what G of B and this network answers; empty where none stands on disk."""
    same = (
        file.path
        for file in state.files.values()
        if file.what == "answers"
        and (file.channels, file.tuning, file.epoch) == (network.channels, network.tuning, network.epoch)
    )
    named = sorted(
        same, key=lambda path: file_name(path).rsplit("_", 1)[-1] != file_name(network.path).rsplit("_", 1)[-1]
    )
    return named[0] if named else ""


def _left(who: str, where: str, file: str = "") -> tuple[Part, ...]:
    return (f"  {who.ljust(3)}", "b"), (f"{where} ".ljust(11), "."), (file, "d" if file == "not saved" else ".")


def _tuned_block(state: RunState, entry: Entry, file: File, width: int, made: Layout, chosen: bool) -> list[Row]:
    """B″ and its G. All validation images tell nothing of it: it was trained on most of them."""
    now, base = tuned_figures(state, state.tunings[file.tuning or 0], file.epoch or 0), figures(state, 0)
    back, against = ("cursor" if chosen else ""), _b(base) if base else None
    mine = (None, now.test, now.asr, None, None, None)
    theirs = (None, now.g_test, now.g_asr, None, now.detection, now.false_alarm)
    held_out = f"hold-out {rate(now.holdout)}"
    left = _left("B″", f"tuned @{entry.step}", file_name(entry.path))
    return [
        result_cells.line(left, mine, against, INKS["B′"], width, made, back),
        result_cells.line(_left("G", "", held_out), theirs, against, INKS["G"], width, made, back),
        blank(width),
    ]


def beside(state: RunState, pruned: tuple[int, ...]) -> Figures | None:
    """What the lab published for these channels at zero, where the inputs are the lab's own files."""
    if state.opened is None or not applies(state.opened):
        return None
    counts = published_counts(pruned)
    return of_counts(state, counts, state.steps[0].counts) if counts else None


def _published(cells: Cells, width: int, made: Layout, back: str) -> Row:
    """Published rates under one's own, in the same columns."""
    plain = made._replace(bar=0, change=made.change)
    return result_cells.line(_left("", "published"), cells, None, "dddddd", width, plain, back)


def _b(f: Figures) -> Cells:
    return f.valid, f.test, f.asr, f.valid_asr, None, None


def _g(f: Figures) -> Cells:
    return None, f.g_test, f.g_asr, None, f.detection, f.false_alarm


class Facts(RowsView):
    """Below the table: what the curve says, and where the highlighted file and the others lie."""

    DEFAULT_CSS = ""

    def __init__(self, table: Iterable[Action]) -> None:
        super().__init__()
        self._state, self._path, self._key = RunState(), "", key_of(table, "export")
        self._sure: list[str] = []

    def show(self, state: RunState, path: str, sure: list[str]) -> None:
        """`path`: of the highlighted network. `sure`: lines about its rates."""
        self._state, self._path, self._sure = state, path, sure
        self.on_resize()
        self.redraw()

    def on_resize(self) -> None:
        width = self.size.width or self.app.size.width
        self.styles.height = len(self._told(width)) + len(self._said(width)) + 2

    def _told(self, width: int) -> list[str]:
        """How sure the highlighted rates are, in lines."""
        lines: list[str] = []
        for line in self._sure:
            first, *more = fold(line, width - 4)
            lines += [first, *(HANGING + piece for piece in fold(" ".join(more), width - 4 - len(HANGING)) if piece)]
        return self._cut(lines, width, 0)

    def _said(self, width: int) -> list[str]:
        """What the curve says, in lines."""
        verdict = self._state.finished.verdict if self._state.finished else ""
        return self._cut(fold(verdict, width - 4) if verdict else [], width, len(self._told(width)))

    def _cut(self, lines: list[str], width: int, above: int) -> list[str]:
        """Lines that stand below others, cut where too little room would be left to the table."""
        room = max(0 if above else 1, self.app.size.height - LEAST - AROUND - above)
        if not room:
            return []
        return lines if len(lines) <= room else [*lines[: room - 1], lines[room - 1][: width - 6] + " …"]

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        state = self._state
        there = state.written and any(file.what == "curve.csv" for file in state.files.values())
        files = "  curve, results, report are in " if there else f"  {self._key} writes curve, results, report to "
        run = state.opened.run if state.opened else ""
        return [
            *(row(width, ("  " + line, ".")) for line in self._told(width)),
            *(row(width, ("  " + line, "b")) for line in self._said(width)),
            row(width, ("  file ", "d"), (short_path(self._path, width - 8), ".")) if self._path else blank(width),
            row(width, (files, "d"), (short_path(run, width - len(files) - 1), ".")),
        ]


class Body(Horizontal):
    """The table with the curve below it, or beside it, where there is room; on the largest screens both, and G's."""

    def on_resize(self) -> None:
        self.share_room()

    def share_room(self) -> None:
        """Give the table the rows it needs, and the chart below what is left, where that is enough for one."""
        table, below, beside = self.query_one(ResultsTable), self.query_one("#below"), self.query_one("#beside")
        beside.display = self.screen.has_class("-broad")
        width = self.size.width - (BESIDE if beside.display else 0)
        rows = table.rows(width)
        below.display = self.size.height - rows - 1 >= CHART
        table.styles.height = rows if below.display else "1fr"


class ResultsScreen(RunScreen):
    """The table, and under it where the files lie."""

    CSS_PATH: ClassVar = "results.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("results")]
    SCOPES = ("results", "run")
    HINTS = (
        'G: where B and B′ agree, that class; where they differ, "backdoored". @: the step that was saved.',
        'G: "backdoored" where B and B′ differ.',
    )

    def __init__(self) -> None:
        super().__init__()
        self._intervals = False

    def body(self) -> Iterator[Widget]:
        with Body():
            with Vertical(id="table"):
                yield ResultsTable()
                yield Chart(id="below")
            yield Chart(id="beside")
        yield Facts(self.lab.actions)

    def show(self, state: RunState) -> None:
        table = self.query_one(ResultsTable)
        table.show(state)
        chosen = table.chosen
        self.query_one(Facts).show(state, chosen.path if chosen else "", self._said(state, chosen))
        both = self.has_class("-broad")
        for chart, of_g in (("#below", both), ("#beside", False)):
            self.query_one(chart, Chart).data = chart_data(state, of_g=of_g)
            self.query_one(chart, Chart).show_verdict(FirstFall() if of_g or state.finished else first_fall(state))
        self.query_one(Body).share_room()

    def _said(self, state: RunState, chosen: Entry | None) -> list[str]:
        """Lines about the highlighted rates: their intervals, on demand, and what has no room in the cells."""
        if chosen is None:
            return []
        lines = self._certainty(state, chosen) if self._intervals else []
        now, base = block_figures(state, chosen), figures(state, 0)
        if now and base and chosen.step and not self.query_one(ResultsTable).tells_changes(self.size.width):
            lines.append(result_cells.changes(base, now))
        return lines

    def _certainty(self, state: RunState, chosen: Entry) -> list[str]:
        """How sure a block's rates are; nothing of one that is not counted, or is tuned."""
        known, file = state.steps.get(chosen.step), chosen.file
        counts = file.counts if file else known.counts if known else None
        if counts is None:
            return []
        pruned = file.pruned if file else state.order[: chosen.step]
        return certainty(state, counts, pruned, file.threshold if file else None, key_of(self.lab.actions, "export"))

    def action_go_there(self) -> None:
        """Go to the step of the highlighted block, on the workbench."""
        chosen, state = self.query_one(ResultsTable).chosen, self.lab.state
        if chosen is None:
            return
        if chosen.file is not None and chosen.file.what != "tuned" and not of_order(state, chosen.file):
            self.lab.show_notice("That was saved in another order: its step holds other channels now.")
            return
        self.lab.go_to(chosen.step)
        self.app.pop_screen()

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

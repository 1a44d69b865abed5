"""Runs: a table of every run of a lab, to open one, compare two, or move one to the trash."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widgets import Static

from engine.api.errors import LabError
from engine.api.journal import RunSummary, all_runs
from engine.api.run_table import RunRow, named, oracle, run_row
from engine.api.trash import move_to_trash
from tui.model.actions import bindings
from tui.model.formatting import key_of, short_path
from tui.screens.base import LabScreen
from tui.screens.dialogs import Choice, Choose
from tui.screens.keybar import KeyBar
from tui.screens.run_screen import Hint
from tui.widgets.cell_rows import Part, Row, fit, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.event_log import fold
from tui.widgets.mouse import place
from tui.widgets.rows_view import RowsView

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Column(NamedTuple):
    """A heading, its width, its text, the key that sorts by it, and the width of the table from which it is shown."""

    name: str
    width: int
    text: Callable[[RunRow], str]
    key: Callable[[RunRow], Any]
    least: int = 0


def state(line: RunRow) -> str:
    """How far a run has come."""
    run = line.run
    if line.goes_on:
        return "at work"
    if run.finished:
        return "finished"
    return f"step {run.step} of {run.steps}" if run.steps else "just begun"


def when(run: RunSummary) -> str:
    """The date and the time of day, to the minute."""
    return run.started[:16].replace("T", " ")


def when_in_short(run: RunSummary) -> str:
    """The same without its year, which the name of the folder has: 28 Nov 08:33."""
    month, day, hour = run.started[5:7], run.started[8:10], run.started[11:16]
    return f"{day} {MONTHS[int(month) - 1]} {hour}" if month.isdigit() and 1 <= int(month) <= 12 else when(run)


def at_thresholds(line: RunRow) -> str:
    return "  ".join(f"-{each}@{step}" for each, step in line.reached)


COLUMNS = (
    Column("begun", 13, lambda line: when_in_short(line.run), lambda line: line.run.started),
    Column("network", 12, lambda line: line.run.model or "not open yet", lambda line: line.run.model),
    Column("layer", 8, lambda line: line.layer, lambda line: line.layer),
    Column("order", 10, lambda line: line.order, lambda line: line.order),
    Column("state", 13, state, lambda line: (line.run.finished, line.run.step)),
    Column("fell first", 15, lambda line: line.verdict.removesuffix(" first"), lambda line: line.verdict, 80),
    Column("thresholds, pt@step", 34, at_thresholds, lambda line: line.reached, 118),
    Column("held by", 40, lambda line: line.held_by, lambda line: line.held_by, 160),
)
DATED = COLUMNS[0]._replace(width=16, text=lambda line: when(line.run))
ROOMY = 82  # cells from which the whole date is shown
BESIDE = 3  # cells of the sign before a line, and the scrollbar


def columns(width: int) -> list[Column]:
    """The columns that a table of this width shows."""
    shown = [column for column in COLUMNS if width >= column.least]
    return [DATED, *shown[1:]] if width >= ROOMY else shown


class RunsTable(RowsView):
    """A line a run, newest first until a column sorts it. `marked`: folders of the runs to compare."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[RunRow] = []
        self.marked: list[str] = []
        self.open_now = ""  # the folder of the run that is open
        self._at = self._top = 0
        self._column, self._backwards = 0, True

    @property
    def chosen(self) -> RunRow | None:
        return self.lines[self._at] if self.lines else None

    def show(self, lines: Sequence[RunRow]) -> None:
        """Put these lines in the table's order; the highlight stays on its run."""
        chosen = self.chosen
        key = COLUMNS[self._column].key
        self.lines = sorted(lines, key=lambda line: (key(line), line.run.started), reverse=self._backwards)
        places = {line.run.folder: at for at, line in enumerate(self.lines)}
        self._at = places.get(chosen.run.folder, min(self._at, len(self.lines) - 1)) if chosen else 0
        self._at = max(0, self._at)
        self.redraw()

    def move(self, by: int) -> None:
        self._at = max(0, min(len(self.lines) - 1, self._at + by))
        self.redraw()

    def highlight(self, folder: str) -> None:
        self._at = next((at for at, line in enumerate(self.lines) if line.run.folder == folder), self._at)
        self.redraw()

    def sort(self, column: int | None = None) -> None:
        """Sort by a column, the other way round where it sorts already; without one by the next that is shown."""
        shown = len(columns(self.size.width))
        wanted = (self._column + 1) % shown if column is None else column
        self._backwards = not self._backwards if wanted == self._column else wanted == 0
        self._column = wanted
        self.show(self.lines)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        room = height - 1
        if not self._top <= self._at < self._top + room:
            self._top = self._at - room // 3
        self._top = max(0, min(self._top, len(self.lines) - room))
        bar = scrollbar(self._top, room, len(self.lines))
        seen = [self._line(line, width - 1) for line in self.lines[self._top : self._top + room]]
        return [self._heading(width), *(Row(r.text + m, r.ink + "d", r.back) for r, m in zip(seen, bar, strict=False))]

    def _heading(self, width: int) -> Row:
        parts: list[Part] = [("  ", ".")]
        for at, column in enumerate(columns(width)):
            sign = ("▾" if self._backwards else "▴") if at == self._column else ""
            parts.append((fit(column.name + sign, column.width) + " ", "b" if at == self._column else "d"))
        return row(width, *parts)

    def _line(self, line: RunRow, width: int) -> Row:
        mark = "◆ " if line.run.folder in self.marked else "▸ " if line.run.folder == self.open_now else "  "
        parts: list[Part] = [(mark, "k")]
        for column in columns(width + 1):
            ink = "a" if column.name == "order" and oracle(line) else "d" if column.name == "begun" else "."
            parts.append((fit(column.text(line), column.width) + " ", ink))
        return row(width, *parts, back="cursor" if line is self.chosen else "")

    # --- mouse ---

    class Clicked(Message):
        """A click, or the wheel, has highlighted a line; `again`: it was the second one there."""

        def __init__(self, again: bool = False) -> None:
            super().__init__()
            self.again = again

    def on_click(self, event: Click) -> None:
        """A click on a heading sorts by its column, one on a line highlights it, a second one there opens it."""
        at = place(event, self)
        if at is None:
            return
        if at[1] == 0:
            if (column := column_at(at[0], self.size.width)) is not None:
                self.sort(column)
        elif 0 <= (line := self._top + at[1] - 1) < len(self.lines):
            again = line == self._at and event.chain > 1
            self._at = line
            self.redraw()
            self.post_message(self.Clicked(again))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)
        self.post_message(self.Clicked())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
        self.post_message(self.Clicked())


def column_at(x: int, width: int) -> int | None:
    """The column whose heading is at this cell."""
    start = 2
    for at, column in enumerate(columns(width)):
        if start <= x < start + column.width + 1:
            return at
        start += column.width + 1
    return None


def about(line: RunRow | None, open_now: str, width: int) -> list[str]:
    """What is known of the highlighted run beyond its line."""
    if line is None:
        return []
    shown = any(column.name == "fell first" for column in columns(width + 4))
    told = [] if shown or not line.verdict else [f"fell first: {line.verdict}"]
    if line.rates:
        valid, asr = line.rates
        at = f"step {line.run.step}: valid acc {valid:.2f} %"
        told.append(at if asr is None else f"{at}, ASR {asr:.2f} %")
    reached = ", ".join(f"-{each} pt at step {step}" for each, step in line.reached)
    told.append(f"reached {reached}" if reached else "no threshold reached")
    if oracle(line):
        told.append("ORACLE order")
    if line.run.folder == open_now:
        told.append("open in this window")
    elif line.goes_on:
        told.append("its engine goes on without a window")
    elif line.held_by:
        told.append(f"held by {line.held_by}: it can be looked at only")
    return [short_path(line.run.folder, width), *fold(" · ".join(told), width)]


class RunFacts(RowsView):
    """Under the table: where the highlighted run lies, and what it came to."""

    DEFAULT_CSS = ""
    ROWS = 3

    def __init__(self) -> None:
        super().__init__()
        self.styles.height = self.ROWS
        self._line: RunRow | None = None
        self._open_now = ""

    def show(self, line: RunRow | None, open_now: str) -> None:
        self._line, self._open_now = line, open_now
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        lines = about(self._line, self._open_now, width - 4)
        return [row(width, ("  " + line, "d" if not at else ".")) for at, line in enumerate(lines[: self.ROWS])]


class RunsScreen(LabScreen):
    """The runs in `folder`. `first`: nothing is open yet, and escape begins a new run."""

    CSS_PATH: ClassVar = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("runs")]
    SCOPES = ("runs",)

    def __init__(self, folder: Path, first: bool, found: Sequence[RunSummary] = ()) -> None:
        super().__init__()
        self._folder, self._first = folder, first
        self._rows = {run.folder: RunRow(run) for run in found}

    def compose(self) -> ComposeResult:
        yield Static(Text.assemble(("lab3", "bold"), "  runs in ", short_path(str(self._folder), 60)), id="title")
        yield RunsTable()
        yield RunFacts()
        yield Hint(self.lab.actions, self._hints(), back="begins a new run" if self._first else "back")
        yield KeyBar(self.lab.actions, "runs", "app")

    def _hints(self) -> tuple[str, ...]:
        keys = {name: key_of(self.lab.actions, name) for name in ("mark_run", "compare_runs", "trash_run")}
        first = "Runs of before are here; open one, or begin a new one." if self._first else ""
        long = f"{first} {keys['mark_run']} marks two, {keys['compare_runs']} compares them.".strip()
        return long, first or f"{keys['mark_run']} marks two to compare."

    def on_mount(self) -> None:
        opened = self.lab.latest.opened
        self.query_one(RunsTable).open_now = opened.run if opened else ""
        self.refresh_lines()
        self.run_worker(self._read(), group="runs", exclusive=True)

    def refresh_lines(self) -> None:
        """Show what is known of the runs by now."""
        table = self.query_one(RunsTable)
        table.show(list(self._rows.values()))
        self.query_one(RunFacts).show(table.chosen, table.open_now)

    async def _read(self) -> None:
        """Read the runs, the newest first, each shown as soon as it is read."""
        if not self._rows:
            self._rows = {run.folder: RunRow(run) for run in await asyncio.to_thread(all_runs, self._folder)}
            self.refresh_lines()
        for folder, line in list(self._rows.items()):
            found = await asyncio.to_thread(run_row, line.run)
            if folder in self._rows:
                self._rows[folder] = found
                self.refresh_lines()
        if not self._rows:
            self.lab.show_notice("There is no run here yet.")

    def go_back(self) -> None:
        """Escape: back to what is open; where nothing is yet, begin a new run."""
        if self._first:
            self.lab.begin_new()
        else:
            super().go_back()

    # --- what keys do ---

    @on(RunsTable.Clicked)
    def _clicked(self, event: RunsTable.Clicked) -> None:
        self._tell()
        if event.again:
            self.action_open_run()

    def _tell(self) -> None:
        """Say below the table what is known of the highlighted run."""
        table = self.query_one(RunsTable)
        self.query_one(RunFacts).show(table.chosen, table.open_now)

    def action_run_down(self) -> None:
        self._move(1)

    def action_run_up(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        self.query_one(RunsTable).move(by)
        self._tell()

    def action_sort_runs(self) -> None:
        self.query_one(RunsTable).sort()
        self._tell()

    def action_open_run(self) -> None:
        table = self.query_one(RunsTable)
        if table.chosen is None:
            return
        if table.chosen.run.folder == table.open_now and self.lab.latest.ready:
            super().go_back()
        else:
            self.lab.open_run(table.chosen.run)

    def action_new_run(self) -> None:
        """Begin a run: at the start on the files of this folder, else ask for them."""
        if self._first:
            self.lab.begin_new()
        else:
            self.lab.ask_open()

    def action_mark_run(self) -> None:
        """Mark the highlighted run, or take its mark away; of three marks the oldest goes."""
        table = self.query_one(RunsTable)
        if table.chosen is None:
            return
        folder = table.chosen.run.folder
        others = [each for each in table.marked if each != folder]
        table.marked = others if folder in table.marked else [*others, folder][-2:]
        table.move(1)
        self._tell()

    def action_compare_runs(self) -> None:
        """Lay the two marked runs over each other; one that is marked, over the highlighted one."""
        table = self.query_one(RunsTable)
        folders = list(table.marked)
        if len(folders) == 1 and table.chosen and table.chosen.run.folder not in folders:
            folders.append(table.chosen.run.folder)
        if len(folders) < 2:
            return self.lab.show_notice(f"{key_of(self.lab.actions, 'mark_run')} marks a run; mark two to compare.")
        from tui.screens.run_comparison import compared

        try:
            self.app.push_screen(compared([Path(folder) for folder in folders]))
        except LabError as error:
            self.lab.show_notice(str(error), "warning")

    def action_trash_run(self) -> None:
        """Ask, then move the highlighted run to the trash."""
        table = self.query_one(RunsTable)
        line = table.chosen
        if line is None:
            return
        if line.run.folder == table.open_now:
            return self.lab.show_notice("This run is open here; open another one first.", "warning")

        def answer(result: str | None) -> None:
            if result == "trash":
                self.run_worker(self._trash(line), group="trash")

        self.app.push_screen(trash_question(line), answer)

    async def _trash(self, line: RunRow) -> None:
        try:
            place = await asyncio.to_thread(move_to_trash, line.folder)
        except LabError as error:
            return self.lab.show_notice(str(error), "warning")
        del self._rows[line.run.folder]
        table = self.query_one(RunsTable)
        table.marked = [each for each in table.marked if each != line.run.folder]
        self.refresh_lines()
        self.lab.show_notice(f"Moved to {short_path(str(place), 100)}")


def trash_question(line: RunRow) -> Choose:
    text = (
        f"{named(line)}: {line.run.model or 'no network yet'}, {state(line)}. Its folder moves into .trash beside it, "
        "from where it can be moved back; networks that it saved stay where they are."
    )
    return Choose("Move this run to the trash?", text, [Choice("y", "Move it", "trash")], "Leave it here")

"""Orders: would another order have done better? All orders of one network, and other runs of the lab, side by side."""

from asyncio import to_thread
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.journal import RunSummary, all_runs
from engine.api.order_figures import Under, disagreement, summary
from engine.api.orders import CLP_U, ORACLE
from tui.model.actions import bindings
from tui.model.formatting import EMPTY, file_name, rate
from tui.model.orders_view import (
    BAND,
    RANDOM,
    SORTS,
    OrderLine,
    missing,
    order_lines,
    ordered,
    published_set,
    sizes,
)
from tui.model.run_comparison import beside, read_run
from tui.model.run_state import RunState, images
from tui.screens.run_picker import RunPicker
from tui.screens.run_screen import RunScreen
from tui.widgets.cell_rows import Part, Row, fit, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.event_log import fold
from tui.widgets.mouse import place
from tui.widgets.order_charts import SPANS, curves, tradeoff
from tui.widgets.path_chart import PathPanel
from tui.widgets.rows_view import RowsView

NAME, LOOKS, SCORE, STEP, DROP, FIGURE = 11, 7, 6, 5, 7, 6  # cells of the columns
GROUP = STEP + DROP + FIGURE  # those under one limit of ASR
LOW = 34  # rows below which each thing is said in one line
AROUND = 4  # rows of header, hint and keys
CHART = 10  # rows that a chart keeps, with its frame
FEWEST = 4  # lines of the table that are seen, however little room there is
DEFENDER = "No defender can choose an order by its ASR: that takes poisoned images."


class OrderTable(RowsView):
    """A line an order: what it looks at, its score, and where ASR comes under 50, 10 and 1 %, at which price.

    The highlight stays on its order when lines move.
    """

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[OrderLine] = []
        self._state = RunState()
        self._column = self._top = 0
        self._highlighted: tuple[str, str] | None = None

    @property
    def chosen(self) -> OrderLine | None:
        """The highlighted line; until one is, that of the run's own order."""
        return self._lines[self._at()] if self._lines else None

    def show(self, state: RunState, lines: list[OrderLine]) -> None:
        self._state, self._lines = state, ordered(lines, self._column)
        self.redraw()

    def move(self, by: int) -> None:
        if self._lines:
            line = self._lines[max(0, min(len(self._lines) - 1, self._at() + by))]
            self._highlighted = line.name, line.run

    def sort(self, column: int | None = None) -> None:
        """Sort by a column, or by the one after the present one."""
        self._column = (self._column + 1) % len(SORTS) if column is None else column
        self._top = 0

    class Clicked(Message):
        """A click has highlighted a line, or sorted."""

    def on_click(self, event: Click) -> None:
        """A click on a heading sorts by its column, one on a line highlights it."""
        at = place(event, self)
        if at is None:
            return
        if at[1] == 0:
            self.sort(column_at(at[0]))
        elif 0 <= (line := self._top + at[1] - 1) < len(self._lines):
            self._highlighted = self._lines[line].name, self._lines[line].run
        self.post_message(self.Clicked())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)
        self.post_message(self.Clicked())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
        self.post_message(self.Clicked())

    def draw(self, width: int, height: int) -> Sequence[Row]:
        room, at = height - 1, self._at()
        if not self._top <= at < self._top + room:
            self._top = at - room // 3
        self._top = max(0, min(self._top, len(self._lines) - room))
        seen = self._lines[self._top : self._top + room]
        bar = scrollbar(self._top, room, len(self._lines))
        rows = [_line(self._state, line, width - 1, line is self.chosen) for line in seen]
        marked = [Row(r.text + mark, r.ink + "d", r.back) for r, mark in zip(rows, bar, strict=False)]
        return [_heading(width, self._column), *marked]

    def _at(self) -> int:
        own = (self._state.order_by, "")
        wanted = self._highlighted or own
        names = [(line.name, line.run) for line in self._lines]
        return names.index(wanted) if wanted in names else 0


def _heading(width: int, column: int) -> Row:
    names = ("order", "looks at", "score", "ASR < 50 %", "ASR < 10 %", "ASR < 1 %")
    cells = [name + ("▾" if at == column else "") for at, name in enumerate(names)]
    texts = [f" {cells[0]}".ljust(NAME + 1), cells[1].ljust(LOOKS), cells[2].rjust(SCORE)]
    texts += [cell.rjust(GROUP) for cell in cells[3:]]
    return row(width, *((text, "b" if at == column else "d") for at, text in enumerate(texts)))


def column_at(x: int) -> int:
    """The column whose heading is in this cell."""
    ends = [NAME + 2, NAME + 2 + LOOKS, NAME + 2 + LOOKS + SCORE]
    ends += [ends[-1] + GROUP * number for number in (1, 2, 3)]
    return next((number for number, end in enumerate(ends) if x < end), len(ends) - 1)


def _line(state: RunState, line: OrderLine, width: int, highlighted: bool) -> Row:
    own = not line.run and line.name == state.order_by
    name = f"{line.run} " if line.run else line.name
    ink = "a" if line.oracle else "."
    parts: list[Part] = [("▸" if own else " ", "k"), (fit(name, NAME - 1) + " ", "b" if own else ink)]
    parts.append((line.badge.ljust(LOOKS), ink if line.oracle else "d"))
    back = "cursor" if highlighted else ""
    if line.figures is None:
        told = {"under way": f"  computing, {100 * line.share:.0f} %", "waits": "  waits"}
        return row(width, *parts, (told.get(line.fate, "  not computed: c computes it"), "d"), back=back)
    score = EMPTY if line.figures.score is None else f"{line.figures.score:.3f}"
    parts.append((score.rjust(SCORE), "."))
    parts += [(_under(at), ".") for at in line.figures.under]
    if line.band and line.fate != "there":
        parts[1] = (fit(f"{len(line.curves)} random", NAME - 1) + " ", ink)
    return row(width, *parts, back=back)


def _under(at: Under) -> str:
    """Step, drop and clean test accuracy where ASR first comes under a limit."""
    if at.step is None or at.drop is None:
        return EMPTY.rjust(GROUP)
    return f"{at.step}".rjust(STEP) + p.format_drop(at.drop).rjust(DROP) + rate(at.test, 1).rjust(FIGURE)


class OrderFacts(RowsView):
    """What the highlighted order is, and what can be told of orders without poisoned images."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self._about, self._told = "", ("", "")

    def show(self, about: str, told: tuple[str, str]) -> None:
        self._about, self._told = about, told
        self.fit_height()
        self.redraw()

    def on_resize(self) -> None:
        self.fit_height()

    def fit_height(self) -> None:
        self.styles.height = self.rows()

    def rows(self) -> int:
        """Rows that it needs."""
        return max(3, len(self._folded(self.size.width or self.app.size.width)))

    def _folded(self, width: int) -> list[Part]:
        room = max(20, width - 4)
        if self.app.size.height < LOW:
            return [(self._about, "."), *((told, "d") for told in self._told)]
        told = fold(" ".join(self._told), room)
        return [*((line, ".") for line in fold(self._about, room)), *((line, "d") for line in told)]

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        return [row(width, ("  ", "."), part) for part in self._folded(width)]


def defender(state: RunState) -> tuple[str, str]:
    """What no defender can do, and what validation images alone say: how many channels go within 2 and 4 points."""
    found = [(at, summary(at, sizes(state))) for at in state.compared.values()]
    told = [
        (f"{low}" if low == high else f"{low}-{high}") + f" within {limit} pt"
        for limit, low, high in disagreement(found)
    ]
    return DEFENDER, f"Validation alone: {', '.join(told)}." if told else ""


def about(state: RunState, line: OrderLine | None, u: float) -> str:
    """The highlighted line in a sentence or two; for CLP the set that it prunes as published."""
    if line is None:
        return ""
    if line.run or line.band:
        return line.about
    compared = state.compared.get(line.name)
    if compared is not None and compared.chosen is not None:
        return f"Published, u = {u:g} (+/-): {_set(state, compared, u)}."
    within = line.figures.within if line.figures else None
    kept = f"{within[0]} channels within 2 pt, {within[1]} within 4 pt. " if within else ""
    return f"{kept}{ORACLE + '. ' if line.oracle else ''}{line.about}"


def _set(state: RunState, compared: p.Compared, u: float) -> str:
    chosen = published_set(compared, u)
    if not chosen:
        return "prunes no channel"
    at, start = compared.steps[len(chosen)], compared.steps[0]
    drop = p.format_drop(p.drop(start.valid, at.valid, images(state, "valid")))
    names = ", ".join(map(str, chosen[:8])) + (f" and {len(chosen) - 8} more" if len(chosen) > 8 else "")
    asr = "" if at.poisoned is None else f", ASR {p.percent(at.poisoned, images(state, 'poisoned')):.2f} %"
    return f"prunes {names}: {drop} pt{asr}"


class OrdersScreen(RunScreen):
    """Asks the engine for what is missing as soon as it is free. Looking changes nothing of the run."""

    CSS_PATH: ClassVar = "orders.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("orders")]
    SCOPES = ("orders", "run")
    HINTS = (
        "Score: the largest validation accuracy − ASR. Under each limit of ASR: the first step, drop of clean "
        "validation accuracy in points, clean test accuracy.",
        "Score: largest accuracy − ASR. Under each limit of ASR: step, drop (pt), clean test accuracy.",
        "Score: largest accuracy − ASR. Per limit: step, pt, test accuracy.",
        "Per limit: step, drop (pt), test accuracy.",
    )

    def __init__(self) -> None:
        super().__init__()
        self._left_out: frozenset[str] = frozenset()
        self._asked = False
        self._u = float(CLP_U)
        self._span = SPANS[0]
        self._runs: dict[str, tuple[p.Compared, str]] = {}  # by name of the run's folder, with what it is

    def body(self) -> Iterator[Widget]:
        with Horizontal(id="order-charts"):
            yield PathPanel(id="tradeoff")
            yield PathPanel(id="curves")
        yield OrderTable()
        yield OrderFacts()

    def on_resize(self) -> None:
        self.call_after_refresh(lambda: self.show(self.lab.state))

    def show(self, state: RunState) -> None:
        self._ask(state)
        runs = {name: compared for name, (compared, _) in self._runs.items()}
        lines = order_lines(state, runs, {name: told for name, (_, told) in self._runs.items()})
        table = self.query_one(OrderTable)
        table.show(state, lines)
        self.query_one(OrderFacts).show(about(state, table.chosen, self._u), defender(state))
        self._share(len(lines))
        self._draw(state, lines, table.chosen)

    def _share(self, lines: int) -> None:
        """The table gets the rows it needs, as far as charts keep theirs."""
        total = self.size.height or self.app.size.height
        room = total - AROUND - self.query_one(OrderFacts).rows() - max(CHART, 2 * total // 5)
        self.query_one(OrderTable).styles.height = 1 + min(lines, max(FEWEST, room - 1))

    def _draw(self, state: RunState, lines: list[OrderLine], chosen: OrderLine | None) -> None:
        sizes_, chosen = sizes(state), next((line for line in lines if line == chosen), None)
        if not state.ready:
            return
        clp = state.compared.get("clp")
        shown = len(published_set(clp, self._u)) if clp else 0
        with_attack = "poisoned" in sizes_
        self.set_class(not with_attack, "-curves") if not with_attack else None
        title: tuple[Part, ...] = (("ASR over the drop of clean validation accuracy", "."),)
        below: tuple[Part, ...] = (("░ random orders   ┅ ORACLE   ✶ set of CLP", "d"),)
        if with_attack:
            self.query_one("#tradeoff", PathPanel).show(
                tradeoff(lines, chosen, sizes_, self._span, shown), title, below
            )
        name = chosen.name if chosen else ""
        self.query_one("#curves", PathPanel).show(
            curves(lines, chosen, sizes_), (("accuracy and ASR over channels pruned: ", "."), (name, "k"))
        )

    def _ask(self, state: RunState) -> None:
        """Have everything computed that is missing, once, when the engine is free."""
        if not self._asked and state.ready and not state.busy and not state.death:
            self._asked = True
            if names := missing(state, self._left_out):
                self.lab.do(p.Compare(names))

    # --- what keys do ---

    @on(OrderTable.Clicked)
    def _clicked(self) -> None:
        self.show(self.lab.state)

    def action_order_down(self) -> None:
        self._move(1)

    def action_order_up(self) -> None:
        self._move(-1)

    def _move(self, by: int) -> None:
        self.query_one(OrderTable).move(by)
        self.show(self.lab.state)

    def action_sort_orders(self) -> None:
        self.query_one(OrderTable).sort()
        self.show(self.lab.state)

    def action_order_curves(self) -> None:
        self.toggle_class("-curves")
        self.show(self.lab.state)

    def action_order_zoom(self) -> None:
        self._span = SPANS[(SPANS.index(self._span) + 1) % len(SPANS)]
        self.show(self.lab.state)

    def action_more_u(self) -> None:
        self._u = min(10.0, self._u + 0.5)
        self.show(self.lab.state)

    def action_less_u(self) -> None:
        self._u = max(0.0, self._u - 0.5)
        self.show(self.lab.state)

    def _names(self) -> tuple[str, ...]:
        """The orders that the highlighted line stands for."""
        chosen = self.query_one(OrderTable).chosen
        return () if chosen is None or chosen.run else RANDOM if chosen.name == BAND else (chosen.name,)

    def action_compute_order(self) -> None:
        """Compute the highlighted order where it is not there, else whatever is missing."""
        state = self.lab.latest
        names = [name for name in self._names() if name not in (*state.compared, *state.comparing)]
        self._left_out -= set(names)
        if wanted := tuple(names) or missing(state, self._left_out):
            self.lab.compare(wanted)
        else:
            left = [
                at.name
                for at in order_lines(state, {}, {})
                if at.figures is None and at.fate not in ("under way", "waits")
            ]
            more = f" Highlight {left[0]} to compute that too." if left else ""
            self.lab.show_notice(f"What is missing is being computed.{more}" if left else "Every order is there.")

    def action_leave_out_order(self) -> None:
        """Leave the highlighted order out of what is being computed."""
        names = [name for name in self._names() if name in self.lab.latest.comparing]
        self._left_out |= set(names)
        for name in names:
            self.lab.do(p.CancelOrder(name))
        if not names:
            self.lab.show_notice("The highlighted order is not being computed.")

    async def action_add_run(self) -> None:
        """Lay another run of this lab over this one; where one is highlighted, take it away."""
        chosen, opened = self.query_one(OrderTable).chosen, self.lab.latest.opened
        if chosen is not None and chosen.run:
            del self._runs[chosen.run]
            return self.show(self.lab.state)
        if opened is None:
            return
        runs = await to_thread(all_runs, Path(opened.run).parent)
        others = [run for run in runs if run.folder != opened.run and run.step]
        if not others:
            return self.lab.show_notice("There is no other run of this lab with a step pruned.")
        self.app.push_screen(RunPicker(others), self._lay_over)

    def _lay_over(self, run: RunSummary | None) -> None:
        if run is None:
            return
        try:
            found, told = beside(self.lab.latest, read_run(Path(run.folder)))
        except Refused as refused:
            return self.lab.show_notice(str(refused), "warning")
        self._runs[file_name(run.folder)] = found, told
        self.show(self.lab.state)

    def action_take_order(self) -> None:
        """Prune in the highlighted order from now on."""
        chosen = self.query_one(OrderTable).chosen
        if chosen is None:
            return
        if chosen.run:
            self.lab.show_notice("This is another run; only an order of this network can be taken.")
        else:
            self.lab.take_order(RANDOM[0] if chosen.band else chosen.name)

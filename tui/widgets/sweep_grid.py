"""The cells of a sweep as a grid: a line a layer of a network, its orders side by side, a sign a cell."""

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from engine.api import protocol as p
from engine.api.orders import ORACLE, method_of
from tui.model.formatting import duration, rate
from tui.model.sweep_state import STATES, Cell, CellState, Progress, SweepState
from tui.widgets.cell_rows import Part, Row, fit, row
from tui.widgets.panel import Panel
from tui.widgets.rows_view import RowsView, css_beside

SIGNS: dict[CellState, Part] = {
    "waiting": ("·", "d"),
    "running": ("▸", "v"),
    "done": ("■", "s"),
    "refused": ("×", "w"),
    "failed": ("!", "e"),
}
LABEL = 14  # columns of a layer's name
EACH = 3  # columns of a cell
BAR = 20  # columns of the bar of what is done
BROAD = 110  # columns from which on the figures of the best cell have room for words


class Line(NamedTuple):
    """A line of the grid: its words, and which cell begins at which column."""

    parts: tuple[Part, ...]
    places: tuple[tuple[int, int], ...] = ()  # column, number of the cell


def lines(state: SweepState, chosen: int, width: int) -> list[Line]:
    """All lines of the grid, for a view of this width."""
    found: list[Line] = []
    for model, of_model in groupby(state.cells, key=lambda cell: cell.model):
        found.append(Line(((f" {model}", "b"),)))
        for layer, of_layer in groupby(of_model, key=lambda cell: cell.layer):
            found += _layer(state, layer, list(of_layer), chosen, width)
    return found


def _layer(state: SweepState, layer: str, cells: list[Cell], chosen: int, width: int) -> list[Line]:
    """The cells of a layer by order, wrapped where there is no room for all."""
    found: list[Line] = []
    parts: list[Part] = [(fit(f"   {layer}", LABEL), ".")]
    places: list[tuple[int, int]] = []
    column = LABEL
    for name, of_order in groupby(cells, key=lambda cell: method_of(cell.order).name if cell.order else ""):
        group = list(of_order)
        for at, cell in enumerate(group):
            title = f" {name}" if not at else ""
            if column + len(title) + EACH > width and places:
                found.append(Line(tuple(parts), tuple(places)))
                parts, places, column = [(" " * LABEL, ".")], [], LABEL
            sign, ink = SIGNS[state.of(cell.number).state]
            here = cell.number == chosen
            parts += [(title, "d"), ("[" if here else " ", "k"), (sign, ink), ("]" if here else " ", "k")]
            column += len(title)
            places.append((column, cell.number))
            column += EACH
    return [*found, Line(tuple(parts), tuple(places))]


def legend(state: SweepState) -> tuple[Part, ...]:
    """The signs, with how many cells each stands for; states that no cell is in are left out."""
    parts: list[Part] = []
    for name in STATES:
        if count := state.count(name):
            sign, ink = SIGNS[name]
            parts += [(f" {sign} ", ink), (f"{count} {name} ", ".")]
    return tuple(parts)


class SweepGrid(Panel, can_focus=True):
    """Arrows and hjkl choose a cell, enter opens it, and so does a second click."""

    DEFAULT_CSS = css_beside(__file__)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", show=False),
        Binding("right,l", "move(1)", show=False),
        Binding("up,k", "line(-1)", show=False),
        Binding("down,j", "line(1)", show=False),
        Binding("home", "move(-100000)", show=False),
        Binding("end", "move(100000)", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Chosen(Message):
        """Another cell is chosen, or the one that was is to be opened."""

        def __init__(self, cell: int, opened: bool = False) -> None:
            super().__init__()
            self.cell, self.opened = cell, opened

    def __init__(self) -> None:
        super().__init__()
        self.state = SweepState()
        self.chosen = 0
        self._top = 0

    def show(self, state: SweepState) -> None:
        self.state = state
        self.entitle((("cells", "."),), legend(state))
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        found = lines(self.state, self.chosen, width)
        at = self._line_of(found)
        first = at - 1 if at and not found[at - 1].places else at  # the network's name stays in sight
        self._top = max(0, min(self._top, first, len(found) - height))
        self._top = max(self._top, at - height + 1)
        return [row(width, *line.parts) for line in found[self._top : self._top + height]]

    def _line_of(self, found: list[Line]) -> int:
        numbers = [[number for _, number in line.places] for line in found]
        return next((at for at, line in enumerate(numbers) if self.chosen in line), 0)

    def choose(self, cell: int) -> None:
        cell = max(0, min(cell, len(self.state.cells) - 1))
        if cell != self.chosen:
            self.chosen = cell
            self.redraw()
            self.post_message(self.Chosen(cell))

    def action_move(self, by: int) -> None:
        self.choose(self.chosen + by)

    def action_line(self, by: int) -> None:
        """To the cell above or below that is nearest."""
        found = [line for line in lines(self.state, self.chosen, self.content_size.width) if line.places]
        at = self._line_of(found)
        if found and 0 <= at + by < len(found):
            column = next((column for column, number in found[at].places if number == self.chosen), 0)
            self.choose(min(found[at + by].places, key=lambda place: abs(place[0] - column))[1])

    def action_open(self) -> None:
        self.post_message(self.Chosen(self.chosen, opened=True))

    def on_click(self, event: Click) -> None:
        found = lines(self.state, self.chosen, self.content_size.width)
        at = event.y - 1 + self._top  # the frame
        for column, number in found[at].places if 0 <= at < len(found) else ():
            if column <= event.x - 1 < column + EACH:
                self.choose(number)
                if event.chain > 1:
                    self.action_open()


class SweepHead(RowsView):
    """How far a sweep has come, how fast, and the best cell so far."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.now, self.alive = SweepState(), 0.0, True

    def show(self, state: SweepState, now: float, alive: bool) -> None:
        self.state, self.now, self.alive = state, now, alive
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        state = self.state
        passed = (state.over.at if state.over else self.now) - state.started if state.started else 0.0
        total, ended = len(state.cells), sum(state.count(name) for name in ("done", "refused", "failed"))
        filled = BAR * ended // total if total else 0
        how = ("■ over", "s") if state.over and not state.over.why else self.standing()
        pace = f"  {state.cells_a_minute(self.now):.1f} cells a minute" if state.computed else ""
        return [
            row(width, (f" {state.title or 'Sweep'}  ", "b"), right=(how, (" ", "."))),
            row(
                width,
                (f" {'━' * filled}", "v"),
                ("─" * (BAR - filled), "d"),
                (f" {ended} of {total} cells", "."),
                (f"  {duration(passed)}{pace}", "d"),
            ),
            row(width, *self.best(width)),
        ]

    def standing(self) -> Part:
        if not self.state.cells:
            return "starting", "d"
        if self.state.over is not None:
            return "stopped", "w"
        return ("● running", "v") if self.alive else ("its process has gone", "e")

    def best(self, width: int) -> tuple[Part, ...]:
        """The best cell, and its figures as far as there is room for them."""
        cell = self.state.best
        found = self.state.of(cell.number).score if cell else None
        if cell is None or found is None:
            return ((" best so far: none yet", "d"),)
        told = f"{found.value:.3f} at step {found.step} (ASR {rate(found.asr, 1)} %)"
        if width >= BROAD:
            drop = f"{p.format_drop(found.drop)} pt"
            told = f"valid − ASR {found.value:.3f} at step {found.step} ({drop}, ASR {rate(found.asr, 1)} %)"
        return (" best so far: ", "d"), (cell.name, "."), (f"  {told}", "d")


class SweepCellView(Panel):
    """The chosen cell in words."""

    def __init__(self) -> None:
        super().__init__(id="cell")
        self.cell: Cell | None = None
        self.progress = Progress()

    def show(self, state: SweepState, chosen: int) -> None:
        self.cell = state.cells[chosen] if chosen < len(state.cells) else None
        self.progress = state.of(chosen)
        self.entitle(((f"cell {chosen + 1} of {len(state.cells)}", "."),) if self.cell else ())
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if self.cell is None:
            return []
        at = self.progress
        sign, ink = SIGNS[at.state]
        known = ", before this sweep" if at.known and at.state == "done" else ""
        took = f"  {at.seconds:.1f} s" if at.seconds else ""
        rows = [
            row(width, (f" {self.cell.name}", "b")),
            row(width, (f" {sign} ", ink), (f"{at.state}{known}{took}", "."), (f"  {at.worker}", "d")),
        ]
        if at.state == "running":
            steps = f" step {at.done} of {at.total}  {at.text}" if at.total else f" {at.text or 'opening'}"
            rows.append(row(width, (steps, ".")))
        if at.score is not None:
            told = f" best step {at.score.step}: valid − ASR {at.score.value:.3f}, {p.format_drop(at.score.drop)} pt"
            rows.append(row(width, (f"{told}, ASR {rate(at.score.asr, 1)} %", ".")))
            looks = method_of(self.cell.order) if self.cell.order else None
            note = ORACLE if looks and looks.oracle else "It looks at poisoned images: it decides nothing."
            rows.append(row(width, (f" {note}", "w" if looks and looks.oracle else "d")))
        rows += [row(width, (f" {line}", ".")) for line in wrapped(at.reason, width - 2)]
        return rows[:height]


def wrapped(text: str, width: int) -> list[str]:
    """Text in lines of at most `width` characters, broken between words."""
    found: list[str] = []
    for word in text.split():
        if found and len(found[-1]) + 1 + len(word) <= width:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


class SweepWorkers(Panel):
    """What each worker does."""

    def __init__(self) -> None:
        super().__init__(id="workers")
        self.state = SweepState()

    def show(self, state: SweepState) -> None:
        self.state = state
        hosts = len(set(state.workers.values()))
        where = f" on {hosts} machines" if hosts > 1 else ""
        self.entitle(((f"{len(state.workers)} workers{where}", "."),))
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        running = [cell for cell in self.state.cells if self.state.of(cell.number).state == "running"]
        rows = [self._row(cell, width) for cell in running]
        idle = len(self.state.workers) - len(running)
        if idle > 0 and self.state.over is None:
            rows.append(row(width, (f" {idle} waiting for work", "d")))
        if len(rows) > height > 0:
            rows = [*rows[: height - 1], row(width, (f" and {len(rows) - height + 1} more", "d"))]
        return rows

    def _row(self, cell: Cell, width: int) -> Row:
        at = self.state.of(cell.number)
        worker = at.worker.split(" on ")[0].rsplit("/", 1)[-1]
        steps = f"step {at.done}/{at.total}" if at.total else at.text or "opening"
        again = f"  attempt {at.attempt}" if at.attempt > 1 else ""
        return row(width, (f" {worker:<3}", "k"), (f" {cell.name}", "."), (again, "w"), right=((f" {steps} ", "v"),))

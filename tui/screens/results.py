"""Results: the lab's table, for B and for B′ and G at every saved step."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual.binding import BindingType
from textual.widget import Widget

from engine.api.protocol import Saved
from engine.api.published import applies, published_counts
from tui.actions import bindings
from tui.screens.looking import Looking
from tui.state import Figures, RunState, figures, of_counts
from tui.widgets.events import fold
from tui.widgets.rows import Part, Row, blank, row
from tui.widgets.view import RowsView, css_beside
from tui.wording import file_name, points, rate, short_path

DIMMED = str.maketrans("vagx.", "ddddd")
WIDTH = 9  # cells of a figure
VERDICT = 3  # rows for what the curve says


class Entry(NamedTuple):
    """A block of the table: B alone, or B′ and G at one step. `path`: the file of B′, empty where none is saved."""

    name: str
    step: int
    path: str


def entries(state: RunState) -> list[Entry]:
    """B, each saved step by its drop, and the playhead where it stands elsewhere."""
    newest = {s.path: s for s in state.saved if s.what == "model" and s.step in state.steps}
    saved = sorted(newest.values(), key=lambda s: (s.step or 0, float(s.threshold or 0), s.path))
    found = [Entry("B", 0, ""), *(Entry(_name(s), s.step or 0, s.path) for s in saved)]
    if state.step not in {entry.step for entry in found}:
        found.append(Entry("now", state.step, ""))
    return found


def _name(saved: Saved) -> str:
    return f"-{saved.threshold} pt" if saved.threshold else "step"


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

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state, chosen = self._state, self.chosen
        if chosen is None:
            return [row(width, ("  B is not measured yet.", "d"))]
        extra = figures(state, 0) is not None and state.measured != {} and width >= 100
        head = _head(width, extra)
        body: list[Row] = []
        marks: dict[Entry, int] = {}
        for entry in entries(state):
            marks[entry] = len(body)
            body += _block(state, entry, width, extra, entry == chosen)
        room = max(1, height - len(head))
        first, last = marks[chosen], marks[chosen] + (4 if beside(state, chosen.step) else 2)
        self._top = max(min(self._top, first), last - room, 0)
        return [*head, *body[self._top : self._top + room]]


def _head(width: int, extra: bool) -> list[Row]:
    """Two rows: what is measured, and on which set."""
    more = (("".rjust(WIDTH), "d"),) if extra else ()
    what: list[Part] = [
        ("accuracy on clean".rjust(2 * WIDTH), "d"), ("attack on".rjust(WIDTH + 2), "d"), *more,
        ('answered "backdoored"'.rjust(2 * WIDTH + 5), "d"),
    ]  # fmt: skip
    sets: list[Part] = [("valid".rjust(WIDTH), "d"), ("test".rjust(WIDTH), "d"), ("poisoned".rjust(WIDTH + 2), "d")]
    sets += [("p. valid".rjust(WIDTH), "d")] if extra else []
    sets += [("poisoned".rjust(WIDTH + 3), "d"), ("clean".rjust(WIDTH + 1), "d"), (" ", "d")]
    return [row(width, right=(*what, (" ", "d"))), row(width, ("   percent", "d"), right=tuple(sets)), blank(width)]


def _block(state: RunState, entry: Entry, width: int, extra: bool, chosen: bool) -> list[Row]:
    found = figures(state, entry.step)
    if found is None:
        return []
    back = "cursor" if chosen else ""
    theirs = beside(state, entry.step)
    if entry.step == 0:
        return [
            _line("B", "as it came", _b(found), extra, width, back),
            *([_published(_b(theirs), extra, width, back)] if theirs else []),
            blank(width),
        ]
    where = f"{entry.name} @{entry.step}" if entry.path else f"step {entry.step}"
    file = file_name(entry.path) if entry.path else "not saved"
    return [
        _line("B′", f"{where}  ({points(found.drop)})", _b(found), extra, width, back),
        *([_published(_b(theirs), extra, width, back)] if theirs else []),
        _line("G", file, _g(found), extra, width, back),
        *([_published(_g(theirs), extra, width, back)] if theirs else []),
        blank(width),
    ]


def beside(state: RunState, step: int) -> Figures | None:
    """What the lab published for the channels pruned at `step`, where the inputs are the lab's own files."""
    if state.opened is None or not applies(state.opened):
        return None
    counts = published_counts(state.order[:step])
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
    widths = (WIDTH, WIDTH, WIDTH + 2, WIDTH if extra else 0, WIDTH + 3, WIDTH + 1)
    figures_: list[Part] = [
        (rate(cell).rjust(w), "d" if cell is None else ink)
        for cell, ink, w in zip(cells, inks, widths, strict=True)
        if w
    ]
    return row(width, (f"  {who.ljust(4)}", "b"), (where, "."), right=(*figures_, (" ", ".")), back=back)


class Facts(RowsView):
    """Below the table: what the curve says, and where the highlighted file and the others lie."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self._state, self._path = RunState(), ""

    def show(self, state: RunState, path: str) -> None:
        self._state, self._path = state, path
        self.styles.height = 2 + (VERDICT if state.finished else 0)
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        verdict = state.finished.verdict if state.finished else ""
        said = [row(width, ("  " + line, "b")) for line in fold(verdict, width - 4)[:VERDICT]] if verdict else []
        files = "  curve, results, report are in " if state.written else "  e writes curve, results, report to "
        run = state.opened.run if state.opened else ""
        return [
            *said,
            *([blank(width)] * (VERDICT - len(said)) if said else []),
            row(width, ("  B′ ", "d"), (short_path(self._path, width - 6), ".")) if self._path else blank(width),
            row(width, (files, "d"), (short_path(run, width - len(files) - 1), ".")),
        ]


class ResultsScreen(Looking):
    """The table, and under it where the files lie."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("results")]
    SCOPES = ("results", "run")
    HINT = 'G answers "backdoored" where B and B′ differ: that is all it knows.'

    def body(self) -> Iterator[Widget]:
        yield ResultsTable()
        yield Facts()

    def show(self, state: RunState) -> None:
        table = self.query_one(ResultsTable)
        table.show(state)
        self.query_one(Facts).show(state, table.chosen.path if table.chosen else "")

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

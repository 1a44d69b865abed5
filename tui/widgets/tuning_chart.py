"""The chart of tunings: hold-out, clean test and ASR after every epoch, and the band in which all seeds lie."""

from collections.abc import Sequence

from engine.api.tunings import Tuning
from tui.model.run_state import RunState, tuned_figures
from tui.widgets.cell_rows import Part, Row, over
from tui.widgets.curves import BRAILLE, DASHED, SHADE, ChartData, Curve, Frame, gutter, window
from tui.widgets.panel import Panel
from tui.widgets.plot_rows import LEAST, chart
from tui.widgets.rows_view import css_beside

# name, ink, mark, field of TunedFigures
LINES = (
    ("hold-out", "v", BRAILLE, "holdout"),
    ("test", "g", "+", "test"),
    ("ASR", "a", DASHED, "asr"),
)


def same_recipe(state: RunState, tuning: Tuning) -> list[Tuning]:
    """The tunings that differ from this one by their seed alone."""
    pruned, recipe, _ = tuning.key
    return [each for each in state.tunings.values() if each.key[:2] == (pruned, recipe)]


def tuning_data(state: RunState, tuning: Tuning, epoch: int) -> ChartData:
    """The curves of one tuning, and where its user stands; sets that are not there have none."""
    figures = [tuned_figures(state, tuning, at) for at in range(len(tuning.epochs))]
    lines = [line for line in LINES if figures and getattr(figures[0], line[3]) is not None]
    curves = tuple(
        Curve(name, ink, mark, tuple(getattr(at, field) for at in figures)) for name, ink, mark, field in lines
    )
    return ChartData(curves, tuning.began.recipe.epochs, epoch)


def bands(state: RunState, tunings: Sequence[Tuning]) -> list[tuple[str, list[tuple[float, float]]]]:
    """By curve, its ink and at each epoch the lowest and the highest value of all seeds that came so far."""
    if len(tunings) < 2:
        return []
    found = []
    for _, ink, _, field in LINES:
        spans = []
        for epoch in range(max(len(each.epochs) for each in tunings)):
            there = [each for each in tunings if len(each.epochs) > epoch]
            values = [getattr(tuned_figures(state, each, epoch), field) for each in there]
            if None in values:
                break
            spans.append((min(values), max(values)))
        found.append((ink, spans))
    return found


def shaded(rows: list[Row], frame: Frame, ink: str, spans: list[tuple[float, float]]) -> list[Row]:
    """The rows with the cells between the lowest and the highest value shaded, where nothing else stands."""
    if len(spans) < 2:
        return rows
    for column in range(frame.column(len(spans) - 1) + 1):
        place = min(len(spans) - 1.000001, column / max(1, frame.width - 1) * max(1, frame.steps))
        left, share = int(place), place - int(place)
        low, high = (spans[left][end] * (1 - share) + spans[left + 1][end] * share for end in (0, 1))
        for y in range(max(0, frame.row(high)), min(frame.height - 1, frame.row(low)) + 1):
            if (rows[y].text[frame.left + column], rows[y].ink[frame.left + column]) == (" ", "l"):
                rows[y] = over(rows[y], frame.left + column, SHADE, ink)
    return rows


class TuningChart(Panel):
    """Shows the highlighted tuning among its seeds."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._data = ChartData()
        self._bands: list[tuple[str, list[tuple[float, float]]]] = []

    def show(self, state: RunState, tuning: Tuning | None, epoch: int) -> None:
        self._data = ChartData() if tuning is None else tuning_data(state, tuning, epoch)
        seeds = [] if tuning is None else same_recipe(state, tuning)
        self._bands = bands(state, seeds)
        self.entitle(self._legend(len(seeds)), (("epochs", "d"),))
        self.redraw()

    def _legend(self, seeds: int) -> tuple[Part, ...]:
        sets = {"hold-out": "hold-out accuracy", "test": "clean test", "ASR": "ASR test"}
        parts: list[Part] = []
        for curve in self._data.curves:
            parts += [(f"{curve.sign} {sets[curve.name]}", curve.ink), ("  ", ".")]
        return (*parts, (f"{SHADE} {seeds} seeds", "d")) if seeds > 1 else tuple(parts)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        data = self._data
        rows = chart(data, width, height) if data.curves else []
        if not rows or width < LEAST[0] or height < LEAST[1]:
            return rows
        frame = Frame(gutter(data), width - gutter(data), height - 2, window(data), data.steps)
        for ink, spans in self._bands:
            rows = shaded(rows, frame, ink.upper(), spans)
        return rows

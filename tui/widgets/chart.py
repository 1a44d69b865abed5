"""The chart of the workbench: clean validation accuracy and attack success rate after every pruned channel."""

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message

from tui.model.first_fall import FirstFall
from tui.model.run_state import Figures, RunState, figures, networks, of_order
from tui.widgets.cell_rows import Part, Row
from tui.widgets.curves import AUTO, BRAILLE, DASHED, ChartData, Curve, Threshold, next_zoom, step_at, window
from tui.widgets.mouse import place
from tui.widgets.panel import Panel
from tui.widgets.plot_rows import chart
from tui.widgets.rows_view import css_beside

__all__ = ["AUTO", "Chart", "ChartData", "chart_data", "next_zoom"]

# what is drawn: label, ink, mark, field of Figures; the first decides, so thresholds hang on it
LINES = (("valid acc", "v", BRAILLE, "valid"), ("ASR", "a", DASHED, "asr"))
G_LINES = (("detection", "g", BRAILLE, "detection"), ("false alarms", "x", DASHED, "false_alarm"))
LEGEND = {"valid acc": "valid accuracy", "ASR": "test ASR", "detection": "G: detection"}


def chart_data(state: RunState, zoom: int = AUTO, of_g: bool = False) -> ChartData:
    """The curves of a run: accuracy of B′ on validation data and its ASR on poisoned test data; or what G is for,
    detection on poisoned and false alarms on clean test data."""
    at = [figures(state, step) for step in range(max(state.steps, default=-1) + 1)]
    start = at[0].valid if at and at[0] and not of_g else None
    thresholds = (
        tuple(Threshold(x, start - float(x), state.crossed.get(x)) for x in state.thresholds)
        if start is not None
        else ()
    )
    curves = tuple(
        Curve(name, ink, mark, joined(_values(at, field))) for name, ink, mark, field in (G_LINES if of_g else LINES)
    )
    return ChartData(curves, state.channels, state.step, thresholds, saved_steps(state), zoom, gap=True)


def saved_steps(state: RunState) -> tuple[int, ...]:
    """Steps of the current order at which a B′ was saved."""
    models = (file for file in networks(state) if file.step in state.steps and of_order(state, file))
    return tuple(s.step for s in models if s.step and s.threshold in (None, *_crossed_at(state, s.step)))


def _crossed_at(state: RunState, step: int) -> list[str]:
    return [x for x, at in state.crossed.items() if at == step]


def _values(at: Sequence[Figures | None], field: str) -> tuple[float | None, ...]:
    return tuple(None if figure is None else getattr(figure, field) for figure in at)


def joined(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """The values of a line that goes straight from one known step to the next, where a stride left some out."""
    found, last = list(values), None
    for step, value in enumerate(values):
        if value is None:
            continue
        if last is not None and step - last[0] > 1:
            start, low = last
            rise = (value - low) / (step - start)
            found[start + 1 : step] = [low + rise * (at - start) for at in range(start + 1, step)]
        last = step, value
    return tuple(found)


class Chart(Panel):
    """Shows a ChartData."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self, data: ChartData | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._data = data or ChartData()
        self._verdict = FirstFall()

    def show_verdict(self, verdict: FirstFall) -> None:
        """What fell first, in the frame below the curves."""
        if verdict != self._verdict:
            self._verdict = verdict
            self._entitle()

    @property
    def data(self) -> ChartData:
        return self._data

    @data.setter
    def data(self, data: ChartData) -> None:
        if data == self._data:
            return
        self._data = data
        self._entitle()
        self.redraw()

    def on_mount(self) -> None:
        self._entitle()

    def _entitle(self) -> None:
        text, attack = self._verdict
        self.entitle(legend(self._data), ((text, "s" if attack else "w"),) if text else ())

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return chart(self._data, width, height)

    class Clicked(Message):
        """The mouse was clicked on this step."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def on_click(self, event: Click) -> None:
        at = place(event, self)
        step = step_at(self._data, at[0], self.content_size.width) if at else None
        if step is not None:
            self.post_message(self.Clicked(step))


def legend(data: ChartData) -> tuple[Part, ...]:
    """The mark and the name of each curve, in its ink; then what part of the axis is seen."""
    parts: list[Part] = []
    for curve in data.curves:
        parts += [(f"{curve.sign} {LEGEND.get(curve.name, curve.name)}", curve.ink), ("  ", ".")]
    return (*parts, (axis_name(data), "d")) if parts else ()


def axis_name(data: ChartData) -> str:
    """The part of the y axis that is seen."""
    low, high = window(data)
    return f"y {low:g} to {high:g} %"

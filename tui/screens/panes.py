"""The workbench's side panes: figures of B, B′ and G, and the thresholds with their files."""

from collections.abc import Sequence

from engine.api.protocol import Saved
from tui.state import Figures, RunState, figures, images, saved_at
from tui.widgets.panel import Panel
from tui.widgets.rows import Part, Row, blank, row
from tui.widgets.view import css_beside
from tui.wording import EMPTY, file_name, rate

COLUMN = 8
WIDE = 110  # columns from which the thresholds have a pane of their own


class Pane(Panel):
    """Rows made from the state alone."""

    DEFAULT_CSS = css_beside(__file__)
    TITLE = ""

    def __init__(self) -> None:
        super().__init__()
        self._state = RunState()

    def on_mount(self) -> None:
        if self.TITLE:
            self.entitle(((self.TITLE, "."),))

    def show(self, state: RunState) -> None:
        self._state = state
        self.redraw()


class FiguresPane(Pane):
    """What B, B′ and G make of each set, at the playhead."""

    TITLE = "figures, %"

    def show(self, state: RunState) -> None:
        self.styles.height = 11 if images(state, "poisoned_valid") else 10
        super().show(state)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        base, now = figures(self._state, 0), figures(self._state)
        if base is None or now is None:
            return []
        return list(_figures(base, now, width))


def _figures(b: Figures, n: Figures, width: int) -> list[Row]:
    head = (("B".rjust(COLUMN), "d"), ("B′".rjust(COLUMN), "d"), ("G".rjust(COLUMN), "d"))
    rows = [
        row(width, ("accuracy on", "d"), right=head),
        _line("clean valid", width, (b.valid, "."), (n.valid, "v"), None),
        _line("clean test", width, (b.test, "."), (n.test, "."), (n.g_test, "g")),
        row(width, ("attack success on", "d")),
        _line("poisoned test", width, (b.asr, "."), (n.asr, "a"), (n.g_asr, "x")),
    ]
    if b.valid_asr is not None:
        rows.append(_line("poisoned valid", width, (b.valid_asr, "."), (n.valid_asr, "a"), None))
    return [
        *rows,
        row(width, ('answered "backdoored"', "d")),
        _line("poisoned test", width, None, None, (n.detection, "g")),
        _line("clean test", width, None, None, (n.false_alarm, "x")),
    ]


def _line(name: str, width: int, *values: tuple[float | None, str] | None) -> Row:
    cells: list[Part] = []
    for value in values:
        text = "" if value is None else rate(value[0])
        cells.append((text.rjust(COLUMN), "d" if text == EMPTY or value is None else value[1]))
    return row(width, (f"  {name}", "."), right=tuple(cells))


class ThresholdsPane(Pane):
    """Each threshold: the step that reached it and the file, or how far it is away."""

    TITLE = "thresholds"

    def show(self, state: RunState) -> None:
        self.styles.height = len(state.thresholds) + len(_others(state)) + 2
        super().show(state)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        rows = [_threshold(state, x, width) for x in sorted(state.thresholds, key=float)]
        rows += [
            row(width, ("◆ ", "s"), (f"step {s.step}".ljust(10), "."), (file_name(s.path), ".")) for s in _others(state)
        ]
        return rows or [blank(width)]


def _others(state: RunState) -> list[Saved]:
    """B′ saved by hand, each file once."""
    return list({s.path: s for s in state.saved if s.what == "model" and s.threshold is None}.values())


def _threshold(state: RunState, threshold: str, width: int) -> Row:
    name = f"-{threshold} pt".ljust(8)
    saved, step = saved_at(state, threshold), state.crossed.get(threshold)
    if saved:
        return row(
            width, ("◆ ", "s"), (name, "s"), (f"@{saved.step}".ljust(6), "."), (file_name(saved.path), "."),
        )  # fmt: skip
    if step is not None:
        return row(width, ("◇ ", "t"), (name, "t"), (f"@{step}".ljust(6), "."), ("not saved", "d"))
    now = figures(state)
    left = f"{max(0.0, float(threshold) - now.drop):.2f} pt left" if now else ""
    return row(width, ("┄ ", "t"), (name, "t"), (left, "d"))


class SavedLine(Pane):
    """One row: what to do next; without side panes, once there is any, what is saved and what is pending."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("saved-line")
        self._hint = ""

    def tell(self, hint: str) -> None:
        """What to do next, shown until something is saved."""
        self._hint = hint
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        models = [s for s in state.saved if s.what == "model"]
        if not models or width >= WIDE:
            return [row(width, (f" {self._hint}", "d"))]
        last = models[-1]
        name = f"-{last.threshold} pt " if last.threshold else ""
        parts: list[Part] = [(" saved ", "d"), (name, "s"), (f"@{last.step} {file_name(last.path)}", "s")]
        if len(models) > 1:
            parts.append((f" +{len(models) - 1}", "d"))
        pending = [x for x in sorted(state.thresholds, key=float) if x not in state.crossed]
        if pending:
            parts += [("   pending ", "d"), ("  ".join(f"-{x}" for x in pending) + " pt", "t")]
        return [row(width, *parts)]

"""The workbench's side panes: figures of B, B′ and G, and the thresholds with their files."""

from collections.abc import Iterable, Iterator, Sequence

from textual.containers import Vertical
from textual.widget import Widget

from engine.api.deliverables import File
from engine.api.protocol import Saved, threshold_label
from tui.model.actions import Action
from tui.model.formatting import EMPTY, file_name, key_of, rate
from tui.model.run_state import Figures, RunState, figures, images, networks, of_order, saved_at
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.channel_table import ChannelTable
from tui.widgets.panel import Panel
from tui.widgets.rows_view import css_beside

COLUMN = 8
OTHER = "other channels "  # what a file holds that was saved before the order changed
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

    def rows(self) -> int:
        """Rows that it needs with its frame."""
        return 11 if images(self._state, "poisoned_valid") else 10

    def draw(self, width: int, _height: int) -> Sequence[Row]:
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

    def __init__(self, table: Iterable[Action]) -> None:
        super().__init__()
        self._key = key_of(table, "thresholds")

    def rows(self) -> int:
        """Rows that it needs with its frame."""
        return max(1, len(self._state.thresholds) + len(_others(self._state))) + 2

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        rows = [_threshold(state, x, width) for x in sorted(state.thresholds, key=float)]
        rows += [_by_hand(state, saved, width) for saved in _others(state)]
        if len(rows) > height:
            rows[height - 1 :] = [row(width, (f"  and {len(rows) - height + 1} more", "d"))]
        return rows or [row(width, ("none; ", "d"), (self._key, "k"), (" sets them", "d"))]


class Side(Vertical):
    """The panes beside the chart. Where they do not all fit, the figures go first: most of them stand in the header.

    The channel table keeps LEAST rows, for the keys that move its highlight would else move what nobody sees.
    """

    LEAST = 6

    def __init__(self, table: Iterable[Action]) -> None:
        super().__init__(id="side")
        self._table = table

    def compose(self) -> Iterator[Widget]:
        yield FiguresPane()
        yield ThresholdsPane(self._table)
        yield ChannelTable()

    def on_resize(self) -> None:
        self._share()

    def show(self, state: RunState) -> None:
        self.query_one(FiguresPane).show(state)
        self.query_one(ThresholdsPane).show(state)
        self.query_one(ChannelTable).show(state)
        self._share()

    def _share(self) -> None:
        """Give each pane the rows it needs, as far as they go."""
        figures, thresholds = self.query_one(FiguresPane), self.query_one(ThresholdsPane)
        room = (self.size.height or self.app.size.height) - self.LEAST  # no height of its own before the first layout
        figures.display = figures.rows() + thresholds.rows() <= room
        figures.styles.height = figures.rows()
        thresholds.styles.height = max(3, min(thresholds.rows(), room))


def _others(state: RunState) -> list[File]:
    """B′ saved by hand."""
    return [file for file in networks(state) if file.threshold is None]


def _threshold(state: RunState, threshold: str, width: int) -> Row:
    name = threshold_label(threshold).ljust(8)
    saved, step = saved_at(state, threshold), state.crossed.get(threshold)
    if saved:
        other = () if of_order(state, saved) else ((" (another order)", "w"),)
        return row(
            width, ("◆ ", "s"), (name, "s"), (f"step {saved.step}".ljust(9), "."), (file_name(saved.path), "."), *other
        )  # fmt: skip
    if step is not None:
        return row(width, ("◇ ", "t"), (name, "t"), (f"step {step}".ljust(9), "."), ("not saved", "d"))
    now = figures(state)
    left = f"{max(0.0, float(threshold) - now.drop):.2f} pt to go" if now else ""
    return row(width, ("┄ ", "t"), (name, "t"), (left, "d"))


def _by_hand(state: RunState, saved: File, width: int) -> Row:
    """A B′ that was saved by hand; of another order its step says nothing now."""
    same = of_order(state, saved)
    step = f"step {saved.step}".ljust(10) if same else OTHER
    return row(width, ("◆ ", "s" if same else "t"), (step, "." if same else "d"), (file_name(saved.path), "."))


class ThresholdStrip(Pane):
    """One row in the place of the side panes, where those have no room: thresholds, and the channel that is next."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("strip")

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        state = self._state
        if not state.ready:
            return []
        following = _next_channel(state)
        for left in (_thresholds(state), _thresholds(state, unit="")):
            room = width - sum(len(text) for text, _ in left)
            if len(following[-2]) < room:
                break
        right = next((text for text in following if len(text) < room), "")
        return [row(width, *left, right=((right + " ", "d"),))]


def _thresholds(state: RunState, unit: str = " pt") -> list[Part]:
    """Each threshold, and the step at which it was saved, or only crossed."""
    parts: list[Part] = [(" ", ".")]
    for x in sorted(state.thresholds, key=float):
        step, saved = state.crossed.get(x), saved_at(state, x)
        mark, ink = ("◆", "s") if saved else ("◇", "t") if step is not None else ("┄", "t")
        at = saved.step if saved else step
        parts += [
            (f"{mark} {threshold_label(x).removesuffix(' pt')}{unit}", ink),
            ("" if at is None else f" @{at}", "."),
            ("  ", "."),
        ]
    return parts


def _next_channel(state: RunState) -> tuple[str, ...]:
    """The channel that is next, from long to short."""
    channel, ranked = state.next_channel, state.ranked
    if channel is None or ranked is None:
        return ("every channel is pruned", "all pruned")
    name, mean = f"next: channel {channel}", f"mean {ranked.means[channel]:.3g}"
    active = (
        f"active on {rate(100 * ranked.active_valid[channel] / max(1, images(state, 'valid')), 1)} % of clean images"
    )
    return f"{name}, {mean}, {active}", f"{name}, {mean}", name, f"channel {channel}"


class SavedLine(Pane):
    """One row: what to do next; without side panes, in the moment of saving, what is saved and what is pending."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("saved-line")
        self._hint = ""

    def show_notice(self, hint: str) -> None:
        """What to do next."""
        self._hint = hint
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        state, hint = self._state, (f" {_fitting(self._hint, width - 1)}", "d")
        models = [s for s in state.saved if s.what == "model" and s.path in state.files]
        if not models or width >= WIDE:
            return [row(width, hint)]
        if _in_hand(state, models[-1]):
            return [row(width, (" ", "."), *_newest(models, long=True), *_pending(state))]
        saved = (*_newest(models, long=False), (" ", "."))
        fits = sum(len(text) for text, _ in (hint, *saved)) + 2 <= width
        return [row(width, hint, right=saved if fits else ())]


def _fitting(hint: str, width: int) -> str:
    """A hint without the last of its parts that do not fit."""
    while len(hint) > width and " · " in hint:
        hint = hint.rsplit(" · ", 1)[0]
    return hint


def _in_hand(state: RunState, newest: Saved) -> bool:
    """Saving is what happens just now: more is being computed, or the last step is the one that was saved."""
    return state.computing or (not state.complete and newest.step == state.step == state.known)


def _newest(models: Sequence[Saved], long: bool) -> tuple[Part, ...]:
    """The file saved last, and how many there are besides; `long`: with its name."""
    last, others = models[-1], len({s.path for s in models}) - 1
    name = f"{threshold_label(last.threshold)} " if last.threshold else ""
    file = f" {file_name(last.path)}" if long else ""
    more = f" and {others} more" if others else ""
    return ("saved ", "d"), (f"{name}@{last.step}{file}", "s"), (more, "d")


def _pending(state: RunState) -> tuple[Part, ...]:
    pending = [x for x in sorted(state.thresholds, key=float) if x not in state.crossed]
    return (("   pending ", "d"), ("  ".join(f"-{x}" for x in pending) + " pt", "t")) if pending else ()

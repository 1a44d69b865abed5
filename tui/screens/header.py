"""The head of every screen of a run: what is pruned, the tabs, where the playhead stands, what comes next."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual.events import Click

from engine.api.orders import DEFAULT, method_of
from engine.api.protocol import Opened, format_drop, threshold_label
from tui.model.actions import Action
from tui.model.formatting import duration, pace, percent
from tui.model.run_state import Figures, RunState, Status, figures, next_threshold, seconds_a_step, seconds_left
from tui.model.tabs import Tab, tabs
from tui.screens.checklist import NAMES
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView, css_beside

MEAN = "mean activation"  # what the usual order is called
ROOMY = 72  # columns from which figures stand three cells apart
WIDE = 110  # columns from which the figures stand beside the tabs, on screens that have no row for them

MARKS: dict[Status, tuple[str, str]] = {
    "closed": ("○ nothing open", "d"),
    "opening": ("◌ opening", "t"),
    "ready": ("● ready", "s"),
    "running": ("▶ running", "v"),
    "writing": ("● writing", "t"),
    "dead": ("✖ engine died", "e"),
}


class Header(RowsView):
    """Three rows; on a screen that only looks, the first two. `front` is the name of its tab."""

    DEFAULT_CSS = css_beside(__file__)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"ink--bar"}

    def __init__(self, table: Iterable[Action], front: str, rows: int = 3) -> None:
        super().__init__()
        self.styles.height = rows
        self._state = RunState()
        self._tabs, self._front = tabs(table), front
        self._spans: list[tuple[int, int, Tab]] = []  # columns of each tab, from the first to one past the last

    def show(self, state: RunState) -> None:
        self._state = state
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        line, self._spans = tab_row(state, self._tabs, self._front, width, alone=height < 3)
        return [title(state, width), line, where(state, width)][:height]

    async def on_click(self, event: Click) -> None:
        for start, end, tab in self._spans:
            if event.y == 1 and start <= event.x < end and tab.name != self._front:
                await self.app.run_action(tab.name)


def status(state: RunState) -> tuple[str, str]:
    """The engine's state in a word, and its ink."""
    if state.status == "running" and not state.computing:
        return MARKS["ready"]
    if state.comparing:
        return "▶ comparing orders", "v"
    if state.computing and (at := state.phases.get("step")):
        return f"▶ step {100 * at.done // at.total} %", "v"
    if state.computing and (phase := under_way(state)):
        return f"▶ {phase}", "v"
    if state.read_only and state.status == "ready":
        return "● read-only", "t"
    return MARKS[state.status]


def under_way(state: RunState) -> str:
    """What the engine prepares before the next step, as after a run was taken up again; empty where nothing."""
    open_ones = [at for at in state.phases.values() if at.done < at.total and at.phase in NAMES]
    return f"{NAMES[open_ones[-1].phase]} {100 * open_ones[-1].done // open_ones[-1].total} %" if open_ones else ""


def title(state: RunState, width: int) -> Row:
    left: list[Part] = [("lab3", "b"), ("  ", ".")]
    right: list[Part] = [(" ", "."), status(state)]
    if state.opened:
        o = state.opened
        left += [(o.model.name, "."), (" · ", "d"), (o.layer, "."), (" · ", "d"), (f"{o.channels} channels", ".")]
        right.append((f"  {card(o, width)}", "d"))
    if (seconds := seconds_a_step(state)) is not None:
        right.append((f"  {pace(seconds)}", "d"))
    return row(width, *left, right=(*right, (" ", ".")), back="bar")


def card(opened: Opened, width: int) -> str:
    """What computes, without its maker on a narrow terminal; on a wide one how much of its memory the engine uses."""
    if not opened.device_memory:
        return opened.device
    used = f" {opened.device_memory / 1e9:.1f} GB used"
    return opened.device + used if width >= 110 else opened.device.removeprefix("NVIDIA ")


def tab_row(
    state: RunState, shown: Sequence[Tab], front: str, width: int, alone: bool
) -> tuple[Row, list[tuple[int, int, Tab]]]:
    """The tabs, the one in front marked, and the step; with the columns of each. `alone`: there is no row of figures
    below, so that they stand here where there is room."""
    step: list[Part] = [("step ", "d"), (f"{state.step}", "b"), (f"/{state.channels} ", "d")] if state.ready else []
    now = figures(state)
    if alone and width >= WIDE and now is not None:
        told: list[Part] = [("valid acc ", "d"), (accuracy(now), "v"), ("   ", ".")]
        told += [("ASR ", "d"), (percent(now.asr), "a"), ("   ", ".")] if now.asr is not None else []
        step = told + step
    room = width - sum(len(text) for text, _ in step)
    for gap in (2, 1, 0):  # where all do not fit, digits and a name for the one in front
        labels = [tab.label if gap or tab.name == front else "" for tab in shown]
        parts, spans = _tab_parts(shown, labels, front, max(1, gap))
        if sum(len(text) for text, _ in parts) <= room:
            break
    return row(width, *parts, right=tuple(step)), spans


def _tab_parts(
    shown: Sequence[Tab], labels: Sequence[str], front: str, gap: int
) -> tuple[list[Part], list[tuple[int, int, Tab]]]:
    parts, spans, column = [], [], 0
    for tab, label in zip(shown, labels, strict=True):
        mark = "▸" if tab.name == front else " "
        parts += [(mark, "k"), (tab.digit, "k"), (f" {label}" if label else "", "b" if mark == "▸" else ".")]
        end = column + 1 + len(tab.digit) + (1 + len(label) if label else 0)
        spans.append((column, end, tab))
        parts.append((" " * (gap - 1), "."))
        column = end + gap - 1
    return parts, spans


def accuracy(now: Figures) -> str:
    """Accuracy of B′ on clean validation data, and what it has changed by since B."""
    return f"{percent(now.valid)} ({format_drop(now.drop)} pt)"


class Group(NamedTuple):
    """Figures that belong together; the lower its rank, the longer it is kept as room gets short."""

    rank: int
    parts: tuple[Part, ...]


def where(state: RunState, width: int) -> Row:
    """The figures at the playhead, what is saved next, and what else there is room for."""
    if not state.ready:
        return row(width)
    found = [*_figure_groups(state), *_next_groups(state)]
    gap = 3 if width >= ROOMY else 2
    while _width(found, gap) > width and len(found) > 1:
        found.remove(max(found, key=lambda group: group.rank))
    parts: list[Part] = [(" ", ".")]
    for group in found:
        parts += [*group.parts, (" " * gap, ".")]
    return row(width, *parts[:-1])


def _width(groups: Sequence[Group], gap: int) -> int:
    return 1 + sum(len(text) for group in groups for text, _ in group.parts) + gap * (len(groups) - 1)


def _figure_groups(state: RunState) -> list[Group]:
    now = figures(state)
    if now is None:
        return []
    found = [Group(0, (("valid acc ", "d"), (accuracy(now), "v")))]
    if now.test is not None:
        found.append(Group(5, (("test acc ", "d"), (percent(now.test), "."))))
    if now.asr is not None:
        found.append(Group(1, (("ASR ", "d"), (percent(now.asr), "a"))))
    if now.g_test is not None:
        found.append(Group(9, (("G test acc ", "d"), (percent(now.g_test), "g"))))
    if now.detection is not None:
        found.append(Group(10, (("G detects ", "d"), (percent(now.detection), "g"))))
    if now.false_alarm is not None:
        found.append(Group(11, (("G's false alarms ", "d"), (percent(now.false_alarm), "g"))))
    return found


def _next_groups(state: RunState) -> list[Group]:
    """What comes next: the save, its distance, the time left, the channel; and by what the channels are ordered."""
    waiting = next_threshold(state)
    found = []
    if waiting:
        found.append(Group(2, (("saves at ", "d"), (threshold_label(waiting[0]), "t"))))
        found.append(Group(7, ((f"{waiting[1]:.2f} pt to go", "d"),)))
    else:
        found.append(Group(6, (("every threshold reached" if state.thresholds else "no thresholds", "d"),)))
    if state.computing and (left := seconds_left(state)):
        found.append(Group(4, (("time left ", "d"), (duration(left), "b"))))
    following = state.next_channel
    if following is None:
        found.append(Group(8, (("every channel pruned", "d"),)))
    else:
        found.append(Group(8, (("next channel ", "d"), (f"{following}", "."))))
    ordered = order_part(state)
    usual = ordered[1] == "." and ordered[0] == MEAN
    found.append(Group(12 if usual else 3, (("order ", "d"), ordered)))
    if state.known > state.step:
        found.append(Group(13, (("computed to step ", "d"), (str(state.known), "."))))
    return found


def order_part(state: RunState) -> Part:
    """By what the channels are ordered, and whether one went out of turn; in the colour of a warning where the order
    looks at poisoned images."""
    name = state.order_by
    by_hand = ", changed by hand" if state.out_of_turn else ""
    if name and method_of(name).oracle:
        return f"{name}{by_hand} (ORACLE)", "e"
    shown = (MEAN if name == DEFAULT else name) if name else ("given" if state.ranked else MEAN)
    return f"{shown}{by_hand}", "t" if by_hand else "."

"""The head of the workbench: what is pruned, where the playhead stands, what comes next."""

from collections.abc import Sequence
from typing import ClassVar

from engine.api.orders import DEFAULT
from engine.api.protocol import threshold_label
from tui.model.formatting import duration, format_drop, pace, percent
from tui.model.run_state import RunState, Status, figures, next_threshold, seconds_a_step, seconds_left
from tui.screens.checklist import NAMES
from tui.widgets.cell_rows import Part, Row, row
from tui.widgets.rows_view import RowsView, css_beside

MARKS: dict[Status, tuple[str, str]] = {
    "closed": ("○ nothing open", "d"),
    "opening": ("◌ opening", "t"),
    "ready": ("● ready", "s"),
    "running": ("▶ running", "v"),
    "writing": ("● writing", "t"),
    "dead": ("✖ engine died", "e"),
}


class Header(RowsView):
    """Three rows; on a screen that only looks, one."""

    DEFAULT_CSS = css_beside(__file__)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"ink--bar"}

    def __init__(self, rows: int = 3) -> None:
        super().__init__()
        self.styles.height = rows
        self._state = RunState()

    def show(self, state: RunState) -> None:
        self._state = state
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state = self._state
        return [title(state, width), where(state, width), ahead(state, width)][:height]


def status(state: RunState) -> tuple[str, str]:
    """The engine's state in a word, and its ink."""
    if state.status == "running" and not state.computing:
        return MARKS["ready"]
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
        right.append((f"  {o.device}", "d"))
    if (seconds := seconds_a_step(state)) is not None:
        right.append((f"  {pace(seconds)}", "d"))
    return row(width, *left, right=(*right, (" ", ".")), back="bar")


def where(state: RunState, width: int) -> Row:
    """The playhead and its figures; each number names its set."""
    now = figures(state)
    if now is None:
        return row(width)
    parts: list[Part] = [(" step ", "d"), (f"{state.step}", "b"), (f"/{state.channels}", "d")]
    parts += [("   valid ", "d"), (percent(now.valid), "v"), (f" ({format_drop(now.drop)} pt)", "v")]
    parts += [("   ASR ", "d"), (percent(now.asr), "a"), (" test", "d")] if now.asr is not None else []
    following = state.next_channel
    parts += [("   next ", "d"), (f"ch {following}" if following is not None else "none", ".")]
    if width >= 110 and now.test is not None:
        parts += [("   test ", "d"), (percent(now.test), ".")]
    if width >= 150 and now.g_test is not None:
        parts += [("   G test ", "d"), (percent(now.g_test), "g"), ("   detected ", "d"), (percent(now.detection), "g")]
        parts += [("   false alarms ", "d"), (percent(now.false_alarm), "g")]
    return row(width, *parts)


def order_part(state: RunState) -> Part:
    """By what the channels are ordered; in the colour of a warning where that looks at poisoned images."""
    ranked = state.ranked
    if ranked is None or ranked.given:
        return ("given" if ranked else "mean activation", ".")
    if ranked.oracle:
        return f"{ranked.order_by} (ORACLE)", "e"
    return "mean activation" if ranked.order_by == DEFAULT else ranked.order_by, "."


def ahead(state: RunState, width: int) -> Row:
    """The next threshold, the time left, and how the order came about."""
    if not state.ready:
        return row(width)
    parts: list[Part] = [(" next save ", "d")]
    if waiting := next_threshold(state):
        parts += [(threshold_label(waiting[0]), "t"), (f" ({waiting[1]:.2f} left)", "d")]
    else:
        parts.append(("none", "."))
    if state.computing and (left := seconds_left(state)) is not None:
        parts += [("   ETA ", "d"), (duration(left), "b")]
    ahead_of = state.known - state.step
    parts += [("   undo ", "d"), (str(state.step), ".")]
    parts += [("   redo ", "d"), (str(ahead_of), ".")] if ahead_of else []
    parts += [("   order ", "d"), order_part(state)]
    return row(width, *parts)

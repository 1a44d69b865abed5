"""What holds after every key, whatever was pressed before it. Each truth gives back what is wrong, line by line."""

import re
from collections.abc import Iterator
from functools import reduce as fold
from typing import Any

from engine.api import protocol as p
from engine.run.session import Session
from tests.walking.walk import Walk
from tui.model.run_state import EngineDeath, RunState, reduce
from tui.screens.header import Header
from tui.screens.panes import ThresholdsPane
from tui.screens.results import entries
from tui.screens.workbench import Workbench
from tui.widgets.cell_rows import blank
from tui.widgets.channel_table import ChannelTable
from tui.widgets.chart import Chart
from tui.widgets.rows_view import RowsView

BY_THE_CLOCK = ("Checklist",)  # views that change by themselves
SAVED = re.compile(
    r"◆ (?:-(?P<threshold>\S+) pt +@|step )(?P<step>\d+) +(?P<name>.*?)(?P<other> \(another order\))? *$"
)


def wrong(walk: Walk) -> list[str]:
    """All that does not hold now; empty where all is well."""
    if walk.ended:
        return []
    found = [*engine_failures(walk), *questions(walk), *still_open(walk)]
    if walk.state.ready and walk.state.busy != "opening":
        found += [*one_step(walk), *drawn(walk), *files(walk), *replayed(walk)]
    return found


def engine_failures(walk: Walk) -> Iterator[str]:
    """Refusals are of the kinds that users read; what the engine itself did wrong is none of them."""
    for event in walk.world.events:
        if isinstance(event, p.Failed) and (event.exit_code == 6 or event.message.startswith("The engine failed")):
            yield f"the engine failed: {event.message}"


def still_open(walk: Walk) -> Iterator[str]:
    """A run that was open is open still, or escape leads back to it."""
    state = walk.state
    if walk.app.opened_once and not (state.ready or state.death or state.busy or getattr(walk.app, "left", None)):
        yield "the run that was open is closed, and nothing stands in its place"


def seen(walk: Walk) -> list[Any]:
    """The screens that are seen: the one in front, and what lies behind a window."""
    return [walk.app.screen, *walk.app._background_screens]


def one_step(walk: Walk) -> Iterator[str]:
    """Header, chart and table tell the step of the state."""
    state = walk.state
    for screen in seen(walk):
        for header in screen.query(Header):
            line = header._rows[1].text.strip() if header.size.width and len(header._rows) > 1 else ""
            if line and not line.startswith(f"step {state.step}/{state.channels} "):
                yield f"the header says '{line}', the state is at step {state.step}"
        for table in screen.query(ChannelTable):
            if isinstance(screen, Workbench) and table._state.step != state.step:
                yield f"the table stands at step {table._state.step}, the state at {state.step}"
        for chart in screen.query(Chart):
            if chart.data.playhead != state.step:
                yield f"the chart stands at step {chart.data.playhead}, the state at {state.step}"


def drawn(walk: Walk) -> Iterator[str]:
    """No view shows what it would not draw now."""
    for screen in seen(walk):
        for view in screen.query(RowsView):
            width, height = view.content_size
            if not (width and height and view.region) or type(view).__name__ in BY_THE_CLOCK:
                continue
            if view._drawn_for != view.content_size:
                continue  # it has not been painted at this size: nothing old is seen
            rows = list(view.draw(width, height))[:height]
            if [*rows, *[blank(width)] * (height - len(rows))] != list(view._rows):
                yield f"{type(view).__name__} shows what was before"


def files(walk: Walk) -> Iterator[str]:
    """Every B' that a line names is there, and holds the channels at zero that the line claims."""
    state, world = walk.state, walk.world
    claims: dict[tuple[str, int, frozenset[int]], str] = {}
    for entry in entries(state):
        if entry.file:
            claims[entry.path, entry.step, entry.file.channels] = "the results"
    paths = {saved.path.rsplit("/", 1)[-1]: saved.path for saved in state.saved if saved.what == "model"}
    for screen in walk.app.screen_stack:
        for pane in screen.query(ThresholdsPane):
            for line in pane.draw(200, 60):
                if told := SAVED.match(line.text):
                    path, step = paths[told["name"]], int(told["step"])
                    here = frozenset(state.order[:step])
                    if told["other"] and state.files[path].channels == here:
                        yield f"the thresholds tell of another order for {path}, which is of this one"
                    channels = state.files[path].channels if told["other"] else here
                    claims[path, step, channels] = "the thresholds"
    for (path, step, channels), where in claims.items():
        if why := world.wrong_file(path, channels, state):
            yield f"{where} tell of step {step}, but {why}"


def questions(walk: Walk) -> Iterator[str]:
    """Nothing is asked twice, and nothing about channels that are saved already."""
    asked = [
        (question.about, question.threshold, channels)
        for question, channels in walk.app.asked
        if question.about == "threshold"
    ]
    for each in {each for each in asked if asked.count(each) > 1}:
        yield f"asked {asked.count(each)} times: -{each[1]} pt for the channels {sorted(each[2])}"
    yield from walk.app.false_questions


def replayed(walk: Walk) -> Iterator[str]:
    """The journal, replayed, gives what the screen shows: to a front end and to an engine."""
    state = walk.state
    if state.read_only or state.death is not None or not state.opened:
        return
    events = walk.world.recorded(state)
    again = fold(reduce, events, RunState())
    for name in ("order", "steps", "step", "thresholds", "crossed", "measured"):
        here, there = _told(state, name), _told(again, name)
        if here != there:
            yield f"the journal's {name}: {there!r}, on the screen: {here!r}"[:400]
    session = Session(state.opened.channels, 1, 1, {}, lambda answers: p.Counts(0))
    for event in events:
        session.replay(event)
    if (session.order, session.playhead) != (state.order, state.step):
        yield f"an engine would go on at step {session.playhead}, the screen is at step {state.step}"


def _told(state: RunState, name: str) -> Any:
    """A part of the state, without the seconds that something took."""
    value = getattr(state, name)
    return {step: at.counts for step, at in value.items()} if name == "steps" else value


__all__ = ["EngineDeath", "wrong"]

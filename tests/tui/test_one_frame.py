"""Header, chart and table are painted in one frame, from one state."""

from typing import Any

import pytest

from tests.support.engine_stub import ScriptedEngine
from tests.support.pilot import bench, measured
from tui.app.navigation import BEHIND
from tui.screens.header import Header
from tui.screens.workbench import Workbench
from tui.widgets.channel_table import ChannelTable
from tui.widgets.chart import Chart

pytestmark = pytest.mark.tui
STEPS = {Header: lambda view: view._state.step, Chart: lambda view: view.data.playhead,
         ChannelTable: lambda view: view._state.step}  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[type, int]:
    """The step that each view drew last."""
    last: dict[type, int] = {}
    for kind, step in STEPS.items():

        def draw(view: Any, *size: int, kind: Any = kind, step: Any = step, before: Any = kind.draw) -> Any:
            if isinstance(view.screen, Workbench):
                last[kind] = step(view)
            return before(view, *size)

        monkeypatch.setattr(kind, "draw", draw)
    return last


async def test_every_frame_tells_one_step(drawn: dict[type, int]) -> None:
    frames: list[dict[type, int]] = []
    async with measured(lambda: ScriptedEngine(slow=True), size=(120, 40)) as it:
        display = it.app._display

        def watched(*arguments: Any) -> None:
            display(*arguments)
            frames.append(dict(drawn))

        it.app._display = watched  # type: ignore[method-assign]
        await it.press("r")
        for step in range(1, 6):
            it.engine.let()
            await it.until(lambda step=step: it.app.state.step == step)
        await it.press("r", "u", "u", "home", "end")
        await it.until(lambda: it.app.state is it.app.latest)
    assert len({frame[Header] for frame in frames}) > 4
    assert all(len(frame) == 3 and len(set(frame.values())) == 1 for frame in frames), frames


async def test_behind_a_window_the_run_is_seen_to_go_on_but_seldom_and_at_once_when_it_has_gone() -> None:
    async with measured(lambda: ScriptedEngine(slow=True), size=(120, 40)) as it:
        await it.press("r", "g")
        assert it.app.pace() == BEHIND
        it.engine.let(3)
        await it.until(lambda: it.state.step == 3)
        await it.press("escape")
        assert it.app.state is it.app.latest and it.app.pace() < BEHIND
        assert it.app.screen.query_one(Chart).data.playhead == 3


async def test_before_the_first_frame_nothing_is_paced_by_a_window() -> None:
    async with bench(size=(80, 24)) as it:
        assert it.app.pace() < BEHIND

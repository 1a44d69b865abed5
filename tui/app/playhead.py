"""Moves of the playhead. Each is a Goto; only how far differs."""

from collections.abc import Callable
from typing import Protocol

from textual.notifications import SeverityLevel

from engine.api import protocol as p
from engine.api.errors import HELD_ELSEWHERE
from engine.api.stride import next_stop
from tui.app.engine_session import EngineSession
from tui.model.run_state import AppEvent, RunState

Target = Callable[[RunState], int]
LEAP = 10  # steps that page up and page down move


class ShowNotice(Protocol):
    """Says something in passing."""

    def __call__(self, text: str, severity: SeverityLevel = "information") -> None: ...


class Playhead:
    """Step, undo, run and jump. A key held down waits in one place only, so nothing piles up behind the engine."""

    def __init__(self, engine: EngineSession, show_notice: ShowNotice) -> None:
        self._engine, self._show_notice = engine, show_notice
        self.waiting: Callable[[], None] | None = None  # the move to make once the engine is free

    @property
    def _state(self) -> RunState:
        return self._engine.latest

    def after_event(self, event: AppEvent) -> None:
        """Make the move that waits once the engine is free; a failure drops it."""
        if isinstance(event, p.Failed):
            self.waiting = None
        elif isinstance(event, p.Idle) and not self._state.busy and self.waiting:
            go, self.waiting = self.waiting, None
            go()

    def step(self) -> None:
        self.go(
            lambda s: next_stop(s.step, s.stride, s.channels),
            "Every channel is pruned. Home goes back to B, m shows the results.",
        )

    def undo(self) -> None:
        """Go one step back; at the step where another order was taken, bring the one of before back."""
        state = self._state
        if state.undo_at == state.step and state.ready and not state.read_only:
            self._when_free(lambda: self._engine.do(p.TakeOrder()))
            return
        self.go(lambda s: s.before(s.step), "This is B, no channel pruned: nothing to undo.")

    def redo(self) -> None:
        self.go(lambda s: s.following(s.step) or s.step, "No computed step lies ahead. Space prunes the next channel.")

    def first(self) -> None:
        self.go(lambda _: 0)

    def last(self) -> None:
        self.go(lambda s: s.known)

    def back_ten(self) -> None:
        self.go(lambda s: s.step - LEAP)

    def on_ten(self) -> None:
        self.go(lambda s: s.step + LEAP)

    def run(self) -> None:
        """Run to the end, or pause what runs."""
        if self._state.computing and not self._state.comparing:
            self.waiting = None
            self._engine.do(p.Pause())
        else:
            self.go(lambda s: s.channels, "Every channel is pruned already.")

    def go_until(self, step: int | None = None, drop: str | None = None, asr: str | None = None) -> None:
        """Run until a step, a drop in points, or an attack success rate, whichever comes first."""
        last = self._state.channels if step is None else step
        self._when_free(
            lambda: self._engine.do(p.Goto(min(last, self._state.channels), until_drop=drop, until_asr=asr))
        )

    def prune_channel(self, channel: int) -> None:
        """Prune `channel` next, out of turn."""
        if not self.may_change():
            return
        if channel in self._state.pruned:
            self._show_notice(f"Channel {channel} is pruned already.")
        else:
            self._when_free(lambda: self._engine.do(p.PruneNext(channel)))

    def compare(self, orders: tuple[str, ...]) -> None:
        """Compare orders, after those that are being compared already."""
        if self._state.comparing:
            self._engine.do(p.Compare(orders))
        else:
            self._when_free(lambda: self._engine.do(p.Compare(orders)))

    def take_order(self, order: str) -> None:
        """Prune in this order from now on."""
        if not self.may_change():
            return
        if order == self._state.order_by:
            self._show_notice(f"The run goes in the order {order} already.")
        else:
            self._when_free(lambda: self._engine.do(p.TakeOrder(order)))

    def may_change(self) -> bool:
        """Whether this window may do more than look at the run; says so where it may not."""
        if self._state.read_only:
            self._show_notice(HELD_ELSEWHERE, "warning")
        return not self._state.read_only

    def go(self, target: Target, at_the_end: str = "") -> None:
        """Move to the step that `target` names: at once among known steps, else when the engine is free."""
        if self._state.ready and not self._state.computing:
            self._move(target, at_the_end)
        else:
            self._when_free(lambda: self._move(target, at_the_end))

    def _move(self, target: Target, at_the_end: str) -> None:
        step = max(0, min(target(self._state), self._state.channels))
        if self._state.read_only:
            self._look_at(step)
        elif step != self._state.step:
            self._engine.do(p.Goto(step))
        elif at_the_end:
            self._show_notice(at_the_end)

    def _look_at(self, step: int) -> None:
        """In a run that another process holds, go among known steps without a word to the engine."""
        if step in self._state.steps:
            self._engine.take(p.Moved(step))
        else:
            self.may_change()

    def _when_free(self, go: Callable[[], None]) -> None:
        if not self._state.ready:
            return
        if self._state.busy == "running":
            if self.waiting is None and self._state.goal != self._state.step + 1:
                self._engine.link.send(p.Pause())
            self.waiting = go
        else:
            go()

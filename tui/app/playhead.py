"""The actions that move the playhead. Each is a Goto; only how far differs."""

from collections.abc import Callable

from textual.notifications import Notification, SeverityLevel

from engine.api import protocol as p
from engine.api.escape import printable
from tui.app.engine_session import EngineApp
from tui.model.run_state import AppEvent, RunState

Target = Callable[[RunState], int]
LEAP = 10  # steps that page up and page down move
TOASTS = 3  # that are on the screen at once
LOOKED_AT = "This run is in use by another window; here it can only be looked at."


class DrivingApp(EngineApp):
    """Step, undo, run and jump. A key held down waits in one place only, so nothing piles up behind the engine."""

    _waiting: Callable[[], None] | None = None  # the move to make once the engine is free
    _then: Callable[[], None] | None = None  # what to do once everything asked for is done

    def after_event(self, before: RunState, event: AppEvent) -> None:
        super().after_event(before, event)
        free = isinstance(event, p.Idle) and not self.latest.busy
        if free and self._waiting:
            go, self._waiting = self._waiting, None
            go()
        elif free and self._then and self.latest.written:
            then, self._then = self._then, None
            then()
        elif isinstance(event, p.Failed):
            self._waiting = self._then = None

    def action_step(self) -> None:
        self._go(lambda s: s.step + 1, "Every channel is pruned. Home goes back to B, m shows the results.")

    def action_undo(self) -> None:
        self._go(lambda s: s.step - 1, "This is B, no channel pruned: nothing to undo.")

    def action_redo(self) -> None:
        self._go(lambda s: min(s.step + 1, s.known), "No computed step lies ahead. Space prunes the next channel.")

    def action_first(self) -> None:
        self._go(lambda s: 0)

    def action_last(self) -> None:
        self._go(lambda s: s.known)

    def action_back_ten(self) -> None:
        self._go(lambda s: s.step - LEAP)

    def action_on_ten(self) -> None:
        self._go(lambda s: s.step + LEAP)

    def action_run(self) -> None:
        """Run to the end, or pause what runs."""
        if self.latest.computing:
            self._waiting = None
            self.do(p.Pause())
        else:
            self._go(lambda s: s.channels, "Every channel is pruned already.")

    def go_until(self, step: int | None = None, drop: str | None = None, asr: str | None = None) -> None:
        """Run until a step, a drop in points, or an attack success rate, whichever comes first."""
        last = self.latest.channels if step is None else step
        self._when_free(lambda: self.do(p.Goto(min(last, self.latest.channels), until_drop=drop, until_asr=asr)))

    def prune_channel(self, channel: int) -> None:
        """Prune `channel` next, out of turn."""
        if not self.may_change():
            return
        if channel in self.latest.pruned:
            self.show_notice(f"Channel {channel} is pruned already.")
        else:
            self._when_free(lambda: self.do(p.PruneNext(channel)))

    def may_change(self) -> bool:
        """Whether this window may do more than look at the run; says so where it may not."""
        if self.latest.read_only:
            self.show_notice(LOOKED_AT, "warning")
        return not self.latest.read_only

    def show_notice(self, text: str, severity: SeverityLevel = "information") -> None:
        """Say something in passing; plain text. What is still shown is not said again, and the oldest makes room."""
        text, said = printable(text), list(self._notifications)
        if any(each.message == text for each in said):
            return
        for each in said[: 1 - TOASTS]:
            self._unnotify(each, refresh=False)
        seconds = 4 if severity == "information" else 8
        self._notifications.add(Notification(text, severity=severity, timeout=seconds, markup=False))
        self._refresh_notifications()

    def _go(self, target: Target, at_the_end: str = "") -> None:
        """Move to the step that `target` names: at once among known steps, else when the engine is free."""
        if self.latest.ready and not self.latest.computing:
            self._move(target, at_the_end)
        else:
            self._when_free(lambda: self._move(target, at_the_end))

    def _move(self, target: Target, at_the_end: str) -> None:
        step = max(0, min(target(self.latest), self.latest.channels))
        if self.latest.read_only:
            self._look_at(step)
        elif step != self.latest.step:
            self.do(p.Goto(step))
        elif at_the_end:
            self.show_notice(at_the_end)

    def _look_at(self, step: int) -> None:
        """In a run that another process holds, go among known steps without a word to the engine."""
        if step in self.latest.steps:
            self.take(p.Moved(step))
        else:
            self.may_change()

    def _when_free(self, go: Callable[[], None]) -> None:
        if not self.latest.ready:
            return
        if self.latest.busy == "running":
            if self._waiting is None and self.latest.goal != self.latest.step + 1:
                self.link.send(p.Pause())
            self._waiting = go
        else:
            go()

"""What is asked in a window, and what is done with the answer."""

from collections.abc import Callable
from pathlib import Path
from time import strftime

from textual.actions import SkipAction

from engine.api import protocol as p
from tui.app.navigation import ShowingApp
from tui.model.formatting import short_path
from tui.model.run_state import AppEvent, EngineDeath, QuestionAnswered, RunState, Sent

TWICE = 2.0  # seconds within which a second Ctrl-C leaves


class AskingApp(ShowingApp):
    """Actions that need an answer first, and those on files. `clock` tells seconds."""

    clock: Callable[[], float]
    _interrupted = float("-inf")  # when Ctrl-C was pressed last
    _asked: p.Question | None = None  # the question that is on the screen

    def leave(self, code: int = 0) -> None:
        """End the program. The engine is told afterwards, when the terminal is as it was."""
        self.exit(code, code)

    def action_goto(self) -> None:
        from tui.screens import questions

        def go(answer: dict[str, str] | None) -> None:
            step = questions.step_of(answer["step"], self.latest) if answer else None
            if step is not None:
                self._go(lambda s: step)

        self.push_screen(questions.goto(self.latest), go)

    def action_run_until(self) -> None:
        from tui.screens import questions

        if not self.may_change():
            return

        def go(answer: dict[str, str] | None) -> None:
            if answer:
                step = questions.step_of(answer["step"], self.latest)
                self.go_until(step, answer["drop"] or None, answer.get("asr") or None)

        self.push_screen(questions.run_until(self.latest), go)

    def action_save(self) -> None:
        from tui.screens import questions

        if not self.may_change():
            return

        def save(answer: dict[str, str] | None) -> None:
            if answer:
                self.do(p.SaveHere(answer["name"]))

        self.push_screen(questions.save_here(self.latest), save)

    def action_thresholds(self) -> None:
        from tui.screens import questions

        if not self.may_change():
            return

        def put(answer: dict[str, str] | None) -> None:
            if answer is not None:
                self.do(p.SetThresholds(questions.split(answer["save_at"])))

        self.push_screen(questions.thresholds(self.latest), put)

    def after_event(self, before: RunState, event: AppEvent) -> None:
        super().after_event(before, event)
        if isinstance(event, p.Question | p.Idle):
            self.call_later(self._ask)
        elif isinstance(event, EngineDeath) or (isinstance(event, Sent) and isinstance(event.command, p.Open)):
            self._asked = None

    def _ask(self) -> None:
        """Put the first question that waits, once the run is open and no other one is on the screen."""
        from tui.screens import questions

        state = self.latest
        if self._asked or not state.questions or state.busy == "opening" or not state.ready or state.read_only:
            return
        asked = self._asked = state.questions[0]

        def answer(result: str | None) -> None:
            if self._asked is not asked:
                return  # its engine has gone, and the question with it
            self._asked = None
            if self.latest.questions[:1] == (asked,):
                self.take(QuestionAnswered())
            if result == "yes":
                self.do(questions.agreed(asked))
            elif asked.number:
                self.do(p.Decline(asked.number))
            self._ask()

        self.push_screen(questions.question(asked), answer)

    def action_quit(self) -> None:  # type: ignore[override]
        from tui.screens import questions

        if self.latest.read_only or (not self.latest.computing and self.latest.written):
            return self.leave()

        def answer(result: str | None) -> None:
            if result == "leave":
                self.leave()
            elif result == "write":
                self._then = self.leave
                self.do(p.Export())
            elif result == "detach":
                self.link.keep = True
                self.leave()

        self.push_screen(questions.leave(self.latest), answer)

    def action_interrupt(self) -> None:
        """Ctrl-C puts a window away, copies what is selected or quits; twice, it leaves whatever is asked."""
        from tui.screens.dialogs import Dialog

        now, before = self.clock(), self._interrupted
        self._interrupted = now
        if now - before < TWICE:
            self.leave()
        elif isinstance(self.screen, Dialog):
            self.screen.interrupt()
        elif self.screen.is_modal or self.screen.selections:
            raise SkipAction  # it has a binding of its own
        else:
            self.action_quit()

    # --- files

    def action_export(self) -> None:
        if self.may_change():
            self.do(p.Export())

    def action_save_svg(self) -> None:
        """An SVG of the screen, in the run folder where there is one."""
        folder = Path(self.latest.opened.run) if self.latest.opened else Path.cwd()
        name = f"lab3-{strftime('%H%M%S')}.svg"
        try:
            self.copy(self.save_screenshot(name, str(folder)), "Screenshot")
        except OSError as error:
            self.show_notice(f"Could not write {short_path(str(folder / name), 60)}: {error.strerror}", "error")

    def action_copy_command(self) -> None:
        from tui.model.session_command import headless_command

        if command := headless_command(self.latest):
            self.copy(command, "Command")

    def copy(self, text: str, what: str = "") -> None:
        """Put text on the terminal's clipboard, and show it: not every terminal has one."""
        self.copy_to_clipboard(text)
        self.show_notice(f"{what}: {text}" if what else text)

"""What is asked in a window, and what is done with the answer."""

from collections.abc import Callable

from textual.app import App

from engine.api import protocol as p
from tui.app.engine_session import EngineSession
from tui.app.playhead import Playhead
from tui.model.run_state import AppEvent, EngineDeath, QuestionAnswered, RunState, Sent


class DialogsFlow:
    """Actions that need an answer first, and the engine's own questions, one at a time. `leave` ends the program."""

    def __init__(self, app: App[int], engine: EngineSession, playhead: Playhead, leave: Callable[[], None]) -> None:
        self._app, self._engine, self._playhead, self._leave = app, engine, playhead, leave
        self.asked: p.Question | None = None  # the question that is on the screen
        self._when_written: Callable[[], None] | None = None  # what to do once the results are on disk

    @property
    def _state(self) -> RunState:
        return self._engine.latest

    def after_event(self, event: AppEvent) -> None:
        """Ask what waits for an answer; a question goes with the engine that asked it."""
        if isinstance(event, p.Failed):
            self._when_written = None
        elif isinstance(event, p.Idle) and not self._state.busy and self._when_written and self._state.written:
            then, self._when_written = self._when_written, None
            then()
        if isinstance(event, p.Question | p.Idle):
            self._app.call_later(self._ask_question)
        elif isinstance(event, EngineDeath) or (isinstance(event, Sent) and isinstance(event.command, p.Open)):
            self.asked = None

    # --- before an action

    def goto(self) -> None:
        from tui.screens import questions

        def go(answer: dict[str, str] | None) -> None:
            step = questions.step_of(answer["step"], self._state) if answer else None
            if step is not None:
                self._playhead.go(lambda _: step)

        self._app.push_screen(questions.goto(self._state), go)

    def run_until(self) -> None:
        from tui.screens import questions

        def go(answer: dict[str, str] | None) -> None:
            if answer:
                step = questions.step_of(answer["step"], self._state)
                self._playhead.go_until(
                    step, questions.bare(answer["drop"]) or None, questions.bare(answer.get("asr", "")) or None
                )

        if self._playhead.may_change():
            self._app.push_screen(questions.run_until(self._state), go)

    def save(self) -> None:
        from tui.screens import questions

        def save(answer: dict[str, str] | None) -> None:
            if answer:
                self._engine.do(p.SaveHere(answer["name"]))

        if self._playhead.may_change():
            self._app.push_screen(questions.save_here(self._state), save)

    def thresholds(self) -> None:
        from tui.screens import questions

        def put(answer: dict[str, str] | None) -> None:
            if answer is not None:
                self._engine.do(p.SetThresholds(questions.split(answer["save_at"])))

        if self._playhead.may_change():
            self._app.push_screen(questions.thresholds(self._state), put)

    def hand_in(self) -> None:
        """Pack what is handed in, and show what was checked."""
        from tui.screens.hand_in import HandInScreen

        if self._playhead.may_change() and self._state.opened:
            self._engine.do(p.HandIn(self._state.opened.run))
            self._app.push_screen(HandInScreen())

    def quit(self) -> None:
        """Leave at once where nothing runs and all is written; else ask."""
        from tui.screens import questions

        if self._state.read_only or (not self._state.computing and self._state.written):
            return self._leave()

        def answer(result: str | None) -> None:
            if result == "leave":
                self._leave()
            elif result == "write":
                self._when_written = self._leave
                self._engine.do(p.Export())
            elif result == "detach":
                self._engine.link.keep = True
                self._leave()

        self._app.push_screen(questions.leave(self._state), answer)

    # --- the engine asks

    def _ask_question(self) -> None:
        """Put the first question that waits, once the run is open and no other one is on the screen."""
        from tui.screens import questions

        state = self._state
        if self.asked or not state.questions or state.busy == "opening" or not state.ready or state.read_only:
            return
        asked = self.asked = state.questions[0]

        def answer(result: str | None) -> None:
            if self.asked is not asked:
                return  # its engine has gone, and the question with it
            self.asked = None
            if self._state.questions[:1] == (asked,):
                self._engine.take(QuestionAnswered())
            if result == "yes":
                self._engine.do(questions.agreed(asked))
            elif asked.number:
                self._engine.do(p.Decline(asked.number))
            self._ask_question()

        self._app.push_screen(questions.question(asked), answer)

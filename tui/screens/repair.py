"""Repair: B′ fine-tuned on clean validation images, epoch by epoch, with several seeds and from several steps."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from engine.api import protocol as p
from engine.api.errors import HELD_ELSEWHERE
from engine.api.tunings import Tuning
from tui.model.actions import bindings
from tui.model.formatting import EMPTY, file_name, rate
from tui.model.run_state import RunState, TunedFigures, tuned_figures, tuned_networks
from tui.screens import questions
from tui.screens.run_screen import RunScreen
from tui.widgets.cell_rows import Part, Row, blank, over, row
from tui.widgets.channel_table import scrollbar
from tui.widgets.event_log import fold
from tui.widgets.mouse import place
from tui.widgets.rows_view import RowsView, css_beside
from tui.widgets.tuning_chart import TuningChart, same_recipe

WHAT = (
    "Pruning alone fails where the attacker foresaw it. Fine-pruning goes on: prune far, past what accuracy allows, "
    "then train what is left on clean validation images. Accuracy comes back; the attack, with luck, does not."
)
NO_PROMISE = "No guarantee: other seeds, other ASR. Test and poisoned images are only looked at; they decide nothing."
LINES = 6  # tunings that are listed at most


class Tunings(RowsView):
    """The tunings of the run, one highlighted; above them the figures of the epoch shown."""

    DEFAULT_CSS = css_beside(__file__)

    def __init__(self) -> None:
        super().__init__()
        self._state, self._chosen, self._epoch = RunState(), 0, 0

    def show(self, state: RunState, chosen: int, epoch: int) -> None:
        self._state, self._chosen, self._epoch = state, chosen, epoch
        self.styles.height = 2 + max(1, min(LINES, len(state.tunings)))
        self.redraw()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        state, tuning = self._state, self._state.tunings.get(self._chosen)
        if tuning is None or tuning.last < 0:
            return [blank(width)]
        wide = width >= 100
        numbers = list(state.tunings)
        lines = [self._line(state.tunings[number], width, wide) for number in numbers]
        room = max(1, height - 2)
        top = max(0, min(numbers.index(self._chosen) - room // 2, len(lines) - room))
        bar = scrollbar(top, room, len(lines))
        seen = [over(at, width - 1, mark, "d") for at, mark in zip(lines[top:], bar, strict=False)]
        return [self._figures(tuning, width), _head(width, wide), *seen]

    class Clicked(Message):
        """A click on the tuning of this number, or a notch of the wheel (`by`)."""

        def __init__(self, number: int = 0, by: int = 0) -> None:
            super().__init__()
            self.number, self.by = number, by

    def on_click(self, event: Click) -> None:
        at, numbers = place(event, self), list(self._state.tunings)
        room = max(1, self.content_size.height - 2)
        if at is None or self._chosen not in numbers:
            return
        top = max(0, min(numbers.index(self._chosen) - room // 2, len(numbers) - room))
        if 0 <= (line := top + at[1] - 2) < len(numbers) and at[1] >= 2:
            self.post_message(self.Clicked(numbers[line]))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Clicked(by=1))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Clicked(by=-1))

    def _figures(self, tuning: Tuning, width: int) -> Row:
        """The epoch that is shown, each number with its set."""
        now = tuned_figures(self._state, tuning, min(self._epoch, tuning.last))
        name = "B′ as pruned" if self._epoch == 0 else f"B″ epoch {self._epoch}"
        parts: list[Part] = [(f" {name}", "b"), (f" of {tuning.began.recipe.epochs}", "d")]
        named = (
            ("hold-out", now.holdout, "v"),
            ("test", now.test, "g"),
            ("ASR", now.asr, "a"),
            ("RA", now.robust, "."),
        )
        more = (("G detected", now.detection, "g"), ("false alarms", now.false_alarm, "x"))
        for label, value, ink in (*named, *more):
            part: list[Part] = [(f"   {label} ", "d"), (f"{rate(value)} %", ink)]
            used = sum(len(text) for text, _ in (*parts, *part))
            parts += part if value is not None and used <= width else []
        return row(width, *parts)

    def _line(self, tuning: Tuning, width: int, wide: bool) -> Row:
        """A tuning at the epoch that it keeps, and what has become of it."""
        began, chosen = tuning.began, tuning.began.number == self._chosen
        now = tuned_figures(self._state, tuning, tuning.kept) if tuning.last >= 0 else None
        cells = [rate(value, 1).rjust(9) if now else EMPTY.rjust(9) for value in _rates(now)]
        left: list[Part] = [(f" {began.step:>4}  {began.recipe.scope:<6} {began.seed:>5}", "b" if chosen else ".")]
        left.append((f" {max(0, tuning.kept):>4}/{began.recipe.epochs:<4}", "."))
        inks = ("v", "g", "a", ".")
        left += [(cell, ink) for cell, ink in zip(cells if wide else cells[:3], inks, strict=False)]
        return row(width, *left, (f"  {self._fate(tuning)}", "d"), back="cursor" if chosen else "")

    def _fate(self, tuning: Tuning) -> str:
        state, number = self._state, tuning.began.number
        saved = [file_name(f.path) for f in tuned_networks(state) if f.tuning == number]
        if saved:
            return saved[-1]
        if not tuning.done:
            under_way = state.computing and number == max(state.tunings)
            return "tuning …" if under_way else "paused, space goes on"
        return "stopped" if tuning.stopped else "not saved"


def _rates(now: TunedFigures | None) -> tuple[float | None, ...]:
    return tuple(getattr(now, field, None) for field in ("holdout", "test", "asr", "robust"))


def _head(width: int, wide: bool) -> Row:
    names = ("hold-out", "test", "ASR", "RA") if wide else ("hold-out", "test", "ASR")
    return row(width, (" step  scope   seed  epoch  " + "".join(name.rjust(9) for name in names) + "  file", "d"))


class Introduction(RowsView):
    """What fine-pruning is, before anything was tuned."""

    DEFAULT_CSS = ""

    def __init__(self) -> None:
        super().__init__()
        self._state, self._recipe = RunState(), p.Recipe()
        self._seeds: tuple[int, ...] = ()

    def show(self, state: RunState, recipe: p.Recipe, seeds: tuple[int, ...]) -> None:
        self._state, self._recipe, self._seeds = state, recipe, seeds
        self.redraw()

    def draw(self, width: int, _height: int) -> Sequence[Row]:
        said = [*fold(WHAT, width - 4), "", *fold(self._what_now(), width - 4), "", *fold(NO_PROMISE, width - 4)]
        return [blank(width), *(row(width, (f"  {line}", ".")) for line in said)]

    def _what_now(self) -> str:
        state, recipe = self._state, self._recipe
        if state.step == 0:
            return "This is B, no channel pruned: go to a later step first, then come back."
        where = "the layers behind the cut" if recipe.scope == "behind" else "the whole network"
        seeds = ", ".join(map(str, self._seeds))
        return (
            f"space tunes B′ of step {state.step} of {state.channels}: {where}, {recipe.epochs} epochs, seeds {seeds}. "
            f"{recipe.holdout} of each class is held out. c changes that."
        )


class RepairScreen(RunScreen):
    """Curves of the highlighted tuning, and a list of all of them. Looking at an epoch changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("repair")]
    SCOPES = ("repair", "run")
    HINTS = (
        "B″ is B′ fine-tuned; only held-out images tell accuracy. Test and ASR decide nothing.",
        "B″ is B′ fine-tuned. Only the hold-out decides.",
        "",
    )

    def __init__(self) -> None:
        super().__init__()
        self._recipe = p.Recipe()
        self._seeds: tuple[int, ...] = (0, 1, 2)
        self._chosen: int | None = None  # a tuning; None: the newest
        self._epoch: int | None = None  # None: the newest, or the one that is kept

    def body(self) -> Iterator[Widget]:
        yield Introduction()
        yield TuningChart()
        yield Tunings()

    def show(self, state: RunState) -> None:
        tuning = self.tuning(state)
        begun = tuning is not None and tuning.last >= 0
        self.query_one(Introduction).display = not begun
        for part in (TuningChart, Tunings):
            self.query_one(part).display = begun
        self.query_one(Introduction).show(state, self._recipe, self._seeds)
        if tuning is not None and begun:
            epoch = self.epoch(tuning)
            self.query_one(TuningChart).show(state, tuning, epoch)
            self.query_one(Tunings).show(state, tuning.began.number, epoch)

    def tuning(self, state: RunState) -> Tuning | None:
        """The highlighted tuning; the newest, where none was chosen."""
        number = max(state.tunings, default=0) if self._chosen is None else self._chosen
        return state.tunings.get(number)

    def epoch(self, tuning: Tuning) -> int:
        if self._epoch is not None:
            return min(self._epoch, tuning.last)
        return max(0, tuning.kept if tuning.done else tuning.last)

    # --- what the keys do

    def action_tune(self) -> None:
        """Tune the B′ of the playhead, or pause what is tuned; a paused one goes on."""
        state = self.lab.latest
        if state.computing:
            self.lab.do(p.Pause())
        elif not self._may_change(state):
            return
        elif (paused := self._paused(state)) is not None:
            seeds = [each.began.seed for each in same_recipe(state, paused)]
            self._start(p.Tune(paused.began.step, recipe=paused.began.recipe, seeds=tuple(dict.fromkeys(seeds))))
        elif state.step == 0:
            self.lab.show_notice("This is B, no channel pruned: nothing to repair. Prune first.")
        else:
            self._start(p.Tune(state.step, recipe=self._recipe, seeds=self._seeds))

    def _paused(self, state: RunState) -> Tuning | None:
        """The highlighted tuning, where it is of this order's step and was left before its end."""
        tuning = self.tuning(state)
        if tuning is None or tuning.done:
            return None
        step = tuning.began.step
        known = step in state.steps and set(tuning.began.pruned) == set(state.order[:step])
        return tuning if known else None

    def _start(self, command: p.Tune) -> None:
        self._chosen = self._epoch = None
        self.lab.do(command)

    def _may_change(self, state: RunState) -> bool:
        if state.read_only:
            self.lab.show_notice(HELD_ELSEWHERE, "warning")
        return not state.read_only

    def action_recipe(self) -> None:
        def take(answers: dict[str, str] | None) -> None:
            if answers is not None:
                self._recipe, self._seeds = questions.recipe_of(answers)
                self.show(self.lab.state)
                self.lab.show_notice("space tunes by this recipe.")

        self.app.push_screen(questions.recipe(self._recipe, self._seeds), take)

    def action_stop_tuning(self) -> None:
        state = self.lab.latest
        tuning = self.tuning(state)
        if tuning is None or tuning.done:
            self.lab.show_notice("Nothing is being tuned.")
        elif self._may_change(state):
            if state.computing:
                self.lab.do(p.Pause())
            self.lab.do(p.StopTuning(tuning.began.number))

    def action_save_tuned(self) -> None:
        state = self.lab.latest
        tuning = self.tuning(state)
        if tuning is None or self.epoch(tuning) < 1:
            self.lab.show_notice("This is B′ as pruned: there is no B″ to save. s on the workbench saves B′.")
        elif self._may_change(state):
            number, epoch = tuning.began.number, self.epoch(tuning)

            def save(answers: dict[str, str] | None) -> None:
                if answers:
                    self.lab.do(p.SaveTuned(number, epoch, answers["name"]))

            self.app.push_screen(questions.save_tuned(state, tuning, epoch), save)

    def action_epoch_on(self) -> None:
        self._to(1)

    def action_epoch_back(self) -> None:
        self._to(-1)

    def action_epoch_first(self) -> None:
        self._epoch = 0
        self.show(self.lab.state)

    def action_epoch_last(self) -> None:
        self._epoch = None
        self.show(self.lab.state)

    def _to(self, by: int) -> None:
        if (tuning := self.tuning(self.lab.latest)) is not None:
            self._epoch = max(0, min(self.epoch(tuning) + by, tuning.last))
            self.show(self.lab.state)

    @on(Tunings.Clicked)
    def _clicked(self, event: Tunings.Clicked) -> None:
        if event.by:
            self._highlight(event.by)
        else:
            self._chosen, self._epoch = event.number, None
            self.show(self.lab.state)

    def action_tuning_down(self) -> None:
        self._highlight(1)

    def action_tuning_up(self) -> None:
        self._highlight(-1)

    def _highlight(self, by: int) -> None:
        state = self.lab.latest
        numbers, tuning = list(state.tunings), self.tuning(state)
        if tuning is not None:
            place = max(0, min(numbers.index(tuning.began.number) + by, len(numbers) - 1))
            self._chosen, self._epoch = numbers[place], None
            self.show(self.lab.state)

"""RunState, everything a front end shows of a run, and `reduce`, the only way it changes.

Both front ends fold the engine's events through `reduce`. The state is frozen and the function pure, so any screen can
be drawn, and tested, from a list of events alone.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from engine.api import deliverables
from engine.api import protocol as p
from engine.api.deliverables import Channels, File, Files, table_place
from engine.api.demo import Attack
from engine.api.order_figures import summary
from engine.api.orders import BADGES, DEFAULT, ORACLE, method_of
from engine.api.stride import next_stop, stops
from engine.api.tunings import Tuning, Tunings, folded

if TYPE_CHECKING:  # imported when there is something to explain, not before the first frame
    from engine.api.explanation import Findings

LOG_LINES = 1000
# phases that come after a run is open, as often as they are asked for
LATER_PHASES = ("steps", "step", "orders", "tuning", "why", "detectors", "layers", "files", "hand in")
PACE_STEPS = 12  # steps whose mean time tells how long the rest will take

Status = Literal["closed", "opening", "ready", "running", "writing", "dead"]
Kind = Literal["info", "step", "tuned", "threshold", "saved", "warning", "error"]


class Line(NamedTuple):
    """A line of the event log, and the step at which the playhead stood; `at`: the time of day, where it is known."""

    step: int
    kind: Kind
    text: str
    at: str = ""


class Sent(NamedTuple):
    """The front end sent this command."""

    command: p.AnyCommand


class EngineDeath(NamedTuple):
    """The engine process is gone: why, in one line, the last lines of its log, and the signal that killed it."""

    reason: str
    tail: tuple[str, ...] = ()
    signal: str = ""


class QuestionAnswered(NamedTuple):
    """The user has answered the first question, or put it away."""


AppEvent = p.AnyEvent | Sent | EngineDeath | QuestionAnswered


class Figures(NamedTuple):
    """A step in percent; None where the set is not there. `drop` is in points of clean validation accuracy."""

    valid: float
    drop: float
    test: float | None = None
    asr: float | None = None
    g_test: float | None = None
    g_asr: float | None = None
    detection: float | None = None
    false_alarm: float | None = None
    valid_asr: float | None = None  # poisoned validation images: B and saved steps only


class TunedFigures(NamedTuple):
    """An epoch in percent; None where the set is not there. `holdout`: of the held-out validation images."""

    holdout: float
    test: float | None = None
    asr: float | None = None
    robust: float | None = None
    g_test: float | None = None
    g_asr: float | None = None
    detection: float | None = None
    false_alarm: float | None = None


class RunState(Struct, frozen=True):
    """One run as its events tell it. `steps` holds the known steps of the current order, by number."""

    hello: p.Hello | None = None
    settings: p.Settings | None = None
    demo: Attack | None = None  # the embedded demo that was asked for
    going_on: bool = False  # a run of before was asked for, and no engine is at work on it still
    began: p.Began | None = None
    opened: p.Opened | None = None
    ranked: p.Ranked | None = None
    phases: Mapping[str, p.Progress] = {}
    order: tuple[int, ...] = ()
    steps: Mapping[int, p.Stepped] = {}
    step: int = 0
    goal: int | None = None  # where the Goto under way leads
    unanswered: int = 0  # commands sent that the engine has still to end, each with an Idle
    ahead: tuple[int, ...] = ()  # known steps that the playhead went to before the engine could say so
    busy: Literal["", "opening", "running", "writing"] = ""
    thresholds: tuple[str, ...] = ()
    crossed: Mapping[str, int] = {}
    saved: tuple[p.Saved, ...] = ()
    files: Files = {}  # by path: what stands on disk, as far as is known
    measured: Mapping[int, p.Counts] = {}
    counted: Mapping[Channels, p.Counts] = {}  # by channels at zero: counts with the poisoned validation set
    questions: tuple[p.Question, ...] = ()
    images: p.Images | None = None
    view: p.ChannelView | None = None
    evaluated: p.Evaluated | None = None
    graded: tuple[p.Graded, ...] = ()
    compared: Mapping[str, p.Compared] = {}  # orders by name
    comparing: tuple[str, ...] = ()  # orders that the engine was asked to compare and has not told of
    under_way: Mapping[str, tuple[p.Counts, ...]] = {}  # by name, the steps of the order that is being compared
    taken: str = ""  # the name of the whole order that was taken; empty: the one that the run began with
    whole_orders: Mapping[str, tuple[int, ...]] = {}  # by what `taken` was: orders before a channel went out of turn
    undo_at: int | None = None  # the step at which undo brings back the order of before
    tunings: Tunings = {}  # by number
    classified: tuple[p.Classified, ...] = ()
    exported: p.Exported | None = None
    handed_in: p.HandedIn | None = None
    analysed: p.Analysed | None = None
    diagnosed: p.Diagnosed | None = None
    layers_pruned: p.LayersPruned | None = None
    detected: p.Detected | None = None
    finished: p.Finished | None = None
    written: bool = True  # the result files on disk hold every step computed
    idle: p.Idle | None = None
    failed: p.Failed | None = None
    death: EngineDeath | None = None
    log: tuple[Line, ...] = ()

    @property
    def status(self) -> Status:
        if self.death:
            return "dead"
        return self.busy or ("ready" if self.ready else "closed")

    @property
    def ready(self) -> bool:
        """B is measured: there are figures to show."""
        return self.opened is not None and 0 in self.steps

    @property
    def retelling(self) -> bool:
        """What is told now is the journal of a run that goes on, from its first event to the end of opening."""
        return self.going_on and self.began is not None and self.busy == "opening"

    @property
    def computing(self) -> bool:
        """A step is being computed, or a file saved; a move among known steps is not worth a word."""
        return self.busy == "running" and (self.goal is None or self.goal not in self.steps)

    @property
    def channels(self) -> int:
        """Steps there are: the order's length, which a given order may make shorter than the layer."""
        return len(self.order) or (self.opened.channels if self.opened else 0)

    @property
    def order_by(self) -> str:
        """The name of the order in force; empty where the user gave it, or none is known yet."""
        return self.taken or (self.ranked.order_by if self.ranked and not self.ranked.given else "")

    @property
    def out_of_turn(self) -> bool:
        """A channel was pruned out of turn, so that the order is not quite that of its name."""
        return self.order != self.whole_orders.get(self.taken, self.order)

    @property
    def pruned(self) -> tuple[int, ...]:
        return self.order[: self.step]

    @property
    def next_channel(self) -> int | None:
        return self.order[self.step] if self.step < len(self.order) else None

    @property
    def known(self) -> int:
        """The last step that can be shown without computing, going up from the playhead from stop to stop."""
        last = self.step
        while (following := self.following(last)) is not None:
            last = following
        return last

    def following(self, step: int) -> int | None:
        """The known step after another one, up to where the run stops next; None where there is none."""
        end = next_stop(step, self.stride, self.channels)
        return next((at for at in range(step + 1, end + 1) if at in self.steps), None)

    def before(self, step: int) -> int:
        """The known step before another one; where none is, the step below it."""
        return next((at for at in range(step - 1, -1, -1) if at in self.steps), step - 1)

    @property
    def stride(self) -> int:
        """Channels that a step takes."""
        return self.settings.stride if self.settings else 1

    @property
    def complete(self) -> bool:
        return self.ready and all(step in self.steps for step in stops(self.stride, self.channels))

    @property
    def read_only(self) -> bool:
        return bool(self.opened and self.opened.held_by)


# --- figures --------------------------------------------------------------------------------------------------


def images(state: RunState, name: p.SetName) -> int:
    """Images in a set, 0 where it is not there."""
    found = state.opened.sets.get(name) if state.opened else None
    return found.images if found else 0


def figures(state: RunState, step: int | None = None) -> Figures | None:
    """The figures of a step (of the playhead, where none is named), or None where it is not known."""
    at = state.steps.get(state.step if step is None else step)
    base = state.steps.get(0)
    if at is None or base is None or state.opened is None:
        return None
    return of_counts(state, at.counts, base.counts, state.measured.get(at.step))


def of_counts(state: RunState, counts: p.Counts, base: p.Counts, measured: p.Counts | None = None) -> Figures:
    """Counts in percent of their sets; `base` are those of B, `measured` adds the poisoned validation set."""
    valid, test, poisoned = images(state, "valid"), images(state, "test"), images(state, "poisoned")
    extra = measured.poisoned_valid if measured else counts.poisoned_valid
    return Figures(
        valid=p.percent(counts.valid, valid),
        drop=p.drop(base.valid, counts.valid, valid),
        test=_percent(counts.test, test),
        asr=_percent(counts.poisoned, poisoned),
        g_test=_percent(counts.g_test, test),
        g_asr=_percent(counts.g_poisoned, poisoned),
        detection=_percent(counts.detected, poisoned),
        false_alarm=_percent(counts.false_alarms, test),
        valid_asr=_percent(extra, images(state, "poisoned_valid")),
    )


def tuned_figures(state: RunState, tuning: Tuning, epoch: int) -> TunedFigures:
    """The figures of an epoch of a tuning."""
    counts, test, poisoned = tuning.epochs[epoch].counts, images(state, "test"), images(state, "poisoned")
    return TunedFigures(
        holdout=p.percent(counts.holdout, tuning.began.held_out),
        test=_percent(counts.test, test),
        asr=_percent(counts.poisoned, poisoned),
        robust=_percent(counts.robust, poisoned),
        g_test=_percent(counts.g_test, test),
        g_asr=_percent(counts.g_poisoned, poisoned),
        detection=_percent(counts.detected, poisoned),
        false_alarm=_percent(counts.false_alarms, test),
    )


def tuned_networks(state: RunState) -> list[File]:
    """The saved B″ that stand on disk."""
    found = (f for f in state.files.values() if f.what == "tuned" and f.tuning in state.tunings and f.epoch)
    return sorted(found, key=lambda file: (file.step or 0, file.path))


def _percent(hits: int | None, total: int) -> float | None:
    return None if hits is None or not total else p.percent(hits, total)


def next_threshold(state: RunState) -> tuple[str, float] | None:
    """The smallest threshold that no known step of the current order has reached, and the points left to it."""
    now = figures(state)
    waiting = sorted((x for x in state.thresholds if x not in state.crossed), key=float)
    return (waiting[0], max(0.0, float(waiting[0]) - now.drop)) if waiting and now else None


def networks(state: RunState) -> list[File]:
    """The saved networks that stand on disk, in the order of their steps; among equals the smaller threshold first."""
    found = (file for file in state.files.values() if file.what == "model" and file.step is not None)
    return sorted(found, key=lambda file: table_place(file.step, file.threshold, file.path))


def saved_at(state: RunState, threshold: str) -> File | None:
    """The B′ that stands on disk for a threshold."""
    return next((file for file in networks(state) if file.threshold == threshold), None)


def of_order(state: RunState, file: File) -> bool:
    """Whether a file's channels at zero are those of its step in the current order."""
    return file.channels == frozenset(state.order[: file.step or 0])


def file_figures(state: RunState, file: File) -> Figures | None:
    """The figures of a saved network, of whatever order it is; None where they are not known."""
    base = state.steps.get(0)
    return of_counts(state, file.counts, base.counts) if base and file.counts and state.opened else None


def findings(state: RunState) -> "Findings | None":
    """What was found of why the defence works or fails; None where nobody has looked."""
    if state.diagnosed is None or state.opened is None:
        return None
    from engine.api.explanation import Findings

    counts = {name: info.images for name, info in state.opened.sets.items()}
    opened = state.opened
    return Findings(state.diagnosed, counts, opened.layer, opened.target, state.layers_pruned, state.detected)


def seconds_a_step(state: RunState) -> float | None:
    """Mean seconds of the last steps computed, or None before the first."""
    times = [at.seconds for at in state.steps.values() if at.step and at.seconds][-PACE_STEPS:]
    return sum(times) / len(times) if times else None


def seconds_left(state: RunState) -> float | None:
    """Seconds to the goal, or to the last step where there is no goal."""
    pace = seconds_a_step(state)
    goal = state.channels if state.goal is None else state.goal
    ahead = (step for step in stops(state.stride, state.channels) if state.step < step <= goal)
    missing = sum(step not in state.steps for step in ahead)
    return pace * missing if pace is not None and state.ready else None


# --- reduce ---------------------------------------------------------------------------------------------------


def reduce(state: RunState, event: AppEvent) -> RunState:
    """The state after `event`."""
    return _HANDLERS[type(event)](state, event)


def _log(state: RunState, kind: Kind, text: str, step: int | None = None) -> RunState:
    line = Line(state.step if step is None else step, kind, text)
    return replace(state, log=(*state.log[1 - LOG_LINES :], line))


def _sent(state: RunState, event: Sent) -> RunState:
    if not isinstance(event.command, p.Pause):
        state = replace(state, unanswered=state.unanswered + 1)
    match event.command:
        case p.Open(settings=settings):
            fresh = RunState(state.hello, settings, event.command.demo, thresholds=settings.save_at, log=state.log)
            return replace(fresh, going_on=event.command.run is not None, busy="opening", unanswered=1)
        case p.Goto(step=step, until_drop=None, until_asr=None) if not state.computing and step in state.steps:
            return replace(state, step=step, ahead=(*state.ahead, step), failed=None)
        case p.Goto(step=step):
            return replace(state, goal=step, busy="running", failed=None)
        case p.Compare(orders=names):
            asked = tuple(name for name in names if name not in state.comparing and name not in state.compared)
            return replace(state, goal=None, busy="running", comparing=(*state.comparing, *asked), failed=None)
        case p.CancelOrder(order=name):
            return replace(state, comparing=tuple(each for each in state.comparing if each != name))
        case p.TakeOrder() | p.Tune() | p.SaveTuned() | p.StopTuning() | p.Classify() | p.ExportNetwork() | p.Grade():
            return replace(state, goal=None, busy="running", failed=None)
        case p.Explain():
            return replace(state, goal=None, busy="running", failed=None)
        case p.PruneNext() | p.SetThresholds() | p.SaveHere() | p.SaveThreshold():
            return replace(state, goal=None, busy="running", failed=None)
        case p.Export() | p.Finish():
            return replace(state, busy="writing", failed=None)
        case p.HandIn():
            return replace(state, goal=None, busy="writing", failed=None, handed_in=None)
    return state


def _hello(state: RunState, event: p.Hello) -> RunState:
    return _log(replace(state, hello=event, death=None), "info", f"engine is up (process {event.pid})")


def _began(state: RunState, event: p.Began) -> RunState:
    """A run begins, or is told from its beginning: by an engine that has opened it, or by one that never left it."""
    going_on = state.going_on and state.opened is not None
    return replace(state, began=event, going_on=going_on, settings=event.settings, thresholds=event.settings.save_at)


def _progress(state: RunState, event: p.Progress) -> RunState:
    state = replace(state, phases={**state.phases, event.phase: event})
    if event.done < event.total or event.phase in LATER_PHASES:
        return state
    note = f" · {event.note}" if event.note else ""
    return _log(state, "info", f"{event.phase}: {event.seconds:.1f} s{note}")


def _opened(state: RunState, event: p.Opened) -> RunState:
    state = replace(state, opened=event)
    for note in event.notes:
        state = _log(state, "warning", note)
    return state


def _ranked(state: RunState, event: p.Ranked) -> RunState:
    state = replace(state, ranked=event, order=event.order, whole_orders={"": event.order})
    if event.given or event.order_by == DEFAULT:
        return state
    if event.oracle:
        return _log(state, "warning", f"order by {event.order_by}: {ORACLE}")
    return _log(state, "info", f"order by {event.order_by}, which looks at {BADGES[event.looks_at]}")


def _reordered(state: RunState, event: p.Reordered) -> RunState:
    """Steps above `kept` belong to another order now, and with them their crossings; what was saved stays."""
    if event.order_by is not None:
        known = {event.order_by: event.order, **state.whole_orders}
        state = _taken(replace(state, taken=event.order_by, whole_orders=known))
    return replace(
        state,
        undo_at=event.undo_at,
        order=event.order,
        ahead=tuple(step for step in state.ahead if step <= event.kept),
        step=min(state.step, event.kept),
        steps={step: at for step, at in state.steps.items() if step <= event.kept},
        crossed={x: step for x, step in state.crossed.items() if step <= event.kept},
        measured={step: counts for step, counts in state.measured.items() if step <= event.kept},
        questions=tuple(each for each in state.questions if each.step is None or each.step <= event.kept),
        written=False,
    )


def _taken(state: RunState) -> RunState:
    """Say in the log that another order is in force."""
    name = state.order_by
    if name and method_of(name).oracle:
        return _log(state, "warning", f"order by {name}: {ORACLE}")
    return _log(state, "info", f"order by {name}" if name else "the order given")


def _stepped(state: RunState, event: p.Stepped) -> RunState:
    new = event.step not in state.steps
    state = _without_step(state)
    state = _reach(replace(state, steps={**state.steps, event.step: event}), event.step)
    if counted := state.counted.get(frozenset(state.order[: event.step])):
        state = replace(state, measured={**state.measured, event.step: counted})
    if not event.step or not new:
        return state
    if event.seconds and not state.busy:  # an Idle on its way crossed our command
        state = replace(state, busy="running")
    now = figures(state, event.step)
    text = f"channel {event.channel}"
    if now:
        asr = "" if now.asr is None else f" · ASR {now.asr:.2f} %"
        text += f" · valid acc {now.valid:.2f} % ({p.format_drop(now.drop)} pt){asr}"
    return _log(replace(state, written=False), "step", text, event.step)


def _without_step(state: RunState) -> RunState:
    """No step is under way any more."""
    if "step" not in state.phases:
        return state
    return replace(state, phases={name: at for name, at in state.phases.items() if name != "step"})


def _reach(state: RunState, *steps: int) -> RunState:
    """Note the thresholds that these known steps, in ascending order, are the first of the current order to reach.

    The engine tells of a crossing once; what it told may be of an earlier order, or of thresholds given up since.
    """
    base, valid, crossed = state.steps.get(0), images(state, "valid"), dict(state.crossed)
    if base is None or not valid:
        return state
    for step in steps:
        before, after = base.counts.valid, state.steps[step].counts.valid
        for threshold in state.thresholds:
            if threshold not in crossed and p.reached(threshold, before, after, valid):
                crossed[threshold] = step
    return replace(state, crossed=crossed)


def _moved(state: RunState, event: p.Moved) -> RunState:
    """The engine has moved; while it follows a playhead that is ahead of it, only the last word counts."""
    if not state.ahead:
        return replace(state, step=event.step)
    ahead = state.ahead[1:] if state.ahead[0] == event.step else state.ahead
    return replace(state, ahead=ahead, step=state.step if ahead else event.step)


def _crossed(state: RunState, event: p.Crossed) -> RunState:
    state = replace(state, crossed={**state.crossed, event.threshold: event.step})
    return _log(state, "threshold", f"{p.threshold_label(event.threshold)} reached", event.step)


def _saved(state: RunState, event: p.Saved) -> RunState:
    same = " (unchanged)" if event.status == "unchanged" else ""
    written = state.written or event.what == "curve.csv"
    pruned = event.pruned if event.pruned is not None else state.order[: event.step or 0]
    state = replace(
        state,
        saved=(*state.saved, event),
        files=deliverables.with_saved(state.files, event, pruned, _counts_of(state, event, pruned), state.taken),
        written=written,
        questions=tuple(each for each in state.questions if each.path != event.path),
    )
    return _log(state, "saved", f"saved {event.path}{same}", event.step)


def _counts_of(state: RunState, event: p.Saved, pruned: tuple[int, ...]) -> p.Counts | None:
    """What was counted for a network that is saved."""
    if event.step is None:
        return None
    same = (file.counts for file in state.files.values() if file.counts and file.channels == frozenset(pruned))
    at = state.steps.get(event.step) if event.pruned is None else None
    return state.counted.get(frozenset(pruned)) or (at.counts if at else next(same, None))


def _file_changed(state: RunState, event: p.FileChanged) -> RunState:
    """A file is not what was saved: nothing on the screen may say that it is."""
    file = state.files.get(event.path)
    written = state.written and (file is None or file.step is not None)
    text = f"{event.path} is gone" if event.found == "gone" else f"{event.path} was changed by somebody else"
    return _log(replace(state, files=deliverables.without(state.files, event.path), written=written), "warning", text)


def _save_measured(state: RunState, event: p.SaveMeasured) -> RunState:
    channels = frozenset(state.order[: event.step])
    return replace(
        state,
        measured={**state.measured, event.step: event.counts},
        counted={**state.counted, channels: event.counts},
        files=deliverables.with_measured(state.files, channels, event.counts),
    )


def _question(state: RunState, event: p.Question) -> RunState:
    """A question waits for its answer; those that journals of before tell of were all answered."""
    waits = event.number or not state.retelling
    state = replace(state, questions=(*state.questions, event)) if waits else state
    return _log(state, "warning", event.text)


def _declined(state: RunState, event: p.Declined) -> RunState:
    asked = next((each for each in state.questions if each.number == event.question), None)
    return replace(state, questions=tuple(each for each in state.questions if each is not asked))


def _answered(state: RunState, _event: QuestionAnswered) -> RunState:
    return replace(state, questions=state.questions[1:])


def _thresholds(state: RunState, event: p.Thresholds) -> RunState:
    return _reach(replace(state, thresholds=event.save_at, crossed={}), *sorted(state.steps))


def _images(state: RunState, event: p.Images) -> RunState:
    return replace(state, images=event)


def _view(state: RunState, event: p.ChannelView) -> RunState:
    return replace(state, view=event)


def _evaluated(state: RunState, event: p.Evaluated) -> RunState:
    return replace(state, evaluated=event)


def _compared(state: RunState, event: p.Compared) -> RunState:
    waiting = tuple(name for name in state.comparing if name != event.name)
    state = replace(state, compared={**state.compared, event.name: event}, comparing=waiting)
    found = summary(event, {name: info.images for name, info in state.opened.sets.items()} if state.opened else {})
    told = "" if found.score is None else f", score {found.score:.3f}"
    return _log(state, "info", f"compared order {event.name}{told} ({event.seconds:.1f} s)")


def _compared_step(state: RunState, event: p.ComparedStep) -> RunState:
    known = state.under_way.get(event.name, ())[: event.step]
    return replace(state, under_way={event.name: (*known, event.counts)})


def _tuning_began(state: RunState, event: p.TuningBegan) -> RunState:
    recipe = event.recipe
    text = f"tuning {event.number}: B′ of step {event.step}, seed {event.seed}, {recipe.epochs} epochs, {recipe.scope}"
    return _log(replace(state, tunings=folded(state.tunings, event), written=False), "info", text, event.step)


def _tuned(state: RunState, event: p.Tuned) -> RunState:
    state = replace(state, tunings=folded(state.tunings, event), written=False)
    tuning = state.tunings.get(event.number)
    return state if tuning is None or not event.epoch else _log(state, "tuned", epoch_line(state, tuning, event.epoch))


def _tuning_stopped(state: RunState, event: p.TuningStopped) -> RunState:
    state = replace(state, tunings=folded(state.tunings, event))
    return _log(state, "info", f"tuning {event.number} was stopped")


def epoch_line(state: RunState, tuning: Tuning, epoch: int) -> str:
    """An epoch in words; each number names its set."""
    now, began = tuned_figures(state, tuning, epoch), tuning.began
    text = f"seed {began.seed}  epoch {epoch:>2}/{began.recipe.epochs}  hold-out {now.holdout:6.2f} %"
    named = {"test": now.test, "ASR": now.asr, "RA": now.robust}
    return text + "".join(f"  {name} {value:6.2f} %" for name, value in named.items() if value is not None)


def _classified(state: RunState, event: p.Classified) -> RunState:
    return replace(state, classified=(*state.classified, event))


def _graded(state: RunState, event: p.Graded) -> RunState:
    return replace(state, graded=(*state.graded, event))


def _exported(state: RunState, event: p.Exported) -> RunState:
    return replace(state, exported=event)


def _handed_in(state: RunState, event: p.HandedIn) -> RunState:
    return _log(replace(state, handed_in=event), "saved", f"to hand in: {event.path}")


def _analysed(state: RunState, event: p.Analysed) -> RunState:
    return replace(state, analysed=event)


def _diagnosed(state: RunState, event: p.Diagnosed) -> RunState:
    from engine.api import explanation

    state = replace(state, diagnosed=event)
    found = findings(state)
    told = "" if found is None else f": {explanation.verdict(found).name}"
    return _log(state, "info", f"diagnosis{told} ({event.seconds:.1f} s)")


def _layers_pruned(state: RunState, event: p.LayersPruned) -> RunState:
    count = len(event.layers)
    return _log(replace(state, layers_pruned=event), "info", f"pruned {count} layers alone ({event.seconds:.1f} s)")


def _detected(state: RunState, event: p.Detected) -> RunState:
    best = max(event.detectors, key=lambda at: at.area)
    text = f"detectors: {best.name} has the largest area, {best.area:.3f} ({event.seconds:.1f} s)"
    return _log(replace(state, detected=event), "info", text)


def _note(state: RunState, event: p.Note) -> RunState:
    return _log(state, "info", event.text)


def _idle(state: RunState, event: p.Idle) -> RunState:
    """The engine has ended a command; it is free where it was the last one."""
    if event.why != "done":
        state = replace(state, ahead=(), step=event.step)
    state = _without_step(replace(state, idle=event, unanswered=max(0, state.unanswered - 1)))
    if state.unanswered:
        return state
    step = event.step if state.ahead else state.step
    return replace(state, busy="", goal=None, comparing=(), ahead=(), step=step)


def _finished(state: RunState, event: p.Finished) -> RunState:
    state = replace(state, finished=event, written=True)
    return _log(state, "saved", f"all results are in {event.run} ({event.seconds:.1f} s)")


def _failed(state: RunState, event: p.Failed) -> RunState:
    return _log(replace(state, failed=event, goal=None, busy="", comparing=()), "error", event.message)


def _died(state: RunState, event: EngineDeath) -> RunState:
    return _log(
        replace(state, death=event, busy="", goal=None, unanswered=0, ahead=(), questions=(), comparing=()),
        "error",
        event.reason,
    )


def stamped(before: RunState, state: RunState, time: str) -> RunState:
    """The state with this time at the lines that its log has got since; what a journal tells again has none."""
    if state.log is before.log or state.retelling or (before.retelling and state.began is not None):
        return state
    last = before.log[-1] if before.log else None
    new = next((at for at in range(len(state.log), 0, -1) if state.log[at - 1] is last), 0)
    told = tuple(line._replace(at=time) for line in state.log[new:])
    return replace(state, log=(*state.log[:new], *told))


_HANDLERS: dict[type, Callable[[RunState, Any], RunState]] = {
    Sent: _sent,
    EngineDeath: _died,
    QuestionAnswered: _answered,
    p.Hello: _hello,
    p.Began: _began,
    p.Progress: _progress,
    p.Opened: _opened,
    p.Ranked: _ranked,
    p.Reordered: _reordered,
    p.Stepped: _stepped,
    p.Moved: _moved,
    p.Crossed: _crossed,
    p.Saved: _saved,
    p.SaveMeasured: _save_measured,
    p.FileChanged: _file_changed,
    p.Question: _question,
    p.Declined: _declined,
    p.Thresholds: _thresholds,
    p.Images: _images,
    p.ChannelView: _view,
    p.Evaluated: _evaluated,
    p.Compared: _compared,
    p.ComparedStep: _compared_step,
    p.TuningBegan: _tuning_began,
    p.Tuned: _tuned,
    p.TuningStopped: _tuning_stopped,
    p.Classified: _classified,
    p.Graded: _graded,
    p.Exported: _exported,
    p.HandedIn: _handed_in,
    p.Analysed: _analysed,
    p.Diagnosed: _diagnosed,
    p.LayersPruned: _layers_pruned,
    p.Detected: _detected,
    p.Note: _note,
    p.Idle: _idle,
    p.Finished: _finished,
    p.Failed: _failed,
}

"""A run as plain data, folded from its events: all that the result files are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.api import protocol as p
from engine.api.deliverables import Ledger, table_place
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.orders import method_of
from engine.api.stride import known_steps
from engine.api.tunings import Tuning, Tunings, folded


@dataclass(frozen=True, slots=True)
class SavedStep:
    """A B' on disk and what was counted for it. `pruned`: its channels, in the order they went.

    `answers`: the name of the file that holds G's answers; None without test sets.
    """

    step: int
    threshold: str | None
    path: str
    sha256: str
    pruned: tuple[int, ...]
    counts: p.Counts
    answers: str | None = None
    oracle: str = ""  # the name of the order that it was pruned in, where that looked at poisoned images

    @property
    def file(self) -> str:
        """The file's name, fit to be shown."""
        return escape(Path(self.path).name, 2 * SHORT)


@dataclass(frozen=True, slots=True)
class SavedTuned:
    """A B″ on disk. `answers`: the name of the file that holds the answers of its G; None without test sets."""

    path: str
    sha256: str
    tuning: Tuning
    epoch: int
    answers: str | None = None

    @property
    def file(self) -> str:
        """The file's name, fit to be shown."""
        return escape(Path(self.path).name, 2 * SHORT)

    @property
    def counts(self) -> p.TunedCounts:
        return self.tuning.epochs[self.epoch].counts


@dataclass(frozen=True, slots=True)
class RunRecord:
    """`steps`: counts by known step of the current `order`, from 0 (B) up; with a stride not every step is there."""

    began: p.Began
    opened: p.Opened
    ranked: p.Ranked
    order: tuple[int, ...]
    steps: Mapping[int, p.Counts]
    saved: tuple[SavedStep, ...]
    thresholds: tuple[str, ...]
    base: p.Counts  # B, with the poisoned validation set where there is one
    seconds: dict[str, float]  # by phase, over every time that the run was taken up
    compared: tuple[p.Compared, ...] = ()  # orders, as they were compared
    analysed: p.Analysed | None = None
    taken: str = ""  # the name of a whole order that was taken later; empty: the one that the run began with
    tunings: tuple[Tuning, ...] = ()
    tuned: tuple[SavedTuned, ...] = ()
    diagnosed: p.Diagnosed | None = None
    layers_pruned: p.LayersPruned | None = None
    detected: p.Detected | None = None

    @property
    def order_by(self) -> str:
        """The name of the order in force; empty where the user gave it."""
        return self.taken or ("" if self.ranked.given else self.ranked.order_by)

    @property
    def oracle(self) -> str:
        """The name of the order in force, where it looked at poisoned images."""
        return _oracle(self.order_by)

    @property
    def oracles(self) -> tuple[str, ...]:
        """The orders that looked at poisoned images and have a part in what this run leaves."""
        return tuple(dict.fromkeys(name for name in (self.oracle, *(at.oracle for at in self.saved)) if name))

    def images(self, name: p.SetName) -> int | None:
        """Images in a set, None where it is not there."""
        found = self.opened.sets.get(name)
        return found.images if found else None

    def fraction(self, step: int) -> float:
        """Step k is k/channels of the layer."""
        return step / self.opened.channels

    def drop(self, counts: p.Counts) -> float:
        """Percentage points of clean validation accuracy lost."""
        return p.drop(self.base.valid, counts.valid, self.opened.sets["valid"].images)

    def first_reached(self, threshold: str) -> int | None:
        """The first step of the current order whose drop is at least `threshold` points."""
        images = self.opened.sets["valid"].images
        base = self.base.valid
        return next((at for at, counts in self.steps.items() if p.reached(threshold, base, counts.valid, images)), None)

    @property
    def last(self) -> int:
        """The last step that is known."""
        return max(self.steps)


def record(events: Iterable[p.AnyEvent]) -> RunRecord:
    """Fold the events of a run that has measured B. Raises Refused for less."""
    fold = _Fold()
    for event in events:
        fold.take(event)
    return fold.result()


class _Fold:
    def __init__(self) -> None:
        self.began: p.Began | None = None
        self.opened: p.Opened | None = None
        self.ranked: p.Ranked | None = None
        self.ledger = Ledger()
        self.thresholds: tuple[str, ...] = ()
        self.base: p.Counts | None = None
        self.seconds: dict[str, float] = {}
        self.compared: dict[str, p.Compared] = {}
        self.analysed: p.Analysed | None = None
        self.tunings: Tunings = {}
        self.diagnosed: p.Diagnosed | None = None
        self.layers_pruned: p.LayersPruned | None = None
        self.detected: p.Detected | None = None

    def take(self, event: p.AnyEvent) -> None:
        self.ledger.take(event)
        self.tunings = folded(self.tunings, event)
        match event:
            case p.Began():
                self.began, self.thresholds = event, event.settings.save_at
            case p.Opened():
                self.opened = event
            case p.Ranked():
                self.ranked = event
            case p.Stepped():
                self.spend("steps" if event.step else "baseline", event.seconds)
            case p.Thresholds():
                self.thresholds = event.save_at
            case p.SaveMeasured(step=0):
                self.base = event.counts
            case p.Compared():
                self.compared[event.name] = event
            case p.Analysed():
                self.analysed = event
            case p.Diagnosed():
                self.diagnosed = event
            case p.LayersPruned():
                self.layers_pruned = event
            case p.Detected():
                self.detected = event
            case p.Progress(phase=phase) if phase not in ("steps", "baseline") and event.done >= event.total:
                self.spend(phase, event.seconds)
            case _:
                pass

    def spend(self, phase: str, seconds: float) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    @property
    def began_by(self) -> str:
        """The name of the order that the run began with; empty where the user gave it."""
        return self.ranked.order_by if self.ranked and not self.ranked.given else ""

    def saved(self) -> list[SavedStep]:
        """The networks on disk, each with the file of G's answers for the same channels at zero."""
        files = self.ledger.files.values()
        answers = {
            (at.channels, at.threshold): Path(at.path).name for at in files if at.what == "answers" and not at.tuning
        }
        return [
            SavedStep(
                at.step,
                at.threshold,
                at.path,
                at.sha256,
                at.pruned,
                at.counts,
                answers.get(key),
                _oracle(at.order_by or self.began_by),
            )
            for at in files
            if at.what == "model" and at.step is not None and at.counts
            for key in [(at.channels, at.threshold)]
        ]

    def tuned(self) -> list[SavedTuned]:
        """Each B″ on disk, with the file of the answers of its G."""
        files = self.ledger.files.values()
        answers = {(at.tuning, at.epoch): Path(at.path).name for at in files if at.what == "answers"}
        return [
            SavedTuned(at.path, at.sha256, self.tunings[at.tuning], at.epoch, answers.get((at.tuning, at.epoch)))
            for at in files
            if at.what == "tuned" and at.tuning and at.tuning in self.tunings and at.epoch
        ]

    def result(self) -> RunRecord:
        steps = self.ledger.steps
        if not (self.began and self.opened and self.ranked and 0 in steps):
            raise Refused("There is nothing to report yet: B has not been measured.")
        known = known_steps(steps, self.began.settings.stride, len(self.ledger.order))
        return RunRecord(
            self.began,
            self.opened,
            self.ranked,
            self.ledger.order,
            {step: steps[step] for step in known},
            tuple(sorted(self.saved(), key=lambda at: table_place(at.step, at.threshold, at.path))),
            self.thresholds,
            self.base or steps[0],
            self.seconds,
            tuple(self.compared.values()),
            self.analysed,
            self.ledger.order_by,
            tuple(self.tunings.values()),
            tuple(sorted(self.tuned(), key=lambda at: (at.tuning.began.step, at.path))),
            self.diagnosed,
            self.layers_pruned,
            self.detected,
        )


def _oracle(name: str) -> str:
    """An order's name where it looks at poisoned images, else nothing."""
    return name if name and method_of(name).oracle else ""

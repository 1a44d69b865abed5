"""A run as plain data, folded from its events: all that the result files are made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from engine.api import protocol as p
from engine.api.deliverables import Ledger
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape


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

    @property
    def file(self) -> str:
        """The file's name, fit to be shown."""
        return escape(Path(self.path).name, 2 * SHORT)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """`steps`: counts of the known steps of the current `order`, from 0 (B) up without a gap."""

    began: p.Began
    opened: p.Opened
    ranked: p.Ranked
    order: tuple[int, ...]
    steps: tuple[p.Counts, ...]
    saved: tuple[SavedStep, ...]
    thresholds: tuple[str, ...]
    base: p.Counts  # B, with the poisoned validation set where there is one
    seconds: dict[str, float]  # by phase, over every time that the run was taken up
    compared: tuple[p.Compared, ...] = ()  # orders, as they were compared
    analysed: p.Analysed | None = None
    diagnosed: p.Diagnosed | None = None
    layers_pruned: p.LayersPruned | None = None
    detected: p.Detected | None = None

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
        reached = (p.reached(threshold, self.base.valid, counts.valid, images) for counts in self.steps)
        return next((step for step, hit in enumerate(reached) if hit), None)


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
        self.diagnosed: p.Diagnosed | None = None
        self.layers_pruned: p.LayersPruned | None = None
        self.detected: p.Detected | None = None

    def take(self, event: p.AnyEvent) -> None:
        self.ledger.take(event)
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

    def saved(self) -> list[SavedStep]:
        """The networks on disk, each with the file of G's answers for the same channels at zero."""
        files = self.ledger.files.values()
        answers = {(at.channels, at.threshold): Path(at.path).name for at in files if at.what == "answers"}
        return [
            SavedStep(at.step, at.threshold, at.path, at.sha256, at.pruned, at.counts, answers.get(key))
            for at in files
            if at.what == "model" and at.step is not None and at.counts
            for key in [(at.channels, at.threshold)]
        ]

    def result(self) -> RunRecord:
        steps = self.ledger.steps
        if not (self.began and self.opened and self.ranked and 0 in steps):
            raise Refused("There is nothing to report yet: B has not been measured.")
        known = range(next(step for step in range(len(steps) + 1) if step not in steps))
        return RunRecord(
            self.began,
            self.opened,
            self.ranked,
            self.ledger.order,
            tuple(steps[step] for step in known),
            tuple(sorted(self.saved(), key=_place)),
            self.thresholds,
            self.base or steps[0],
            self.seconds,
            tuple(self.compared.values()),
            self.analysed,
            self.diagnosed,
            self.layers_pruned,
            self.detected,
        )


def _place(saved: SavedStep) -> tuple[int, Decimal, str]:
    """Saved networks in the order of their steps; among equals the smaller threshold, then the name."""
    return saved.step, Decimal(saved.threshold or 1000), saved.path

"""A run as plain data, folded from its events: all that the result files are made of."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.textsafe import SHORT, escape


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
        self.order: tuple[int, ...] = ()
        self.steps: dict[int, p.Counts] = {}
        self.saved: dict[str, SavedStep] = {}
        self.answers: dict[str, tuple[tuple[int, ...], str | None]] = {}  # by name: the channels, the threshold
        self.thresholds: tuple[str, ...] = ()
        self.base: p.Counts | None = None
        self.looks: dict[tuple[int, ...], p.Counts] = {}  # by channels: with the poisoned validation set
        self.seconds: dict[str, float] = {}
        self.compared: dict[str, p.Compared] = {}

    def take(self, event: p.AnyEvent) -> None:
        match event:
            case p.Began():
                self.began, self.thresholds = event, event.settings.save_at
            case p.Opened():
                self.opened = event
            case p.Ranked():
                self.ranked, self.order = event, event.order
            case p.Reordered():
                self.order = event.order
                self.steps = {step: counts for step, counts in self.steps.items() if step <= event.kept}
            case p.Stepped():
                self.steps[event.step] = event.counts
                self.spend("steps" if event.step else "baseline", event.seconds)
            case p.Thresholds():
                self.thresholds = event.save_at
            case p.Compared():
                self.compared[event.name] = event
            case p.Saved(what="model", step=int(step)) if step in self.steps:
                pruned = self.order[:step]
                counts = self.looks.get(pruned, self.steps[step])
                self.saved[event.path] = SavedStep(step, event.threshold, event.path, event.sha256, pruned, counts)
            case p.Saved(what="answers", step=int(step)):
                self.answers[Path(event.path).name] = self.order[:step], event.threshold
            case p.SaveMeasured():
                self.measured(event)
            case p.Progress(phase=phase) if phase not in ("steps", "baseline") and event.done >= event.total:
                self.spend(phase, event.seconds)
            case _:
                pass

    def spend(self, phase: str, seconds: float) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def measured(self, event: p.SaveMeasured) -> None:
        """Counts with the poisoned validation set, for B or for whatever is saved, before or after, at that step."""
        if event.step == 0:
            self.base = event.counts
        pruned = self.order[: event.step]
        self.looks[pruned] = event.counts
        for path, saved in self.saved.items():
            if saved.pruned == pruned:
                self.saved[path] = replace(saved, counts=event.counts)

    def result(self) -> RunRecord:
        if not (self.began and self.opened and self.ranked and 0 in self.steps):
            raise Refused("There is nothing to report yet: B has not been measured.")
        known = range(next(step for step in range(len(self.steps) + 1) if step not in self.steps))
        answers = {whose: name for name, whose in self.answers.items()}
        saved = [replace(at, answers=answers.get((at.pruned, at.threshold))) for at in self.saved.values()]
        return RunRecord(
            self.began,
            self.opened,
            self.ranked,
            self.order,
            tuple(self.steps[step] for step in known),
            tuple(sorted(saved, key=_place)),
            self.thresholds,
            self.base or self.steps[0],
            self.seconds,
            tuple(self.compared.values()),
        )


def _place(saved: SavedStep) -> tuple[int, Decimal, str]:
    """Saved networks in the order of their steps; among equals the smaller threshold, then the name."""
    return saved.step, Decimal(saved.threshold or 1000), saved.path

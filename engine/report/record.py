"""A run as its journal tells it: the steps known of the current order, what was saved, what it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.api.errors import Refused
from engine.api.protocol import (
    AnyEvent,
    Began,
    Counts,
    Opened,
    Progress,
    Ranked,
    Reordered,
    Saved,
    SaveMeasured,
    SetName,
    Stepped,
    Thresholds,
    drop,
    percent,
    reached,
)
from engine.api.textsafe import escape


@dataclass(frozen=True)
class SavedStep:
    """A B′ on disk: when it was saved, the channels pruned in it, what was counted then, and its files' names."""

    step: int
    threshold: str | None
    pruned: tuple[int, ...]
    counts: Counts
    model: str
    answers: str | None
    sha256: str


@dataclass(frozen=True)
class RunRecord:
    """What the files of a run tell of. `steps` are those known of the current order, from step 0 without a gap."""

    began: Began
    opened: Opened
    ranked: Ranked
    order: tuple[int, ...]
    thresholds: tuple[str, ...]
    steps: tuple[Stepped, ...]
    saved: tuple[SavedStep, ...]
    seconds: Mapping[str, float]  # by phase, over all the times that the run was taken up

    @property
    def baseline(self) -> Counts:
        """Counts of B."""
        return self.steps[0].counts

    def images(self, name: SetName) -> int:
        """How many images a data set has; 0 where it is not there."""
        return self.opened.sets[name].images if name in self.opened.sets else 0

    def drop(self, counts: Counts) -> float:
        """Points of clean validation accuracy lost."""
        return drop(self.baseline.valid, counts.valid, self.images("valid"))

    def rate(self, hits: int | None, name: SetName) -> float | None:
        """Percent of a data set's images; None where nothing was counted."""
        return None if hits is None else percent(hits, self.images(name))

    def first_step(self, threshold: str) -> int | None:
        """The first known step of the current order that drops so far."""
        images, before = self.images("valid"), self.baseline.valid
        found = (at.step for at in self.steps if reached(threshold, before, at.counts.valid, images))
        return next(found, None)


@dataclass
class _Reading:
    """What the events so far amount to. A step's key is the set of its channels, a bit each."""

    began: Began | None = None
    opened: Opened | None = None
    ranked: Ranked | None = None
    order: tuple[int, ...] = ()
    thresholds: tuple[str, ...] = ()
    keys: list[int] = field(default_factory=list)
    counts: dict[int, Counts] = field(default_factory=dict)
    measured: dict[int, Counts] = field(default_factory=dict)
    models: dict[str, tuple[Saved, tuple[int, ...], int]] = field(default_factory=dict)  # by path
    answers: dict[tuple[int, str | None], str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def take(self, event: AnyEvent) -> None:
        """Go on by one event."""
        match event:
            case Began():
                self.began, self.thresholds = event, event.settings.save_at
            case Opened():
                self.opened = event
            case Ranked():
                self.ranked = event
                self.reorder(event.order)
            case Reordered():
                self.reorder(event.order)
            case Stepped():
                self.counts[self.keys[event.step]] = event.counts
                if event.step:
                    self.spend("steps", event.seconds)
            case SaveMeasured():
                self.measured[self.keys[event.step]] = event.counts
            case Thresholds():
                self.thresholds = event.save_at
            case Saved(what="model", step=int(step)):
                self.models[event.path] = event, self.order[:step], self.keys[step]
            case Saved(what="answers", step=int(step)):
                self.answers[self.keys[step], event.threshold] = escape(Path(event.path).name)
            case Progress() if event.done >= event.total:
                self.spend(event.phase, event.seconds)
            case _:
                pass

    def reorder(self, order: tuple[int, ...]) -> None:
        self.order, self.keys = order, [0]
        for channel in order:
            self.keys.append(self.keys[-1] | 1 << channel)

    def spend(self, phase: str, seconds: float) -> None:
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def steps(self) -> list[Stepped]:
        """The known steps of the order, up to the first that is not; with all that was ever counted at them."""
        found = []
        for step, key in enumerate(self.keys):
            if key not in self.counts:
                break
            counts = self.measured.get(key, self.counts[key])
            found.append(Stepped(step, self.order[step - 1] if step else None, counts))
        return found

    def saved(self) -> list[SavedStep]:
        """What lies on disk, thresholds and steps in rising order, whichever was saved first."""
        found = []
        for path, (event, pruned, key) in self.models.items():
            counts = self.measured.get(key, self.counts[key])
            name, answers = escape(Path(path).name), self.answers.get((key, event.threshold))
            found.append(SavedStep(len(pruned), event.threshold, pruned, counts, name, answers, event.sha256))
        return sorted(found, key=lambda at: (at.step, float(at.threshold or "inf"), at.model))


def record(events: Sequence[AnyEvent]) -> RunRecord:
    """The record of a run, from the events of its journal. Raises Refused where B was not measured yet."""
    reading = _Reading()
    for event in events:
        reading.take(event)
    steps = reading.steps()
    if reading.began is None or reading.opened is None or reading.ranked is None or not steps:
        raise Refused("There is nothing to report yet: B has not been measured.")
    return RunRecord(
        reading.began,
        reading.opened,
        reading.ranked,
        reading.order,
        reading.thresholds,
        tuple(steps),
        tuple(reading.saved()),
        reading.seconds,
    )

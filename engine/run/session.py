"""One run as a playhead over an order of channels. Pure: it asks an Evaluator for answers and yields events.

Step k is the first k channels of the order pruned. What is known of a step depends on its set of channels alone, so
it is kept by that set: undo, redo, jumps and a return to an earlier order compute nothing.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from time import perf_counter
from typing import Protocol

import numpy as np

from engine.api.errors import Refused
from engine.api.protocol import (
    AnyEvent,
    Counts,
    Crossed,
    Goto,
    Moved,
    Question,
    Ranked,
    Reordered,
    Saved,
    Stepped,
    Thresholds,
    percent,
    reached,
    threshold_label,
)

Check = Callable[[], None]


class Evaluates(Protocol):
    """What a session needs of `engine.network.evaluation.Evaluator`."""

    def all(self, pruned: np.ndarray, check: Check) -> np.ndarray: ...

    def after(self, before: np.ndarray, pruned: np.ndarray, channel: int, check: Check) -> tuple[np.ndarray, int]: ...


@dataclass
class Session:
    """The state of one run.

    `answers` keeps the answers of B' by the key of its pruned channels (`key`); it may live on disk. `count` makes
    Counts of them. `images` are the validation images, `poisoned` the poisoned test images.
    """

    channels: int
    images: int
    poisoned: int
    answers: MutableMapping[bytes, np.ndarray]
    count: Callable[[np.ndarray], Counts]
    order: tuple[int, ...] = ()
    playhead: int = 0
    thresholds: tuple[str, ...] = ()
    counts: dict[bytes, Counts] = field(default_factory=dict)
    crossed: dict[str, bytes] = field(default_factory=dict)  # threshold -> the step it was crossed at, as its key
    saved: dict[str, bytes] = field(default_factory=dict)  # threshold -> what stands, or is to stand, in its file
    asked: set[tuple[str, bytes]] = field(default_factory=set)  # what the user was asked to save in a threshold's file
    passed: set[bytes] = field(default_factory=set)  # steps that the playhead has stood at
    reported: set[int] = field(default_factory=set)  # steps of the current order that events have told of
    earlier: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)  # orders that undo brings back

    def mask(self, step: int) -> np.ndarray:
        """The channels pruned at `step`: (channels,), bool."""
        return mask_of(self.order[:step], self.channels)

    def key(self, step: int) -> bytes:
        """The channels pruned at `step`, a bit each."""
        return step_keys(self.order, self.channels)[step]

    def key_of(self, pruned: Iterable[int]) -> bytes:
        """These channels, a bit each."""
        return np.packbits(mask_of(pruned, self.channels)).tobytes()

    def known(self) -> Iterator[Stepped]:
        """The steps of the current order that are known, from step 0 up to the first that is not."""
        for step, key in enumerate(step_keys(self.order, self.channels)):
            if key not in self.counts:
                return
            yield self.at(step)

    def at(self, step: int) -> Stepped:
        """What is known of a step."""
        return Stepped(step, self.order[step - 1] if step else None, self.counts[self.key(step)])

    def _mark_reported(self, event: Stepped) -> Stepped:
        self.reported.add(event.step)
        return event

    # --- the moves ---

    def goto(self, command: Goto, evaluator: Callable[[], Evaluates], check: Check) -> Iterator[AnyEvent]:
        """Walk to a step, or to the first on the way where a condition holds, computing what is not known.

        `evaluator` is asked for only when something has to be computed; `check` may raise between batches to stop.
        """
        target = min(max(command.step, 0), len(self.order))
        yield from self.restore(target)
        start = min(self.playhead, target)
        for step in range(start, target + 1):
            if self.key(step) not in self.counts:
                check()
                yield self._mark_reported(self.compute(step, evaluator(), check))
            elif step not in self.reported:  # known from another order that leads to the same channels
                yield self._mark_reported(self.at(step))
            self.playhead = step
            stop = step == target or (step > start and self.stop_condition_met(step, command))
            if stop or self.key(step) not in self.passed:
                yield Moved(step)
                yield from self.cross(step)
            if stop:
                return

    def compute(self, step: int, evaluator: Evaluates, check: Check) -> Stepped:
        """Prune one channel more than at the step before, or none: step 0 is B."""
        begin, mask, evaluated = perf_counter(), self.mask(step), self.images
        if step == 0:
            found = evaluator.all(mask, check)
        else:
            found, evaluated = evaluator.after(self.answers[self.key(step - 1)], mask, self.order[step - 1], check)
        counts = self.count(found)
        self.answers[self.key(step)] = found
        self.counts[self.key(step)] = counts
        channel = self.order[step - 1] if step else None
        return Stepped(step, channel, counts, evaluated, perf_counter() - begin)

    def prune_next(self, channel: int) -> Iterator[AnyEvent]:
        """Bring `channel` to the playhead's place in the order; the way there is still to be walked."""
        if not 0 <= channel < self.channels or channel in self.order[: self.playhead]:
            raise Refused(f"channel {channel} cannot be pruned: it is gone already, or not there.")
        rest = tuple(other for other in self.order[self.playhead :] if other != channel)
        self.push_order((*self.order[: self.playhead], channel, *rest), self.playhead)
        yield from self.reordered()

    def push_order(self, order: tuple[int, ...], kept: int) -> None:
        """Make this the order, and keep the one of before for undo; the same order again is none to bring back."""
        if order != self.order:
            self.earlier.append((kept, self.order))
        self._set_order(order, kept)

    def _set_order(self, order: tuple[int, ...], kept: int) -> None:
        """Make this the order. What was told of steps above `kept` was about another one."""
        self.order, self.reported = order, {step for step in self.reported if step <= kept}

    def restore(self, target: int) -> Iterator[AnyEvent]:
        """Going back to where a channel was taken out of turn brings the order of before back."""
        while self.earlier and target <= self.earlier[-1][0]:
            self.playhead = min(self.playhead, self.earlier[-1][0])
            self._set_order(self.earlier.pop()[1], self.playhead)
            yield from self.reordered()

    def reordered(self) -> Iterator[AnyEvent]:
        yield Reordered(self.order, self.playhead)
        yield from (self._mark_reported(event) for event in self.known() if event.step > self.playhead)

    # --- thresholds ---

    def drop_reached(self, threshold: str, step: int) -> bool:
        before, after = self.counts[self.key(0)].valid, self.counts[self.key(step)].valid
        return reached(threshold, before, after, self.images)

    def cross(self, step: int) -> Iterator[AnyEvent]:
        """Tell of thresholds whose first step this is; ask, once, where other channels are saved for one."""
        key = self.key(step)
        self.passed.add(key)
        for threshold in self.thresholds:
            if not self.drop_reached(threshold, step) or self.reached_before(threshold, step):
                continue
            if self.saved.get(threshold, key) == key:
                if self.crossed.get(threshold) != key:
                    self.crossed[threshold] = self.saved[threshold] = key
                    yield Crossed(threshold, step)
            elif (threshold, key) not in self.asked:
                self.crossed[threshold] = key
                self.asked.add((threshold, key))
                text = f"{threshold_label(threshold)} is crossed again, with other channels pruned. Save B' again?"
                yield Question("threshold", text, threshold, step)

    def reached_before(self, threshold: str, step: int) -> bool:
        """Whether an earlier step of the current order has dropped so far already."""
        if self.crossed.get(threshold) in step_keys(self.order, self.channels)[:step]:
            return True
        return any(self.drop_reached(threshold, earlier) for earlier in range(step))

    def uncrossed(self) -> Iterator[AnyEvent]:
        """Thresholds that known steps reach and nobody was told of: the run ended in between."""
        for threshold in self.thresholds:
            step = self.first_reached(threshold)
            if threshold not in self.crossed and step is not None:
                yield from self.cross(step)

    def first_reached(self, threshold: str) -> int | None:
        """The first known step of the current order whose drop is at least `threshold` points."""
        return next((event.step for event in self.known() if self.drop_reached(threshold, event.step)), None)

    def set_thresholds(self, thresholds: Iterable[str]) -> Iterator[AnyEvent]:
        """Replace the thresholds; those that known steps have passed already are told of at once."""
        self.thresholds = tuple(sorted(thresholds, key=Decimal))
        yield Thresholds(self.thresholds)
        for event in list(self.known()):
            yield from self.cross(event.step)

    def stop_condition_met(self, step: int, command: Goto) -> bool:
        """Whether the walk was to stop here."""
        if command.until_drop is not None and self.drop_reached(command.until_drop, step):
            return True
        hits = self.counts[self.key(step)].poisoned
        return (
            command.until_asr is not None
            and hits is not None
            and percent(hits, self.poisoned) <= float(command.until_asr)
        )

    def hold(self, threshold: str, key: bytes) -> None:
        """The file of a threshold holds a network with these channels at zero."""
        self.saved[threshold] = key
        self.asked.discard((threshold, key))

    def release(self, threshold: str, key: bytes) -> None:
        """These channels could not be saved for a threshold: somebody else's file is in the way."""
        if self.saved.get(threshold) == key:
            del self.saved[threshold]

    # --- the way back from a journal ---

    def forget_unanswered(self) -> bool:
        """Steps whose answers are not on disk were not finished: they will be computed, and crossed, again.

        Returns whether the playhead stood beyond what is known now, and has gone back.
        """
        for key in [key for key in self.counts if key not in self.answers]:
            del self.counts[key]
        last, stood = max((event.step for event in self.known()), default=0), self.playhead
        self.playhead, self.passed = min(stood, last), self.passed & self.counts.keys()
        self.reported = {step for step in self.reported if self.key(step) in self.counts}
        self.crossed = {each: key for each, key in self.crossed.items() if key in self.counts}
        return self.playhead < stood

    def crossings(self) -> Iterator[tuple[str, int]]:
        """The thresholds crossed in the current order, each with its step."""
        steps = {key: step for step, key in enumerate(step_keys(self.order, self.channels))}
        yield from ((each, steps[key]) for each, key in self.crossed.items() if key in steps)

    def rewind(self, events: Iterable[AnyEvent]) -> None:
        """Be what these events tell of, and no more: what could not be recorded has not happened."""
        self.order, self.playhead, self.thresholds = (), 0, ()
        for kept in (self.counts, self.crossed, self.saved, self.asked, self.passed, self.reported, self.earlier):
            kept.clear()
        for event in events:
            self.replay(event)

    def replay(self, event: AnyEvent) -> None:
        """Take over one event of this run's journal."""
        match event:
            case Ranked():
                self.order = event.order
            case Stepped():
                self.counts[self.key(event.step)] = event.counts
                self.reported.add(event.step)
            case Moved():
                self.playhead = event.step
                self.passed.add(self.key(event.step))
            case Reordered():
                if self.earlier and self.earlier[-1][1] == event.order:
                    self._set_order(self.earlier.pop()[1], event.kept)
                else:
                    self.push_order(event.order, event.kept)
                self.playhead = event.kept
            case Crossed():
                self.crossed[event.threshold] = self.saved[event.threshold] = self.key(event.step)
            case Saved(what="model", threshold=str(threshold), step=int(step)):
                self.hold(threshold, self.key(step) if event.pruned is None else self.key_of(event.pruned))
            case Question(about="threshold", threshold=str(threshold), step=int(step)):
                self.crossed[threshold] = self.key(step)
                self.asked.add((threshold, self.key(step)))
            case Question(threshold=str(threshold), step=int(step)):
                self.release(threshold, self.key(step))
            case Thresholds():
                self.thresholds = event.save_at
            case _:
                pass


def mask_of(pruned: Iterable[int], channels: int) -> np.ndarray:
    """Channel numbers as a mask: (channels,), bool."""
    found = np.zeros(channels, bool)
    found[list(pruned)] = True
    return found


@lru_cache(maxsize=8)
def step_keys(order: tuple[int, ...], channels: int) -> tuple[bytes, ...]:
    """For each step of an order the channels that it prunes, a bit each."""
    return tuple(np.packbits(mask_of(order[:step], channels)).tobytes() for step in range(len(order) + 1))

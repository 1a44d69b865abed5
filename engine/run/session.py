"""One run as a playhead over an order of channels. Pure: it asks an Evaluator for answers and yields events.

Step k is the first k channels of the order pruned. What is known of a step depends on its set of channels alone, so
it is kept by that set: undo, redo, jumps and a return to an earlier order compute nothing.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np

from engine.api.errors import Refused
from engine.api.progress import Check, never_stop
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
from engine.api.stride import next_stop


class Evaluates(Protocol):
    """What a session needs of `engine.network.evaluation.Evaluator`."""

    def all(self, pruned: np.ndarray, check: Check) -> np.ndarray: ...

    def after(self, before: np.ndarray, pruned: np.ndarray, channel: int, check: Check) -> tuple[np.ndarray, int]: ...

    def after_several(
        self, before: np.ndarray, pruned: np.ndarray, channels: tuple[int, ...], check: Check
    ) -> tuple[np.ndarray, int]: ...


class Earlier(NamedTuple):
    """An order that undo brings back. `kept`: steps that it shares with the one that came after it.

    `whole`: a whole order came after it, not one channel out of turn; then its name, and where the playhead stood.
    """

    kept: int
    order: tuple[int, ...]
    whole: bool = False
    order_by: str = ""
    playhead: int = 0


@dataclass
class Session:
    """The state of one run.

    `answers` keeps the answers of B′ by the key of its pruned channels (`key`); it may live on disk. `count` makes
    Counts of them. `images` are the validation images, `poisoned` the poisoned test images. A walk stops at every
    `stride`-th step and at those of `visits`, and finds the single channel at which a threshold is crossed.
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
    earlier: list[Earlier] = field(default_factory=list)  # orders that undo brings back
    order_by: str = ""  # the name of the whole order that was taken; empty: the one that the run began with
    stride: int = 1
    visits: tuple[int, ...] = ()

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
        """The steps of the current order that are known, from step 0 up to the first stop that is not."""
        last = len(self.order)
        for step, key in enumerate(step_keys(self.order, self.channels)):
            if key in self.counts:
                yield self.at(step)
            elif step % self.stride == 0 or step == last:
                return

    def at(self, step: int) -> Stepped:
        """What is known of a step."""
        return Stepped(step, self.order[step - 1] if step else None, self.counts[self.key(step)])

    def _mark_reported(self, event: Stepped) -> Stepped:
        self.reported.add(event.step)
        return event

    # --- the moves ---

    def goto(self, command: Goto, evaluator: Callable[[], Evaluates], check: Check) -> Iterator[AnyEvent]:
        """Walk to a step, or to the first on the way where a condition holds, computing what is not known.

        `evaluator` is asked for only when something has to be computed; `check` may raise between batches to stop. Then
        the playhead stays at the last step on the way, which is told of before the error goes on.
        """
        target = min(max(command.step, 0), len(self.order))
        yield from self.restore(target)
        told = self.playhead
        try:
            for event in self.walk(command, target, evaluator, check):
                told = event.step if isinstance(event, Moved) else told
                yield event
        except Exception:
            if self.playhead != told:
                yield Moved(self.playhead)
            raise

    def walk(self, command: Goto, target: int, evaluator: Callable[[], Evaluates], check: Check) -> Iterator[AnyEvent]:
        """The way to a step; known steps on it are passed without a word."""
        start = min(self.playhead, target)
        for stop in self.way(start, target):
            yield from self.look(stop, evaluator, check)
            for step in chain(self.refined(stop, command.until_drop), (stop,)):
                yield from self.look(step, evaluator, check) if step != stop else ()
                self.playhead = step
                ends = step == target or (step > start and self.stop_condition_met(step, command))
                if ends or self.key(step) not in self.passed:
                    yield Moved(step)
                    yield from self.cross(step)
                if ends:
                    return

    def way(self, start: int, target: int) -> Iterator[int]:
        """The steps to stop at from one step to another."""
        yield start
        while start < target:
            visits = [step for step in self.visits if step > start]
            start = min(next_stop(start, self.stride, len(self.order)), target, *visits)
            yield start

    def look(self, step: int, evaluator: Callable[[], Evaluates], check: Check) -> Iterator[AnyEvent]:
        """Have a step known and told of."""
        if self.key(step) not in self.counts:
            check()
            yield self._mark_reported(self.compute(step, evaluator(), check))
        elif step not in self.reported:  # known from another order that leads to the same channels
            yield self._mark_reported(self.at(step))

    def refined(self, stop: int, until_drop: str | None = None) -> Iterator[int]:
        """The single steps before a stop to look at, one by one, until each threshold that the stop is the first known
        step to reach has been reached at one of them."""
        if self.stride == 1 or stop == 0:
            return
        low = self.known_before(stop)
        points = [*self.thresholds, *([until_drop] if until_drop is not None else [])]
        left = [x for x in points if self.drop_reached(x, stop) and not self.reached_up_to(x, low)]
        for step in range(low + 1, stop):
            if not left:
                return
            yield step
            left = [x for x in left if not self.drop_reached(x, step)]

    def known_before(self, step: int) -> int:
        """The last known step below another one."""
        keys = step_keys(self.order, self.channels)
        return next(at for at in range(step - 1, -1, -1) if keys[at] in self.counts)

    def reached_up_to(self, threshold: str, step: int) -> bool:
        """Whether a known step up to this one has dropped so far."""
        return any(self.drop_reached(threshold, event.step) for event in self.known() if event.step <= step)

    def compute(self, step: int, evaluator: Evaluates, check: Check) -> Stepped:
        """Prune the channels between the last known step and this one, mostly a single one; step 0 is B."""
        begin, mask, evaluated = perf_counter(), self.mask(step), self.images
        if step == 0:
            found = evaluator.all(mask, check)
        else:
            known = self.known_before(step)
            before, gone = self.answers[self.key(known)], self.order[known:step]
            if len(gone) == 1:
                found, evaluated = evaluator.after(before, mask, gone[0], check)
            else:
                found, evaluated = evaluator.after_several(before, mask, gone, check)
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
            self.earlier.append(Earlier(kept, self.order))
        self._set_order(order, kept)

    def _set_order(self, order: tuple[int, ...], kept: int) -> None:
        """Make this the order. What was told of steps above `kept` was about another one."""
        self.order, self.reported = order, {step for step in self.reported if step <= kept}

    def restore(self, target: int) -> Iterator[AnyEvent]:
        """Going back to where a channel was taken out of turn brings the order of before back.

        A whole order that was taken stays: who goes back to B wants to see B.
        """
        while self.earlier and not self.earlier[-1].whole and target <= self.earlier[-1].kept:
            self.playhead = min(self.playhead, self.earlier[-1].kept)
            self._set_order(self.earlier.pop().order, self.playhead)
            yield from self.reordered()

    def reordered(self, order_by: str | None = None) -> Iterator[AnyEvent]:
        yield Reordered(self.order, self.playhead, order_by, self.undo_at)
        yield from (self._mark_reported(event) for event in self.known() if event.step > self.playhead)

    @property
    def undo_at(self) -> int | None:
        """The step at which undo brings back the order of before the last whole one."""
        return next((at.kept for at in reversed(self.earlier) if at.whole), None)

    def take_order(self, order: tuple[int, ...], order_by: str) -> Iterator[AnyEvent]:
        """Prune in a whole order from now on, from the steps that both share. The order of before, taken again, is the
        one that undo brings back."""
        if self.earlier and self.earlier[-1].whole and self.earlier[-1].order == order:
            yield from self.take_back()
            return
        kept = shared_steps(self.order, order, self.playhead)
        self.take_whole(order, order_by, kept)
        yield from self.reordered(order_by)

    def take_whole(self, order: tuple[int, ...], order_by: str, kept: int) -> None:
        self.earlier.append(Earlier(kept, self.order, True, self.order_by, self.playhead))
        self._set_order(order, kept)
        self.order_by, self.playhead = order_by, kept

    def take_back(self) -> Iterator[AnyEvent]:
        """Bring back the order of before, and the playhead to where it stood in it; nothing where there is none."""
        if not self.earlier:
            return
        if not self.earlier[-1].whole:
            yield from self.restore(self.earlier[-1].kept)
            return
        before = self.earlier[-1]
        kept = shared_steps(self.order, before.order, min(self.playhead, before.playhead))
        self.bring_back(kept)
        yield from self.reordered(self.order_by)
        if self.playhead != before.playhead:
            self.playhead = min(before.playhead, max(event.step for event in self.known()))
            yield Moved(self.playhead)

    def bring_back(self, kept: int) -> None:
        before = self.earlier.pop()
        self._set_order(before.order, kept)
        self.order_by, self.playhead = before.order_by, kept

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
                text = f"{threshold_label(threshold)} is crossed again, with other channels pruned. Save B′ again?"
                yield Question("threshold", text, threshold, step)

    def reached_before(self, threshold: str, step: int) -> bool:
        """Whether an earlier step of the current order has dropped so far already."""
        if self.crossed.get(threshold) in step_keys(self.order, self.channels)[:step]:
            return True
        return self.reached_up_to(threshold, step - 1)

    def refine(self, evaluator: Callable[[], Evaluates], check: Check) -> Iterator[AnyEvent]:
        """Find the single channels at which thresholds were crossed between known steps."""
        for event in list(self.known()) if self.stride > 1 else ():
            for step in self.refined(event.step):
                yield from self.look(step, evaluator, check)

    def uncrossed(self) -> Iterator[AnyEvent]:
        """Thresholds that known steps reach and nobody was told of: the run ended in between."""
        for threshold in self.thresholds:
            step = self.first_reached(threshold)
            if threshold not in self.crossed and step is not None:
                yield from self.cross(step)

    def first_reached(self, threshold: str) -> int | None:
        """The first known step of the current order whose drop is at least `threshold` points."""
        return next((event.step for event in self.known() if self.drop_reached(threshold, event.step)), None)

    def set_thresholds(
        self,
        thresholds: Iterable[str],
        evaluator: Callable[[], Evaluates] | None = None,
        check: Check = never_stop,
    ) -> Iterator[AnyEvent]:
        """Replace the thresholds; those that known steps have passed already are told of at once.

        With a stride, the `evaluator` looks for the single channels first.
        """
        self.thresholds = tuple(sorted(thresholds, key=Decimal))
        yield Thresholds(self.thresholds)
        if evaluator is not None:
            yield from self.refine(evaluator, check)
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

    def replay_order(self, event: Reordered) -> None:
        """Take over a change of the order, or the return of the one of before."""
        whole = event.order_by is not None
        back = self.earlier and self.earlier[-1].order == event.order and self.earlier[-1].whole == whole
        if whole and back:
            self.bring_back(event.kept)
        elif whole:
            self.take_whole(event.order, event.order_by or "", event.kept)
        elif back:
            self._set_order(self.earlier.pop().order, event.kept)
        else:
            self.push_order(event.order, event.kept)
        self.playhead = event.kept

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
        self.order, self.playhead, self.thresholds, self.order_by = (), 0, (), ""
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
                self.replay_order(event)
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


def shared_steps(one: tuple[int, ...], other: tuple[int, ...], most: int) -> int:
    """How many steps two orders have in common from the first on, at most `most`."""
    differ = (step for step, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    return min(most, next(differ, min(len(one), len(other))))


def mask_of(pruned: Iterable[int], channels: int) -> np.ndarray:
    """Channel numbers as a mask: (channels,), bool."""
    found = np.zeros(channels, bool)
    found[list(pruned)] = True
    return found


@lru_cache(maxsize=8)
def step_keys(order: tuple[int, ...], channels: int) -> tuple[bytes, ...]:
    """For each step of an order the channels that it prunes, a bit each."""
    return tuple(np.packbits(mask_of(order[:step], channels)).tobytes() for step in range(len(order) + 1))

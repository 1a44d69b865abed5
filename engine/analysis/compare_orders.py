"""Several orders of one network, each walked to its last step on the features and answers that a run has."""

from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import numpy as np

from engine.api.orders import CLP_U, argument, method_of, order_name
from engine.api.protocol import Compared, ComparedStep, Counts, Progress
from engine.orders.order_file import refuse_missing
from engine.run.run import Run
from engine.run.session import mask_of, step_keys

KEPT = 2**28  # bytes of answers that are kept beside the run's own


class Cancelled(Exception):
    """The order under way is wanted no more."""


def compared(run: Run, names: Sequence[str], cancelled: Container[str] = ()) -> Iterator[Compared]:
    """Each order as soon as it is computed. Nothing of the run changes; what was computed before is not again.

    Orders that are in `cancelled`, or come to be while this lasts, are left out.

    Raises Refused, before anything is computed, for a name that is no order, or one that looks at what is not there.
    """
    wanted = tuple(dict.fromkeys(order_name(name, "--orders") for name in names))
    for name in wanted:
        refuse_missing(name, run.inputs.sets)
    comparison = Comparison(run, wanted, cancelled)
    for name in wanted:
        with suppress(Cancelled):
            yield comparison.of(name)
    if comparison.done < comparison.total:  # the last one was left out
        comparison.done = comparison.total
        comparison.tell(wanted[-1])


class Comparison:
    """The answers of B' met on the way, by its pruned channels: the run's own and, in memory, the newest others."""

    def __init__(self, run: Run, names: Sequence[str], cancelled: Container[str]) -> None:
        self.run, self.begin, self.names, self.cancelled = run, perf_counter(), names, cancelled
        self.name, self.done, self.total = "", 0, len(names) * run.inputs.channels
        self.kept: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def of(self, name: str) -> Compared:
        """One order, from its scores to its last step."""
        from engine.orders import clp
        from engine.orders.compute_order import order_of, scored

        begin, method = perf_counter(), method_of(name)
        self.name, self.done = name, self.names.index(name) * self.run.inputs.channels
        self.check()
        self.tell(name)
        told = replace(
            self.run.material, check=self.check, progress=lambda place: self.tell(f"{name}, channel {place + 1}")
        )
        scores = scored(name, told)
        order = order_of(name, scores)
        steps = self.walk(name, order)
        chosen = clp.published_set(scores, float(argument(name) or CLP_U)) if method.name == "clp" else None
        counts = None if chosen is None else self.count(chosen)
        told_scores = None if chosen is None else tuple(scores.tolist())
        return Compared(name, method.looks_at, order, steps, chosen, counts, perf_counter() - begin, told_scores)

    def check(self) -> None:
        """Raises Cancelled where the order under way was cancelled, and what the run raises to stop everything."""
        self.run.check()
        if self.name in self.cancelled:
            raise Cancelled

    def walk(self, name: str, order: tuple[int, ...]) -> tuple[Counts, ...]:
        """Counts at each step of an order."""
        keys, answers, found = step_keys(order, self.run.inputs.channels), self.run.b_answers, []
        for step, key in enumerate(keys):
            self.check()
            if step:
                answers = self.after(answers, order[:step], key)
                self.done += 1
                self.tell(name)
            found.append(self.run.count(answers))
            self.run.emit(ComparedStep(name, step, found[-1]))
        return tuple(found)

    def after(self, before: np.ndarray, pruned: tuple[int, ...], key: bytes) -> np.ndarray:
        """The answers once the last of these channels is pruned too; `before`: those without it."""
        if key in self.kept:
            return self.kept[key]
        if key in self.run.session.answers:
            return self.run.session.answers[key]
        mask = mask_of(pruned, self.run.inputs.channels)
        answers, _ = self.run.evaluator.after(before, mask, pruned[-1], self.check)
        self.kept[key] = answers
        while len(self.kept) * answers.nbytes > KEPT:
            self.kept.popitem(last=False)
        return answers

    def count(self, pruned: tuple[int, ...]) -> Counts:
        """Counts with a set of channels pruned."""
        answers = self.run.b_answers
        for step, key in enumerate(step_keys(pruned, self.run.inputs.channels)):
            answers = self.after(answers, pruned[:step], key) if step else answers
        return self.run.count(answers)

    def tell(self, note: str) -> None:
        self.run.emit(Progress("orders", self.done, self.total, perf_counter() - self.begin, note))

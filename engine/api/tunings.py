"""The tunings of a run, folded from its events: which epochs there are, which one each keeps, which seed is saved."""

from collections.abc import Iterable, Mapping

import msgspec

from engine.api import protocol as p

DEFAULT_RATES = {"behind": 1e-3, "all": 1e-4}  # by scope


class Tuning(msgspec.Struct, frozen=True):
    """One tuning: how it began, and its epochs from 0 (B' as pruned) up without a gap."""

    began: p.TuningBegan
    epochs: tuple[p.Tuned, ...] = ()
    stopped: bool = False

    @property
    def last(self) -> int:
        """The epoch that it has come to; -1 before B' is measured."""
        return len(self.epochs) - 1

    @property
    def done(self) -> bool:
        """Every epoch of the recipe is there, or its user ended it."""
        return self.stopped or self.last >= self.began.recipe.epochs

    @property
    def kept(self) -> int:
        """The epoch that is B″: the last, or the first of those best on the hold-out, as the recipe says."""
        tuned = self.epochs[1:]
        if self.began.recipe.keep == "last" or not tuned:
            return self.last
        return max(tuned, key=lambda at: (at.counts.holdout, -at.epoch)).epoch

    @property
    def key(self) -> tuple[frozenset[int], p.Recipe, int]:
        """What makes two tunings the same."""
        return frozenset(self.began.pruned), self.began.recipe, self.began.seed


Tunings = Mapping[int, Tuning]  # by number


def folded(tunings: Tunings, event: p.AnyEvent) -> Tunings:
    """The tunings after one more event."""
    match event:
        case p.TuningBegan(number=number):
            return {**tunings, number: Tuning(event)}
        case p.Tuned(number=number) if number in tunings and event.epoch == tunings[number].last + 1:
            at = tunings[number]
            return {**tunings, number: msgspec.structs.replace(at, epochs=(*at.epochs, event))}
        case p.TuningStopped(number=number) if number in tunings:
            return {**tunings, number: msgspec.structs.replace(tunings[number], stopped=True)}
    return tunings


def of_events(events: Iterable[p.AnyEvent]) -> Tunings:
    """The tunings that events tell of."""
    tunings: Tunings = {}
    for event in events:
        tunings = folded(tunings, event)
    return tunings


def complete(recipe: p.Recipe) -> p.Recipe:
    """The recipe with its learning rate."""
    return recipe if recipe.rate is not None else msgspec.structs.replace(recipe, rate=DEFAULT_RATES[recipe.scope])


def best(tunings: Iterable[Tuning]) -> Tuning | None:
    """The tuning whose kept epoch is best on the hold-out; among equals the earliest. Test data decides nothing."""
    ready = [each for each in tunings if each.last > 0]
    return max(ready, key=lambda each: (each.epochs[each.kept].counts.holdout, -each.began.number), default=None)

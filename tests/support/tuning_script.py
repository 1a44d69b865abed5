"""Tunings as the scripted engines tell of them: accuracy comes back at once, the attack goes slowly, seeds differ."""

from collections.abc import Iterator

from engine.api import file_names, tunings
from engine.api import protocol as p
from engine.api.tunings import Tuning, Tunings

HELD_OUT = 200


class TuningScript:
    """What was tuned in one scripted engine. `images`: of each test set."""

    def __init__(self, images: int, valid: int) -> None:
        self.images, self.valid = images, valid
        self.known: Tunings = {}

    def take(self, event: p.AnyEvent) -> p.AnyEvent:
        self.known = tunings.folded(self.known, event)
        return event

    def tune(self, command: p.Tune, step: int, pruned: tuple[int, ...], models: str, run: str) -> Iterator[p.AnyEvent]:
        """The events of a Tune, but for Idle. Whoever draws them may stop at an epoch."""
        if step < 1:
            raise ValueError("step 0: is B itself. Prune first, then tune what is left.")
        recipe, tuned = tunings.complete(command.recipe), []
        for seed in command.seeds:
            same = (frozenset(pruned), recipe, seed)
            number = next((each for each, at in self.known.items() if at.key == same), len(self.known) + 1)
            tuned.append(number)
            if number not in self.known:
                sizes = (self.valid - HELD_OUT, HELD_OUT)
                yield self.take(p.TuningBegan(number, step, pruned, command.threshold, recipe, seed, *sizes))
            while not self.known[number].done:
                epoch = self.known[number].last + 1
                yield self.take(p.Tuned(number, epoch, self.counts(epoch, seed), 1 / (1 + epoch), 0.2))
        if command.save and (best := tunings.best(self.known[number] for number in tuned)):
            yield from self.save(best, best.kept, None, models, run)
        yield p.Saved("tuning.csv", f"{run}/tuning.csv", "e" * 64, "written")

    def counts(self, epoch: int, seed: int) -> p.TunedCounts:
        right = self.images * (980 if epoch else 700) // 1000 + seed
        hits = max(100, 990 - 60 * epoch - 20 * seed) * self.images // 1000
        return p.TunedCounts(
            holdout=196 + seed % 3 if epoch else 140,
            test=right,
            poisoned=hits,
            g_test=right - 5,
            g_poisoned=hits,
            detected=self.images - hits,
            false_alarms=self.images - right,
            robust=self.images // 10,
        )

    def stop(self, number: int) -> Iterator[p.AnyEvent]:
        if number not in self.known:
            raise ValueError(f"tuning {number}: there is none of this number.")
        if not self.known[number].done:
            yield self.take(p.TuningStopped(number))

    def save_tuned(self, command: p.SaveTuned, models: str, run: str) -> Iterator[p.AnyEvent]:
        if command.tuning not in self.known:
            raise ValueError(f"tuning {command.tuning}: there is none of this number.")
        tuning = self.known[command.tuning]
        epoch = tuning.kept if command.epoch is None else command.epoch
        if not 1 <= epoch <= tuning.last:
            raise ValueError(f"epoch {epoch}: is not there. Choose an epoch from 1 on.")
        yield from self.save(tuning, epoch, command.name, models, run)

    def save(self, tuning: Tuning, epoch: int, name: str | None, models: str, run: str) -> Iterator[p.AnyEvent]:
        began = tuning.began
        own = file_names.tuned_name(suffix=".h5", threshold=began.threshold, step=began.step)
        name = file_names.file_name(name or own, ".h5")
        file_names.refuse_not_tuned(name, began.step, began.threshold)
        for what, path in (("tuned", f"{models}/{name}"), ("answers", f"{run}/{file_names.tuned_g_name(name)}")):
            what_of = (began.step, began.threshold, began.pruned, began.number, epoch)
            yield p.Saved(what, path, f"{began.number:032x}{epoch:032x}", "written", *what_of)

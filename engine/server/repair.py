"""The commands that repair: tune B′, save B″, classify pictures, export networks."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine import report
from engine.api import file_names, tunings
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.tunings import Tuning
from engine.network import backend

if TYPE_CHECKING:
    from engine.repair.tuning import Tuner
    from engine.server.commands import Service


class Repair:
    """Carries out what `handlers` names, for the run that `service` has open."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.emit = service.emit

    @property
    def handlers(self) -> dict[type, Callable[[Any], object]]:
        return {
            p.Tune: self.tune,
            p.StopTuning: self.stop,
            p.SaveTuned: self.save_tuned,
            p.Classify: self.classify,
            p.ExportNetwork: self.export_network,
        }

    @property
    def known(self) -> tunings.Tunings:
        """The tunings of the run, as its events tell them."""
        return tunings.of_events(self.service.recorder.events)

    # --- tuning ---

    def tune(self, command: p.Tune) -> None:
        """Tune B′ of a step with each seed; what is done already is not done again."""
        from engine.repair.tuning import refuse_recipe

        self.service.refuse_held()
        refuse_recipe(command.recipe, command.seeds)
        step = self.step_of(command)
        pruned = self.service.run.session.order[:step]
        recipe = tunings.complete(command.recipe)
        tuned = [self.tune_seed(step, pruned, command.threshold, recipe, seed) for seed in command.seeds]
        if command.save:
            self.save_best([self.known[number] for number in tuned], command.overwrite)
        self.service.saver.results(report.repair(report.record(self.service.recorder.events)))

    def step_of(self, command: p.Tune) -> int:
        """The step whose B′ is to be tuned. Raises Refused for one that is not known."""
        session = self.service.run.session
        if command.threshold is not None:
            reached = session.first_reached(command.threshold)
            if reached is None:
                raise Refused(
                    f"{p.threshold_label(command.threshold)}: no step has dropped so far, so there is no B′ to tune."
                )
            return reached
        step = session.playhead if command.step is None else command.step
        if step < 1:
            raise Refused("step 0: is B itself. Prune first, then tune what is left.")
        if not any(event.step == step for event in session.known()):
            raise Refused(f"step {step}: is not computed. Go there first.")
        return step

    def tune_seed(self, step: int, pruned: tuple[int, ...], threshold: str | None, recipe: p.Recipe, seed: int) -> int:
        """Tune with one seed, or go on where it was left. Returns the tuning's number."""
        known = self.known
        same = (frozenset(pruned), recipe, seed)
        number = next((each for each, at in known.items() if at.key == same), None)
        if number is not None and known[number].done:
            return number
        tuner, begin = self.tuner(pruned, recipe, number or len(known) + 1), time.perf_counter()
        if number is None:
            number = len(known) + 1
            trained, held_out = len(tuner.trained), len(tuner.held_out)
            self.emit(p.TuningBegan(number, step, pruned, threshold, recipe, seed, trained, held_out))
        if self.known[number].last < 0:
            self.emit(p.Tuned(number, 0, tuner.as_pruned()))
        for event in tuner.epochs(self.known[number]):
            self.emit(event)
        self.emit(p.Progress("tuning", 1, 1, time.perf_counter() - begin))
        return number

    def tuner(self, pruned: tuple[int, ...], recipe: p.Recipe, number: int) -> "Tuner":
        from engine.repair.tuning import Tuner

        begin = time.perf_counter()

        def progress(done: int, total: int) -> None:
            if done < total:
                self.emit(p.Progress("tuning", done, total, time.perf_counter() - begin, f"tuning {number}"))

        return Tuner(self.service.run, pruned, recipe, self.robust_labels(), progress, self.service.check)

    def robust_labels(self) -> np.ndarray | None:
        """The labels that poisoned test images had before, where pixels prove them."""
        from engine.analysis.findings import looked_for

        before = next((at for at in reversed(self.service.recorder.events) if isinstance(at, p.Analysed)), None)
        trigger = before.trigger if before else looked_for(self.service.run)[0]
        return self.service.run.inputs.sets["test"].labels if trigger else None

    def stop(self, command: p.StopTuning) -> None:
        """Let a tuning end where it is."""
        self.service.refuse_held()
        tuning = self.numbered(command.tuning)
        if not tuning.done:
            self.emit(p.TuningStopped(command.tuning))
            self.service.saver.results(report.repair(report.record(self.service.recorder.events)))

    def numbered(self, number: int) -> Tuning:
        if number not in self.known:
            raise Refused(f"tuning {number}: there is none of this number.")
        return self.known[number]

    def at_epoch(self, command: p.ShowImages) -> p.ShowImages:
        """The command with the epoch that it means."""
        if command.tuning is None:
            return command
        tuning = self.numbered(command.tuning)
        epoch = tuning.kept if command.epoch is None else command.epoch
        if not 1 <= epoch <= tuning.last:
            raise Refused(f"tuning {command.tuning}: has no epoch {epoch}.")
        return msgspec.structs.replace(command, epoch=epoch)

    def tune_thresholds(self) -> None:
        """What a run's settings want tuned, where the threshold is reached."""
        service = self.service
        for threshold in service.run.settings.tune_at:
            if service.run.session.first_reached(threshold) is not None:
                self.tune(p.Tune(threshold=threshold, seeds=service.run.settings.tune_seeds, save=True))

    # --- saving ---

    def save_best(self, tuned: list[Tuning], overwrite: bool) -> None:
        """Save the tuning that is best on the hold-out."""
        if (best := tunings.best(tuned)) is not None:
            self.save(best, best.kept, None, overwrite, again=False)

    def save_tuned(self, command: p.SaveTuned) -> None:
        tuning = self.numbered(command.tuning)
        epoch = tuning.kept if command.epoch is None else command.epoch
        if not 1 <= epoch <= tuning.last:
            which = "is B′ itself, not tuned" if epoch == 0 else f"is not there; the last is {tuning.last}"
            raise Refused(f"epoch {epoch}: {which}. Choose an epoch from 1 on.")
        self.save(tuning, epoch, command.name, command.overwrite)

    def save(self, tuning: Tuning, epoch: int, name: str | None, overwrite: bool, again: bool = True) -> None:
        """Save B″ and what G of B and B″ answers, or ask."""
        from engine.run.tuning_files import kept_epoch

        service, began = self.service, tuning.began
        saver = service.saver
        own = file_names.tuned_name(suffix=saver.suffix, threshold=began.threshold, step=began.step)
        name = file_names.file_name(name or own, saver.suffix)
        file_names.refuse_not_tuned(name, began.step, began.threshold)
        found = kept_epoch(service.run, began.number, epoch)
        if found is None:
            raise Refused(f"tuning {began.number}: the weights of epoch {epoch} are gone from the run. Tune again.")
        saver.tuned(name, tuning, epoch, *found, overwrite, again)

    # --- without a run ---

    def classify(self, command: p.Classify) -> None:
        backend.configure(command.device)
        backend.load(command.device)
        from engine.repair.classify import classified

        for event in classified(command, self.note_smaller, self.service.check):
            self.emit(event)

    def export_network(self, command: p.ExportNetwork) -> None:
        backend.configure(command.device)
        backend.load(command.device)
        from engine.repair.export import exported

        begin = time.perf_counter()

        def progress(name: str, done: int, total: int) -> None:
            self.service.check()
            self.emit(p.Progress(f"features {name}", done, total, time.perf_counter() - begin))

        self.emit(exported(command, progress, self.note_smaller, self.service.recorder.writing))

    def note_smaller(self, size: int) -> None:
        self.emit(p.Note(backend.smaller_batches(size)))

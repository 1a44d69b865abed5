"""The engine's commands, one method each: what they do to the run, and which events tell of it."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from engine import report
from engine.analysis import compare_orders
from engine.analysis.channel_view import ChannelLook
from engine.analysis.explain import explained
from engine.analysis.findings import analysed
from engine.api import file_names
from engine.api import protocol as p
from engine.api.demo import Attack
from engine.api.errors import HELD_ELSEWHERE, ExitCode, Foreign, LabError, NotWritten, Refused
from engine.api.orders import order_name
from engine.api.thresholds import parse_thresholds
from engine.network import backend
from engine.run import image_browser
from engine.run.open_run import Opening
from engine.run.recorder import Recorder
from engine.run.run import Run
from engine.run.saving import Saver
from engine.run.wide_layers import stride_offer
from engine.server.hand_in import HandIn
from engine.server.repair import Repair


class Stopped(Exception):
    """The user wants the current command to stop here."""


class Service:
    """Carries out commands. `send` takes events to the front end."""

    def __init__(self, send: Callable[[p.AnyEvent], None]) -> None:
        self.recorder = Recorder(send)
        self.emit = self.recorder.emit
        self.number = 0  # of the command under way
        self.stopped_before = 0  # commands with lower numbers are to stop at their next batch
        self.leaving = False
        self.cancelling: set[str] = set()  # orders that are not to be compared, from the reader's thread
        self.measuring = False  # a saved step: its figures belong to its files, so a pause waits for them
        self.used, self.held = ExitStack(), ExitStack()  # what is closed with the run; its locks
        self.state: tuple[Run, Saver] | None = None
        self.look: ChannelLook | None = None  # what looks at channels of the run share
        self.painter = report.Painter()
        self.started = time.perf_counter()
        self.repair = Repair(self)

    def stop_before(self, number: int, leaving: bool = False) -> None:
        """Stop the command under way and those that wait, up to this number. Called from the reader's thread."""
        self.leaving = self.leaving or leaving
        self.stopped_before = number

    def check(self) -> None:
        if self.leaving or (self.number < self.stopped_before and not self.measuring):
            raise Stopped

    def carry_out(self, command: p.AnyCommand, number: int = 0) -> None:
        """One command, to its end; what goes wrong is an event, and the engine goes on.

        `number`: a command of a higher number that says stop means this one too.
        """
        why: Literal["done", "paused", "failed"] = "failed"
        self.number = number
        try:
            self.handler(command)(command)
            why = "done"
        except Stopped:
            why = "paused"
        except LabError as error:
            if isinstance(error, NotWritten) and self.state:
                self.run.session.rewind(self.recorder.events)
            self.emit(p.Failed(str(error), error.exit_code, error.files if isinstance(error, Foreign) else ()))
        except Exception as error:
            if backend.out_of_memory(error):
                full = backend.no_memory()
                self.emit(p.Failed(str(full), full.exit_code))
                return
            self.emit(p.Failed(f"The engine failed: {type(error).__name__}: {error}"[:500], ExitCode.ENGINE_ERROR))
            raise
        finally:
            self.emit(p.Idle(self.run.session.playhead if self.state else 0, why))

    def handler(self, command: p.AnyCommand) -> Callable[[Any], object]:
        own: dict[type, Callable[[Any], object]] = {
            p.Open: self.open,
            p.Goto: self.goto,
            p.PruneNext: self.prune_next,
            p.SetThresholds: self.set_thresholds,
            p.SaveHere: self.save_here,
            p.SaveThreshold: self.save_threshold,
            p.Decline: self.decline,
            p.CheckFiles: self.check_files,
            p.ShowImages: self.show_images,
            p.ShowChannel: self.show_channel,
            p.Compare: self.compare,
            p.CancelOrder: self.cancelled,
            p.TakeOrder: self.take_order,
            p.Explain: self.explain,
            p.Export: self.export,
            p.Finish: self.finish,
            p.Evaluate: self.evaluate,
            p.Grade: self.grade,
            p.TrainDemo: self.train_demo,
            p.HandIn: HandIn(self).carry_out,
        }
        return (own | self.repair.handlers)[type(command)]

    def abandon(self) -> None:
        """The front end has gone: leave at once, but not in the middle of a file."""
        with self.recorder.writing:
            os._exit(ExitCode.DONE)

    @property
    def opened(self) -> tuple[Run, Saver]:
        if self.state is None:
            raise Refused("No run is open.")
        return self.state

    @property
    def run(self) -> Run:
        return self.opened[0]

    @property
    def saver(self) -> Saver:
        """Where results go. Raises Refused in a run that another process holds."""
        self.refuse_held()
        return self.opened[1]

    def refuse_held(self) -> None:
        """Raises Refused where the run that is open is held by another process."""
        if self.state is not None and self.recorder.journal is None:
            raise Refused(HELD_ELSEWHERE)

    # --- opening ---

    def open(self, command: p.Open) -> None:
        if self.state is not None and command.run == str(self.run.folder):
            return  # a front end that came back has heard it all
        if self.state is not None:
            raise Refused("A run is open already. Start another engine for another run.")
        if command.demo is not None:
            self.lay_out_demo(command.demo, command.settings.root)
        self.painter.start()  # its import of matplotlib overlaps that of Keras
        opening = Opening(command, self.recorder, self.check, self.used, self.held)
        try:
            self.state = opening.carry_out()
            if self.recorder.journal is not None:
                self.catch_up()
        except BaseException as error:
            self.close_run(opening.made)
            if isinstance(error, NotWritten) and opening.made is not None:
                raise NotWritten(error.found, "No run was begun; free space and start again.") from error
            raise

    def catch_up(self) -> None:
        """What a run begins with, as far as it is missing: order, B's own figures, thresholds, and what to save.

        Files of before that are gone or changed are made again.
        """
        session = self.run.session
        if not session.order:
            ranked = self.run.rank()
            session.replay(ranked)
            self.emit(ranked)
        if not any(session.known()):
            begin = time.perf_counter()
            self.walk(p.Goto(0))
            self.emit(p.Progress("baseline", 1, 1, time.perf_counter() - begin))
            if offer := stride_offer(self.run, time.perf_counter() - begin):
                self.emit(p.Note(offer))
        if frozenset() not in self.recorder.ledger.counted:
            self.measure(0)
        unwritten = self.saver.check()
        told = any(isinstance(event, p.Thresholds) for event in self.recorder.events)
        for event in session.refine(lambda: self.run.evaluator, self.check):
            self.tell(event)
        for event in session.uncrossed() if told else session.set_thresholds(self.run.settings.save_at):
            self.tell(event)
        for threshold, step in session.crossings():
            self.save_missing(step, threshold)
        for step in self.run.settings.save_steps:
            if any(event.step == step for event in session.known()):
                self.save_missing(step)
        if unwritten:
            self.export(p.Export())

    def save_missing(self, step: int, threshold: str | None = None) -> None:
        """Save a step that the run is to save, where that is not done; what was asked about it is not asked again."""
        counted = frozenset(self.run.session.order[:step]) in self.recorder.ledger.counted
        if not self.saver.kept(step, threshold) or not counted:
            self.save(step, threshold, again=False)

    def close_run(self, made: Path | None) -> None:
        """Let go of a run that could not be opened, and of the folder that was made for it."""
        self.state = None
        self.used.close()
        self.painter.close()
        self.recorder.stop()
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)  # what could not be opened is what people want to hear of
        self.held.close()

    def lay_out_demo(self, attack: Attack, root: str) -> None:
        from engine.demo.lab import lay_out

        begin = time.perf_counter()
        self.emit(p.Progress("demo", 0, 1))
        lay_out(attack, Path(root))
        self.emit(p.Progress("demo", 1, 1, time.perf_counter() - begin))

    # --- pruning ---

    def goto(self, command: p.Goto) -> None:
        self.refuse_held()
        self.walk(command)

    def walk(self, command: p.Goto) -> None:
        for event in self.run.session.goto(command, lambda: self.run.evaluator, self.check):
            self.tell(event)

    def tell(self, event: p.AnyEvent) -> None:
        """Send an event of the session, and save what it calls for."""
        if isinstance(event, p.Question):
            event = self.saver.worded(event)
        self.emit(event)
        match event:
            case p.Stepped(step=0):
                self.measure(0)
            case p.Stepped(step=step) if step in self.run.settings.save_steps:
                self.save_missing(step)
            case p.Crossed(threshold=threshold, step=step):
                self.save_missing(step, threshold)

    def measure(self, step: int) -> None:
        """Look at the poisoned validation set at a step that is saved."""
        self.measuring = True
        try:
            self.emit(p.SaveMeasured(step, self.run.measured(step)))
        finally:
            self.measuring = False

    def save(self, step: int, threshold: str | None = None, name: str | None = None, **answers: bool) -> None:
        """Save B' of a step, or ask. `answers`: see `Saver.model`."""
        saver, session = self.saver, self.run.session
        name = name or file_names.model_name(suffix=saver.suffix, threshold=threshold, step=step)
        saved = saver.model(name, step, threshold, **answers)
        if threshold is not None:
            settle = session.hold if saved else session.release
            settle(threshold, session.key(step))
        if saved:
            self.measure(step)

    def prune_next(self, command: p.PruneNext) -> None:
        self.refuse_held()
        for event in self.run.session.prune_next(command.channel):
            self.tell(event)
        self.walk(p.Goto(self.run.session.playhead + 1))

    def set_thresholds(self, command: p.SetThresholds) -> None:
        self.refuse_held()
        wanted, run = parse_thresholds(command.save_at), self.run
        for event in run.session.set_thresholds(wanted, lambda: run.evaluator, self.check):
            self.tell(event)

    def save_here(self, command: p.SaveHere) -> None:
        saver, session = self.saver, self.run.session
        step = session.playhead if command.step is None else command.step
        if not any(event.step == step for event in session.known()):
            raise Refused(f"step {step}: is not computed. Go there first.")
        name = file_names.file_name(command.name or file_names.model_name(suffix=saver.suffix, step=step), saver.suffix)
        file_names.refuse_misnamed(name, step, session.first_reached)
        meaning = file_names.saved_point(name)
        threshold = meaning.threshold if meaning else None
        self.save(step, threshold, name, overwrite=command.overwrite, replace=command.overwrite)

    def save_threshold(self, command: p.SaveThreshold) -> None:
        self.refuse_held()
        step = self.run.session.first_reached(command.threshold)
        if step is None:
            raise Refused(f"{p.threshold_label(command.threshold)}: no step has dropped so far yet.")
        self.save(step, command.threshold, overwrite=command.overwrite, replace=True)

    def decline(self, command: p.Decline) -> None:
        """The user wants a file left as it is."""
        if self.saver and 0 < command.question <= self.recorder.ledger.questions:
            self.emit(p.Declined(command.question))

    def check_files(self, _command: p.CheckFiles) -> None:
        """In a run that another process holds, only what is gone or changed is told."""
        if self.recorder.journal is not None:
            if self.saver.check():
                self.export(p.Export())
            return
        for event in self.state[1].changed() if self.state else ():
            self.recorder.send(event)

    # --- looking ---

    def show_images(self, command: p.ShowImages) -> None:
        found = next((event for event in self.recorder.events if isinstance(event, p.Detected)), None)
        self.emit(image_browser.images(self.run, self.repair.at_epoch(command), found))

    def show_channel(self, command: p.ShowChannel) -> None:
        if self.look is None or self.look.run is not self.run:
            self.look = ChannelLook(self.run)
        self.emit(self.look.view(command.channel))

    def compare(self, command: p.Compare) -> None:
        """Orders side by side, each told of as soon as it is computed; in a run of one's own, kept and drawn."""
        wanted = [name for name in command.orders if name not in self.compared()]
        for event in compare_orders.compared(self.run, wanted, self.cancelling):
            self.emit(event)
        if self.recorder.journal is not None:
            self.saver.results(report.comparison(report.record(self.recorder.events), self.painter))

    def cancel_order(self, name: str) -> None:
        """Leave an order out of the comparison under way, and of those that wait. Called from the reader's thread."""
        self.cancelling.add(name)

    def cancelled(self, command: p.CancelOrder) -> None:
        """The comparisons that the order was left out of have ended; the next may have it."""
        self.cancelling.discard(command.order)

    def compared(self) -> dict[str, p.Compared]:
        """The orders that were compared, by name."""
        return {event.name: event for event in self.recorder.events if isinstance(event, p.Compared)}

    def take_order(self, command: p.TakeOrder) -> None:
        """Prune in another order: as it was compared, or as its scores make it."""
        self.refuse_held()
        session = self.run.session
        if command.order is None:
            events = session.take_back()
        else:
            name = order_name(command.order)
            known = self.compared().get(name)
            events = session.take_order(known.order if known else self.run.order_by(name), name)
        for event in events:
            self.tell(event)

    def explain(self, command: p.Explain) -> None:
        """Why the defence works or fails; each part told of as soon as it is found, and in a run of one's own kept.

        Where a report was written before, it is written again, now with the answer.
        """
        known = {type(event) for event in self.recorder.events}
        for event in explained(self.run, known, command.layers):
            self.emit(event)
        if self.recorder.journal is None:
            return
        self.saver.results(report.explanation_files(report.record(self.recorder.events), self.painter))
        if any(file.what == "report.md" for file in self.recorder.ledger.files.values()):
            self.export(p.Export())

    # --- results ---

    def export(self, _command: p.Export) -> tuple[str, ...]:
        begin, saver = time.perf_counter(), self.saver
        self.emit(p.Progress("files", 0, 1))
        saver.check()
        self.analyse()
        record = report.record(self.recorder.events)
        written = tuple(saver.results(report.files(record, self.painter)))
        self.emit(p.Progress("files", 1, 1, time.perf_counter() - begin))
        return written

    def analyse(self) -> None:
        """Find what the kept answers say of what is saved, and tell of it where that is new."""
        saved = [network.pruned for network in report.record(self.recorder.events).saved]
        before = next((at for at in reversed(self.recorder.events) if isinstance(at, p.Analysed)), None)
        found = analysed(self.run, saved, before)
        if found != before:
            self.emit(found)

    def finish(self, _command: p.Finish) -> None:
        self.repair.tune_thresholds()
        files = self.export(p.Export())
        session, record = self.run.session, report.record(self.recorder.events)
        missed = tuple(each for each in session.thresholds if each not in session.crossed)
        seconds = time.perf_counter() - self.started
        self.emit(p.Finished(str(self.run.folder), files, missed, report.verdict(record), seconds))

    def evaluate(self, command: p.Evaluate) -> None:
        backend.configure(command.device)
        backend.load(command.device)
        from engine.analysis.evaluate_files import evaluate

        begin = time.perf_counter()

        def progress(name: str, done: int, total: int) -> None:
            self.check()
            self.emit(p.Progress(f"features {name}", done, total, time.perf_counter() - begin))

        def smaller(size: int) -> None:
            self.emit(p.Note(backend.smaller_batches(size)))

        self.emit(evaluate(command, smaller, progress, self.check))

    def grade(self, command: p.Grade) -> None:
        """Networks of others judged one by one; each is told of as soon as it is."""
        backend.configure(command.device)
        backend.load(command.device)
        from engine.analysis.grade_files import graded

        for event in graded(command, lambda size: self.emit(p.Note(backend.smaller_batches(size))), self.check):
            self.emit(event)

    def train_demo(self, command: p.TrainDemo) -> None:
        backend.configure(None)
        backend.load()
        from engine.api.atomic_file import write_atomically
        from engine.demo.training import train

        begin = time.perf_counter()

        def progress(phase: str, done: int, total: int) -> None:
            self.check()
            self.emit(p.Progress(phase, done, total, time.perf_counter() - begin))

        network = train(command.attack, progress)
        try:
            write_atomically(Path(command.path), network)
        except NotWritten as error:
            raise NotWritten(error.found, "Name another file with --out, or free space, and train again.") from error
        self.emit(p.Note(f"wrote {command.path}"))

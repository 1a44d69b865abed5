"""The engine's commands, one method each: what they do to the run, and which events tell of it."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from engine import backend, looking, report
from engine.analysis import comparison
from engine.api import lab
from engine.api import protocol as p
from engine.api.errors import ExitCode, LabError, NotWritten, Refused
from engine.opening import Opening
from engine.recorder import Recorder
from engine.run import Run
from engine.saving import Saver


class Stopped(Exception):
    """The user wants the current command to stop here."""


class Service:
    """Carries out commands. `send` takes events to the front end."""

    def __init__(self, send: Callable[[p.AnyEvent], None]) -> None:
        self.recorder = Recorder(send)
        self.emit = self.recorder.emit
        self.stop = threading.Event()  # set from the reader's thread: leave the current command at the next batch
        self.held = ExitStack()  # locks
        self.state: tuple[Run, Saver] | None = None
        self.painter = report.Painter()
        self.started = time.perf_counter()

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def carry_out(self, command: p.AnyCommand) -> None:
        """One command, to its end; what goes wrong is an event, and the engine goes on."""
        why: Literal["done", "paused", "failed"] = "failed"
        try:
            self.handler(command)(command)
            why = "done"
        except Stopped:
            why = "paused"
        except LabError as error:
            if isinstance(error, NotWritten) and self.state:
                self.run.session.rewind(self.recorder.events)
            self.emit(p.Failed(str(error), error.exit_code))
        except Exception as error:
            self.emit(p.Failed(f"The engine failed: {type(error).__name__}: {error}"[:500], ExitCode.ENGINE_ERROR))
            raise
        finally:
            self.stop.clear()
            self.emit(p.Idle(self.run.session.playhead if self.state else 0, why))

    def handler(self, command: p.AnyCommand) -> Callable[[Any], object]:
        handlers: dict[type, Callable[[Any], object]] = {
            p.Open: self.open,
            p.Goto: self.goto,
            p.PruneNext: self.prune_next,
            p.SetThresholds: self.set_thresholds,
            p.SaveHere: self.save_here,
            p.SaveThreshold: self.save_threshold,
            p.ShowImages: self.show_images,
            p.ShowChannel: self.show_channel,
            p.Compare: self.compare,
            p.Export: self.export,
            p.Finish: self.finish,
            p.Evaluate: self.evaluate,
            p.TrainDemo: self.train_demo,
        }
        return handlers[type(command)]

    def abandon(self) -> None:
        """The front end has gone: leave at once, but not in the middle of a file."""
        with self.recorder.writing:
            os._exit(ExitCode.DONE)

    @property
    def run(self) -> Run:
        if self.state is None:
            raise Refused("No run is open.")
        return self.state[0]

    @property
    def saver(self) -> Saver:
        """Where results go. Raises Refused in a run that another process holds."""
        if self.state is None:
            raise Refused("No run is open.")
        if self.recorder.journal is None:
            raise Refused("This run is in use by another window; here it can only be looked at.")
        return self.state[1]

    # --- opening ---

    def open(self, command: p.Open) -> None:
        if self.state is not None and command.run == str(self.run.folder):
            return  # a front end that came back has heard it all
        if self.state is not None:
            raise Refused("A run is open already. Start another engine for another run.")
        if command.demo is not None:
            self.lay_out_demo(command)
        self.painter.start()  # its import of matplotlib overlaps that of Keras
        opening = Opening(command, self.recorder, self.check, self.held)
        try:
            self.state = opening.carry_out()
            if self.recorder.journal is not None:
                self.catch_up()
        except BaseException:
            self.close_run(opening.made)
            raise

    def catch_up(self) -> None:
        """What a run begins with, as far as it is missing: order, B's own figures, thresholds, and what to save."""
        session = self.run.session
        if not session.order:
            ranked = self.run.rank()
            session.replay(ranked)
            self.emit(ranked)
        if not any(session.known()):
            begin = time.perf_counter()
            self.walk(p.Goto(0))
            self.emit(p.Progress("baseline", 1, 1, time.perf_counter() - begin))
        if 0 not in self.recorder.measured:
            self.measure(0)
        told = any(isinstance(event, p.Thresholds) for event in self.recorder.events)
        for event in session.uncrossed() if told else session.set_thresholds(self.run.settings.save_at):
            self.tell(event)
        for threshold, step in session.crossings():
            self.save_missing(step, threshold)
        for step in self.run.settings.save_steps:
            if step <= len(list(session.known())) - 1:
                self.save_missing(step)

    def save_missing(self, step: int, threshold: str | None = None) -> None:
        """Save a step that a run was to save and, ended early, did not."""
        saved = {each.what for each in self.recorder.saved if (each.step, each.threshold) == (step, threshold)}
        answers = {"answers"} if {"test", "poisoned"} & set(self.run.inputs.sets) else set()
        if not {"model"} | answers <= saved or step not in self.recorder.measured:
            self.save(step, threshold)

    def close_run(self, made: Path | None) -> None:
        """Let go of a run that could not be opened, and of the folder that was made for it."""
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)  # what could not be opened is what people want to hear of
        self.recorder.stop()
        self.held.close()
        self.state = None

    def lay_out_demo(self, command: p.Open) -> None:
        from engine.demo.lab import lay_out

        begin = time.perf_counter()
        self.emit(p.Progress("demo", 0, 1))
        assert command.demo is not None
        lay_out(command.demo, Path(command.settings.root))
        self.emit(p.Progress("demo", 1, 1, time.perf_counter() - begin))

    # --- pruning ---

    def goto(self, command: p.Goto) -> None:
        assert self.saver
        self.walk(command)

    def walk(self, command: p.Goto) -> None:
        for event in self.run.session.goto(command, lambda: self.run.evaluator, self.check):
            self.tell(event)

    def tell(self, event: p.AnyEvent) -> None:
        """Send an event of the session, and save what it calls for."""
        self.emit(event)
        match event:
            case p.Stepped(step=0):
                self.measure(0)
            case p.Stepped(step=step) if step in self.run.settings.save_steps:
                self.save(step)
            case p.Crossed(threshold=threshold, step=step):
                self.save(step, threshold)

    def measure(self, step: int) -> None:
        """Look at the poisoned validation set at a step that is saved."""
        self.emit(p.SaveMeasured(step, self.run.measured(step)))

    def save(self, step: int, threshold: str | None = None, name: str | None = None, overwrite: bool = False) -> None:
        saver = self.saver
        name = name or lab.model_name(suffix=saver.suffix, threshold=threshold, step=step)
        if saver.model(name, step, threshold, overwrite):
            self.measure(step)

    def prune_next(self, command: p.PruneNext) -> None:
        assert self.saver
        for event in self.run.session.prune_next(command.channel):
            self.tell(event)
        self.walk(p.Goto(self.run.session.playhead + 1))

    def set_thresholds(self, command: p.SetThresholds) -> None:
        assert self.saver
        for event in self.run.session.set_thresholds(map(lab.points, command.save_at)):
            self.tell(event)

    def save_here(self, command: p.SaveHere) -> None:
        name = lab.file_name(command.name, self.saver.suffix) if command.name else None
        self.save(self.run.session.playhead, None, name, command.overwrite)

    def save_threshold(self, command: p.SaveThreshold) -> None:
        step = self.run.session.first_reached(command.threshold)
        if step is None:
            raise Refused(f"{p.minus(command.threshold)}: no step has dropped so far yet.")
        self.save(step, command.threshold, None, command.overwrite)

    # --- looking ---

    def show_images(self, command: p.ShowImages) -> None:
        self.emit(looking.images(self.run, command))

    def show_channel(self, command: p.ShowChannel) -> None:
        self.emit(self.run.channel_view(command.channel))

    def compare(self, command: p.Compare) -> None:
        """Orders side by side, each told of as soon as it is computed; in a run of one's own, kept and drawn."""
        known = {event.name for event in self.recorder.events if isinstance(event, p.Compared)}
        for event in comparison.compared(self.run, [name for name in command.orders if name not in known]):
            self.emit(event)
        if self.recorder.journal is not None:
            self.saver.results(report.comparison(report.record(self.recorder.events), self.painter))

    # --- results ---

    def export(self, _command: p.Export) -> tuple[str, ...]:
        begin, saver = time.perf_counter(), self.saver
        self.emit(p.Progress("files", 0, 1))
        record = report.record(self.recorder.events)
        written = tuple(saver.results(report.files(record, self.painter)))
        self.emit(p.Progress("files", 1, 1, time.perf_counter() - begin))
        return written

    def finish(self, _command: p.Finish) -> None:
        files = self.export(p.Export())
        session, record = self.run.session, report.record(self.recorder.events)
        missed = tuple(each for each in session.thresholds if each not in session.crossed)
        seconds = time.perf_counter() - self.started
        self.emit(p.Finished(str(self.run.folder), files, missed, report.verdict(record), seconds))

    def evaluate(self, command: p.Evaluate) -> None:
        backend.configure(command.device)
        backend.load(command.device)
        from engine.whole import evaluate

        begin = time.perf_counter()

        def progress(name: str, done: int, total: int) -> None:
            self.check()
            self.emit(p.Progress(f"features {name}", done, total, time.perf_counter() - begin))

        self.emit(evaluate(command, lambda size: self.emit(p.Note(backend.smaller_batches(size))), progress))

    def train_demo(self, command: p.TrainDemo) -> None:
        backend.configure(None)
        backend.load()
        from engine.demo.training import train
        from engine.files.atomic import write_atomically

        begin = time.perf_counter()

        def progress(phase: str, done: int, total: int) -> None:
            self.check()
            self.emit(p.Progress(phase, done, total, time.perf_counter() - begin))

        write_atomically(Path(command.path), train(command.attack, progress))
        self.emit(p.Note(f"wrote {command.path}"))

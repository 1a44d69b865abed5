"""From settings to an open run: check the inputs while Keras is imported, take the folders, begin or go on."""

import datetime
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from engine.api import journal, lab, locks
from engine.api.atomic_file import sweep
from engine.api.engine_log import settle
from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.orders import order_name
from engine.api.progress import Check
from engine.api.protocol import AnyEvent, Began, Moved, Open, Opened, Progress, Settings
from engine.api.thresholds import parse_percentage, parse_threshold, parse_thresholds
from engine.architecture.graph import layer_infos
from engine.network import backend
from engine.run.inputs import Hashes, Inputs, changed_inputs, open_inputs, open_sources, paths
from engine.run.recorder import Recorder
from engine.run.resume_checks import refuse_other_answers, refuse_other_inputs
from engine.run.run import Run
from engine.run.saving import Saver, refuse_foreign
from engine.sandbox.client import sandbox


class Opening:
    """One Open command being carried out. `made` is the folder of a new run, once there is one.

    `used` gets what is to be closed with the run, threads and files, `held` the locks: they go last.
    """

    def __init__(self, command: Open, recorder: Recorder, check: Check, used: ExitStack, held: ExitStack) -> None:
        self.command, self.resumed = command, False
        self.settings = normal(command.settings, begun=command.run is not None)
        self.recorder, self.check, self.used, self.held = recorder, check, used, held
        self.begin = time.perf_counter()
        self.holder: str | None = None
        self.unlocked = ""  # what its user should know of folders that cannot be locked
        self.made: Path | None = None

    def carry_out(self) -> tuple[Run, Saver]:
        """Returns the run: a new one with its features and a journal begun, or one of before gone on with.

        What a run that goes on may read is settled before any of its files is opened. The files are hashed in a
        thread all the while; only the journal has to wait for that. Raises Refused.
        """
        begun_here = self.take_up()
        files = open_sources(self.settings, follow=begun_here)
        for source in files.values():
            self.used.callback(source.close)
        sandbox.start()
        keras = import_keras(self.settings.device)
        hashes = Hashes(files, lambda done, total: self.progress("hash", done, total))
        self.used.callback(hashes.close)
        inputs = open_inputs(self.settings, files)
        self.used.callback(inputs.close)
        if not self.resumed:
            refuse_foreign(self.settings, inputs.suffix)
        run = Run(self.settings, self.folder(inputs), inputs, self.recorder.emit, self.check)
        self.used.callback(run.close)
        past = journal.read(run.folder) if self.resumed else []  # now that nobody else goes on with the run
        saver = Saver(run, self.recorder)
        keras.result()
        self.progress("tensorflow", 1, 1, backend.name())
        self.progress("device", 1, 1, backend.device_name())
        self.recorder.send(msgspec.structs.replace(describe(run, self.holder), notes=()))
        if not past:
            run.prepare()
        inputs.sha256 = hashes.all()
        opened = describe(run, self.holder, self.unlocked)
        if past:
            self.go_on(run, past, opened)
        else:
            self.begin_anew(run, opened)
        return run, saver

    def take_up(self) -> bool:
        """Go by the settings that the journal of a run to go on with begins with.

        But for `overwrite`: a journal is nobody's consent. Returns whether the run is one of this user's own, a new
        one included.
        """
        began = journal.beginning(Path(self.command.run)) if self.command.run else None
        if self.command.run is None or began is None:
            return True
        self.resumed = True
        self.settings = normal(msgspec.structs.replace(began.settings, overwrite=self.settings.overwrite), begun=True)
        return journal.begun_here(Path(self.command.run))

    def progress(self, phase: str, done: int, total: int, note: str = "") -> None:
        self.recorder.emit(Progress(phase, done, total, time.perf_counter() - self.begin, note))

    def folder(self, inputs: Inputs) -> Path:
        """The run's folder. It and the folder of B' are locked; a run that another process holds is opened to look."""
        out, runs = lab.models_folder(self.settings), lab.runs_folder(self.settings)
        try:
            self.unlocked = self.held.enter_context(locks.hold(out))
            if self.command.run is None:
                self.made = journal.new_run(runs, inputs.model.path.stem)
            folder = self.made or Path(self.command.run or "")
            self.unlocked = self.held.enter_context(locks.hold(folder)) or self.unlocked
            sweep(folder)
            sweep(out, "model_")
        except locks.InUse as error:
            if self.command.run is None:
                raise locks.InUse(
                    out, error.holder, "Close it there, or choose another folder for B′ (--out)."
                ) from None
            self.holder = error.holder
            return Path(self.command.run)
        settle(folder)
        return folder

    def begin_anew(self, run: Run, opened: Opened) -> None:
        self.recorder.begin(run.folder)
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self.recorder.emit(Began(run.settings, run.inputs.sha256, backend.versions(), started))
        self.recorder.emit(opened)

    def goes_by(self, settings: Settings) -> bool:
        """Whether these are the settings that the inputs were opened by; what may be overwritten is apart."""
        return normal(msgspec.structs.replace(settings, overwrite=self.settings.overwrite), begun=True) == self.settings

    def go_on(self, run: Run, past: list[AnyEvent], opened: Opened) -> None:
        """Tell again what the journal holds; nothing of it is computed again."""
        began = past[0] if past else None
        if not isinstance(began, Began) or not self.goes_by(began.settings):
            raise Refused(f"{escape(run.folder.name)}: another window went on with this run. Open it again.")
        changed_inputs(began.sha256, run.inputs.sha256, paths(began.settings))
        told = [msgspec.structs.replace(began, settings=run.settings), *past[1:]]
        for event in told:
            if isinstance(event, Opened):
                refuse_other_inputs(run.folder, event, opened)
            run.session.replay(event)
        refuse_other_answers(run)
        for event in told:
            self.recorder.send(opened if isinstance(event, Opened) else event)
        if self.holder is None:
            self.recorder.resume(run.folder, past)
            self.recorder.events = told
        else:
            self.recorder.look_at(past)
        if not any(isinstance(event, Opened) for event in past):  # it ended as soon as it had begun
            self.recorder.emit(opened)
        if run.session.forget_unanswered():
            self.recorder.emit(Moved(run.session.playhead))


def import_keras(device: str | None) -> Future[Any]:
    """Import Keras in a thread: it takes seconds, and the files can be checked and hashed meanwhile."""
    pool = ThreadPoolExecutor(1)
    backend.configure(device)
    backend.compute_side_by_side()
    future = pool.submit(backend.load, device)
    pool.shutdown(wait=False)
    return future


def normal(settings: Settings, begun: bool) -> Settings:
    """Settings with thresholds written as files are named after them, each once, and orders by their one name.

    A run that has `begun` keeps what it began with: in old journals there is a threshold of 0. Raises Refused.
    """
    parse = parse_percentage if begun else parse_threshold
    save_at = parse_thresholds(settings.save_at, parse)
    tune_at = parse_thresholds(settings.tune_at, parse)
    return msgspec.structs.replace(settings, save_at=save_at, tune_at=tune_at, order_by=order_name(settings.order_by))


def describe(run: Run, holder: str | None, unlocked: str = "") -> Opened:
    """What is open, for people. `unlocked`: a note that the run's folders cannot be locked."""
    inputs = run.inputs
    model, sets = inputs.model_info(), {name: inputs.set_info(name) for name in inputs.sets}
    notes = (*model.notes, *(f"{info.name}: {note}" for info in sets.values() for note in info.notes))
    notes += (unlocked,) if unlocked else ()
    return Opened(
        run=str(run.folder),
        model=model,
        layer=escape(inputs.layer, 48),
        feature=escape(inputs.feature, 48),
        channels=inputs.channels,
        classes=inputs.classes,
        layers=layer_infos(inputs.model.spec),
        sets=sets,
        target=inputs.target,
        device=backend.device_name(),
        backend=backend.name(),
        lab=all(info.known is not None for info in (model, *sets.values())),
        held_by=holder,
        notes=notes,
        device_memory=run.device_memory,
    )

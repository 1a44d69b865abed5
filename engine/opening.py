"""From settings to an open run: check the inputs while Keras is imported, take the folders, begin or go on."""

import datetime
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from engine import backend
from engine.api import journal, locks
from engine.api.enginelog import settle
from engine.api.errors import Refused
from engine.api.lab import points
from engine.api.orders import order_name
from engine.api.protocol import AnyEvent, Began, Moved, Open, Opened, Progress, Settings
from engine.api.textsafe import escape
from engine.files.atomic import sweep
from engine.files.warden import warden
from engine.inputs import Hashes, Inputs, changed_inputs, open_inputs, paths
from engine.recorder import Recorder
from engine.run import Run
from engine.saving import Saver, out_folder, refuse_foreign, runs_folder

PACKAGES = ("lab3-tui", "keras", "tensorflow", "numpy", "h5py")


class Opening:
    """One Open command being carried out. `made` is the folder of a new run, once there is one."""

    def __init__(self, command: Open, recorder: Recorder, check: Callable[[], None], held: ExitStack) -> None:
        self.command, self.settings = command, normal(command.settings)
        self.recorder, self.check, self.held = recorder, check, held
        self.begin = time.perf_counter()
        self.holder: str | None = None
        self.made: Path | None = None

    def carry_out(self) -> tuple[Run, Saver]:
        """Returns the run: a new one with its features and a journal begun, or one of before gone on with.

        The files are hashed in a thread all the while; only the journal has to wait for that. Raises Refused.
        """
        warden.start()
        keras = import_keras(self.settings.device)
        hashes = Hashes(paths(self.settings), lambda done, total: self.progress("hash", done, total))
        inputs = open_inputs(self.settings)
        if not self.past():
            refuse_foreign(self.settings, inputs.suffix)
        run = Run(self.settings, self.folder(inputs), inputs, self.recorder.emit, self.check)
        past = self.past()  # all of it, now that nobody else goes on with the run
        saver = Saver(run, self.recorder)
        keras.result()
        self.progress("tensorflow", 1, 1, backend.name())
        self.progress("device", 1, 1, backend.device_name())
        self.recorder.send(msgspec.structs.replace(describe(run, self.holder), notes=()))
        if not past:
            run.prepare()
        inputs.sha256 = hashes.all()
        opened = describe(run, self.holder)
        if past:
            self.go_on(run, past, opened)
        else:
            self.begin_anew(run, opened)
        return run, saver

    def past(self) -> list[AnyEvent]:
        """What the journal of a run to go on with holds."""
        return journal.read(Path(self.command.run)) if self.command.run else []

    def progress(self, phase: str, done: int, total: int, note: str = "") -> None:
        self.recorder.emit(Progress(phase, done, total, time.perf_counter() - self.begin, note))

    def folder(self, inputs: Inputs) -> Path:
        """The run's folder. It and the folder of B' are locked; a run that another process holds is opened to look."""
        out, runs = out_folder(self.settings), runs_folder(self.settings)
        try:
            self.held.enter_context(locks.hold(out))
            if self.command.run is None:
                self.made = journal.new_run(runs, inputs.model.path.stem)
            folder = self.made or Path(self.command.run or "")
            self.held.enter_context(locks.hold(folder))
            sweep(folder)
            sweep(out, "model_")
        except locks.InUse as error:
            if self.command.run is None:
                raise
            self.holder = error.holder
            return Path(self.command.run)
        settle(folder)
        return folder

    def begin_anew(self, run: Run, opened: Opened) -> None:
        self.recorder.begin(run.folder)
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        versions = {name: version(name) for name in PACKAGES}
        self.recorder.emit(Began(run.settings, run.inputs.sha256, versions, started))
        self.recorder.emit(opened)

    def go_on(self, run: Run, past: list[AnyEvent], opened: Opened) -> None:
        """Tell again what the journal holds; nothing of it is computed again."""
        began = past[0]
        if not isinstance(began, Began):
            raise Refused(f"{escape(run.folder.name)}: its journal has no beginning. Start a new run.")
        changed_inputs(began.sha256, run.inputs.sha256, paths(began.settings))
        for event in past:
            self.recorder.send(opened if isinstance(event, Opened) else event)
            run.session.replay(event)
        if self.holder is None:
            self.recorder.resume(run.folder, past)
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


def normal(settings: Settings) -> Settings:
    """Settings with thresholds written as files are named after them, each once, and orders by their one name."""
    save_at = tuple(dict.fromkeys(map(points, settings.save_at)))
    return msgspec.structs.replace(settings, save_at=save_at, order_by=order_name(settings.order_by))


def describe(run: Run, holder: str | None) -> Opened:
    """What is open, for people."""
    inputs = run.inputs
    model, sets = inputs.model_info(), {name: inputs.set_info(name) for name in inputs.sets}
    notes = (*model.notes, *(f"{info.name}: {note}" for info in sets.values() for note in info.notes))
    return Opened(
        run=str(run.folder),
        model=model,
        layer=escape(inputs.layer, 48),
        feature=escape(inputs.feature, 48),
        channels=inputs.channels,
        classes=inputs.classes,
        layers=inputs.layer_infos(),
        sets=sets,
        target=inputs.target,
        device=backend.device_name(),
        backend=backend.name(),
        lab=all(info.known is not None for info in (model, *sets.values())),
        held_by=holder,
        notes=notes,
    )

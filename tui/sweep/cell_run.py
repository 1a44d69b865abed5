"""What a worker does with a cell: a headless run in the cell's own folder, by the same client and the same engine."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.api import lab, locks
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import EngineDied, EngineNotStarted, ExitCode, LabError, Refused
from engine.api.escape import escape
from engine.api.process import ENGINE_COMMAND
from tui.headless.driver import CommandFailed, Driver
from tui.headless.headless_run import THE_END
from tui.model.formatting import rate
from tui.model.run_state import RunState, figures
from tui.model.sweep_state import CellState
from tui.sweep.cells import Work, finished_run, run_to_go_on
from tui.sweep.shared_files import SweepStopped, Token, UnfitWorker, refuse_stopped, refuse_unshared

ATTEMPTS = 3  # at a cell, until it is a row that failed
BETWEEN = 0.5  # seconds between two words about how far a cell has come
PATIENCE = 2.0  # seconds for an engine to leave
HELD = 600.0  # seconds that a worker waits for another one that has the cell, between two looks whether it is done
LOOK = 0.3  # seconds between two looks at a lock
Told = Callable[[int, int, str], None]  # done, total, in words


class Outcome(msgspec.Struct, frozen=True):
    """What came of a cell. `again`: it may be tried again; `unfit`: its worker is none for this sweep."""

    state: CellState
    reason: str = ""
    run: str = ""
    seconds: float = 0.0
    again: bool = False
    unfit: bool = False


class Task(msgspec.Struct, frozen=True, tag="run"):
    """A cell as it travels to a worker. `command` starts the engine there."""

    work: Work
    token: Token
    command: tuple[str, ...] | None = None  # None: this installation's engine at the worker


class Mute:
    """A narrator for work that nobody watches; what counts goes to `told`."""

    width: int | None = None

    def on_event(self, _before: RunState, _state: RunState, _event: p.AnyEvent) -> None:
        pass

    def stderr(self, _text: str) -> None:
        pass

    def stdout(self, _line: str) -> None:
        pass

    def close(self) -> None:
        pass


def run_cell(task: Task, told: Told) -> Outcome:
    """Compute a cell, or go on with it, or find it done. What can be a row of a table is not raised."""
    begin = time.monotonic()
    try:
        refuse_unshared(task.token)
        found = _held(task, told)
    except UnfitWorker as unfit:
        return Outcome("failed", str(unfit), unfit=True)
    except SweepStopped as stopped:
        return Outcome("failed", str(stopped))
    except Refused as refused:
        found = Outcome("failed", str(refused), again=True)
    return msgspec.structs.replace(found, seconds=time.monotonic() - begin)


def _held(task: Task, told: Told) -> Outcome:
    """Compute the cell as its one worker: a lock in its folder dies with whoever holds it."""
    settings = settings_of(task.work)
    folder = lab.runs_folder(settings).parent
    end = time.monotonic() + HELD
    while True:
        try:
            with locks.hold(folder):
                return _computed(task, told)
        except locks.InUse as used:
            if time.monotonic() > end:
                return Outcome("failed", str(used), again=True)
            told(0, 0, "waiting for another worker that has it")
            _wait(task.token)


def _computed(task: Task, told: Told) -> Outcome:
    """The engine of a worker that was killed may live a moment longer: where it holds the folder, wait for it.

    Raises SweepStopped.
    """
    settings, end = settings_of(task.work), time.monotonic() + HELD
    fresh = False
    while True:
        if (done := finished_run(task.work)) is not None:
            return Outcome("done", run=str(done))
        begun = None if fresh else run_to_go_on(task.work)
        try:
            return asyncio.run(_driven(task, begun, told))
        except SweepStopped:
            raise
        except LabError as error:
            if locks.holder(lab.models_folder(settings)) and time.monotonic() < end:
                _wait(task.token)
                continue
            if begun is not None and error.exit_code == ExitCode.USAGE:
                fresh = True  # what was begun there cannot be gone on with
                continue
            return outcome_of(error)


def settings_of(work: Work) -> p.Settings:
    if work.settings is None:
        raise Refused(work.refused or f"{work.cell.name}: there is nothing to compute.")
    return work.settings


def outcome_of(error: LabError) -> Outcome:
    """What a failure makes of a cell: inputs that are refused are refused at every worker."""
    refused = isinstance(error, Refused | CommandFailed) and error.exit_code == ExitCode.USAGE
    return Outcome("refused" if refused else "failed", str(error), again=not refused)


def _wait(token: Token) -> None:
    """Until the next look at a lock. Raises SweepStopped."""
    refuse_stopped(token)
    time.sleep(LOOK)


async def _driven(task: Task, begun: Path | None, told: Told) -> Outcome:
    """The run from its opening to its last file. Raises LabError."""
    run = CellRun(task, begun, told)
    try:
        return await run.outcome()
    except (EngineDied, EngineNotStarted) as died:
        raise type(died)(f"{died}{run.last_words}") from died
    finally:
        await run.client.close(PATIENCE)


class CellRun:
    """One attempt at a cell, from the start of an engine to its end."""

    def __init__(self, task: Task, begun: Path | None, told: Told) -> None:
        self.client = EngineClient(task.command or ENGINE_COMMAND)
        self.driver = Driver(self.client, Mute(), self.heard)
        self.open = p.Open(settings_of(task.work), str(begun) if begun else None)
        self.token, self.told, self.last_told = task.token, told, 0.0

    async def outcome(self) -> Outcome:
        await self.client.start()
        for command in (self.open, p.Goto(THE_END), p.Finish()):
            await self.driver.perform(command)
        finished = self.driver.state.finished
        if finished is None:
            raise LabError("The engine ended without its results.")
        if questions := self.driver.state.questions:
            raise LabError(questions[0].text)
        return Outcome("done", run=finished.run)

    def heard(self, event: p.AnyEvent) -> None:
        if isinstance(event, p.Opened) and event.held_by:
            raise Refused(f"The cell is in use by another window ({event.held_by}).")
        now = time.monotonic()
        if now - self.last_told >= BETWEEN and isinstance(event, p.Stepped | p.Progress | p.Tuned):
            self.last_told = now
            refuse_stopped(self.token)
            self.told(*how_far(self.driver.state, event))

    @property
    def last_words(self) -> str:
        """The last line of a dead engine's log."""
        lines = self.client.ending.log_tail[-1:] if self.client.ending else ()
        return f" Its last words: {escape(lines[0])}" if lines else ""


def how_far(state: RunState, event: p.AnyEvent) -> tuple[int, int, str]:
    """Step, steps, and how the network stands."""
    if isinstance(event, p.Stepped) and (now := figures(state, event.step)) is not None:
        asr = "" if now.asr is None else f"  ASR {rate(now.asr, 1)}"
        return event.step, state.channels, f"valid {rate(now.valid, 1)}{asr}"
    phase = event.phase if isinstance(event, p.Progress) else "tuning"
    return state.step if state.ready else 0, state.channels, phase

"""Cells handed out to workers without a screen: what happens goes into the record, a line a cell goes to stdout."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from engine.api import locks
from engine.api.errors import ExitCode, LabError
from engine.api.escape import SHORT, escape, escape_path, shell_word
from tui.model.formatting import duration
from tui.model.sweep_state import (
    NAME,
    AnySweepEvent,
    Cell,
    CellEnded,
    Planned,
    Score,
    SweepOver,
    SweepState,
    WorkersChanged,
    reduce_sweep,
)
from tui.sweep.cell_run import Outcome
from tui.sweep.dispatch import Dispatcher, Record, now
from tui.sweep.shared_files import Token, shared_token
from tui.sweep.worker_task import AnyTask
from tui.sweep.workers import Where, dask_client, machine, refuse_without_dask
from tui.terminal.outputs import complain, put

BETWEEN_TABLES, BETWEEN_PICTURES = 2.0, 60.0  # seconds
SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
Phases = list[Mapping[int, AnyTask]]  # tasks by number of a cell; those of a phase wait for the phase before


class Handout:
    """The cells of one folder. `write` puts tables on disk, with the picture where it is told so. `noun`: for a cell.

    `ended` hears of each task that a worker has come to an end with, and calls `end` for the cells that it was about.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        cells: Sequence[Cell],
        notes: Sequence[str],
        write: Callable[[bool], None],
        noun: str = "cell",
    ) -> None:
        self.noun = noun
        self.folder, self.title, self.cells, self.notes = folder, title, tuple(cells), tuple(notes)
        self._write, self._writing = write, threading.Lock()
        self.state = SweepState()
        self.record: Record | None = None
        self.changed = asyncio.Event()
        self.stopped: ExitCode | None = None

    def run(
        self,
        where: Where,
        begin: Callable[[], None],
        phases: Callable[[Token], Phases],
        ended: Callable[[int, Outcome], None],
    ) -> ExitCode:
        """From the first look at what is done, by `begin`, to the last table. Raises LabError."""
        refuse_without_dask()
        with ExitStack() as stack:
            stack.enter_context(locks.hold(self.folder))
            self.record = Record(self.folder / NAME)
            stack.callback(self.record.close)
            self.happened(Planned(self.title, self.cells, now(), os.getpid(), machine(), self.notes))
            for note in self.notes:
                complain(note)
            begin()
            why = ""
            try:
                asyncio.run(self.handed_out(where, phases, ended))
            except Exception as error:
                why = str(error)
                raise
            finally:
                self.happened(SweepOver(why or ("Stopped." if self.stopped else ""), now()))
        return self.conclusion()

    def write(self, picture: bool) -> None:
        """Put the tables on disk, in a thread: one that a cancelled task left writing comes to its end before."""
        with self._writing:
            self._write(picture)

    def end(self, number: int, outcome: Outcome, known: bool = False, score: Score | None = None) -> None:
        """A cell has come to its end."""
        self.happened(CellEnded(number, outcome.state, outcome.reason, outcome.run, outcome.seconds, known, score))
        self.changed.set()

    async def handed_out(
        self, where: Where, phases: Callable[[Token], Phases], ended: Callable[[int, Outcome], None]
    ) -> None:
        """Hand out what is left; tables are written meanwhile, and at the end. Raises LabError."""
        working = asyncio.create_task(self.worked(where, phases, ended))
        self.listen(working)
        writing = asyncio.create_task(self.keep_writing())
        try:
            await working
        except asyncio.CancelledError:
            if self.stopped is None:
                raise
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await asyncio.to_thread(self.write, True)

    async def worked(
        self, where: Where, phases: Callable[[Token], Phases], ended: Callable[[int, Outcome], None]
    ) -> None:
        with shared_token(self.folder) as token:
            left = [tasks for tasks in phases(token) if tasks]
            if not left:
                return
            if words := waiting_line(where, self.folder):
                complain(words)
            async with dask_client(where, self.folder) as client:
                await Dispatcher(client, token, self.happened, ended).run(left)

    def listen(self, work: "asyncio.Task[None]") -> None:
        """Ctrl-C, TERM and HUP end the work in order; what nohup ignores stays ignored."""
        for number, code in SIGNALS.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, partial(self.stop, work, code))

    def stop(self, work: "asyncio.Task[None]", code: ExitCode) -> None:
        if self.stopped is None:
            complain("Stopping. What is done stays done, and what is under way goes on where it was.")
        self.stopped = self.stopped or code
        work.cancel()

    def happened(self, event: AnySweepEvent) -> None:
        self.state = reduce_sweep(self.state, event)
        if self.record is not None:
            self.record.add(event)
        if isinstance(event, CellEnded):
            put(sys.stdout, cell_line(self.state, event, self.noun))
        elif isinstance(event, WorkersChanged):
            complain(workers_line(event))

    async def keep_writing(self) -> None:
        """The tables as cells come to their end, not more often than anybody reads them."""
        drawn = now()
        while True:
            await self.changed.wait()
            self.changed.clear()
            draw = now() - drawn >= BETWEEN_PICTURES
            drawn = now() if draw else drawn
            try:
                await asyncio.to_thread(self.write, draw)
            except LabError as error:
                complain(str(error))
            await asyncio.sleep(BETWEEN_TABLES)

    def conclusion(self) -> ExitCode:
        """Say what it came to, on stderr. Returns the exit code."""
        state = self.state
        passed = (state.over.at if state.over else now()) - state.started
        counts = {name: state.count(name) for name in ("done", "refused", "failed")}
        left = len(state.cells) - sum(counts.values())
        parts = [f"{count} {name}" for name, count in counts.items() if count] + ([f"{left} not begun"] if left else [])
        all_of_them = f"{len(state.cells)} {self.noun}{'' if len(state.cells) == 1 else 's'}"
        complain(f"{all_of_them}: {', '.join(parts)}; {state.computed} computed in {duration(passed)}")
        if self.stopped or counts["failed"]:
            return self.stopped or ExitCode.ENGINE_ERROR
        return ExitCode.USAGE if counts["refused"] else ExitCode.DONE


def how_to_go_on(folder: Path, where: Sequence[str]) -> str:
    """The command that takes a sweep up again, with the options that say where its workers come from."""
    return f"Go on with: lab3-tui sweep --resume --to {' '.join(map(shell_word, (str(folder), *where)))}"


def waiting_line(where: Where, folder: Path) -> str:
    """What is waited for, where workers may take long to come; empty where they are started here."""
    if where.queue is not None:
        return f"Waiting for jobs; what they say is in {escape_path(str(folder / where.queue))}"
    return f"Waiting for workers of {escape(where.scheduler, SHORT)}" if where.scheduler is not None else ""


def cell_line(state: SweepState, event: CellEnded, noun: str) -> str:
    """A cell that came to its end, called `noun`."""
    cell, total = state.cells[event.cell], len(state.cells)
    how = "done before" if event.known and event.state == "done" else event.state
    line = f"{noun} {cell.number + 1:>{len(str(total))}}/{total}  {how:<11}  {cell.name}"
    if event.score is not None:
        line += f"  score {event.score.value:.3f} at step {event.score.step}"
    if event.seconds:
        line += f"  {event.seconds:.1f} s"
    return f"{line}  {event.reason}" if event.reason else line


def workers_line(event: WorkersChanged) -> str:
    """Which workers there are."""
    hosts = sorted(set(event.workers.values()))
    count = len(event.workers)
    named = f" on {', '.join(hosts[:4])}{', …' if len(hosts) > 4 else ''}" if hosts else ""
    return f"{count} {'worker' if count == 1 else 'workers'}{named}"

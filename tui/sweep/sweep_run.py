"""A sweep without a screen: plan, hand out, write tables, say a line a cell. The screen watches the same record."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from engine.api import locks
from engine.api.errors import ExitCode, NotWritten
from engine.api.escape import shell_word
from tui.model.formatting import duration
from tui.model.sweep_state import (
    NAME,
    AnySweepEvent,
    Cell,
    CellEnded,
    Planned,
    SweepOver,
    SweepState,
    WorkersChanged,
    reduce_sweep,
)
from tui.sweep.cell_run import Outcome, Task
from tui.sweep.cells import Work, finished_run
from tui.sweep.cluster import Where, machine, refuse_without_dask, workers
from tui.sweep.dispatch import Dispatcher, Record, now
from tui.sweep.shared_files import shared_token
from tui.sweep.tables import Ended, SweepTables
from tui.terminal.outputs import complain, put

BETWEEN_TABLES, BETWEEN_PICTURES = 2.0, 60.0  # seconds
SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
Command = tuple[str, ...]


class Sweep:
    """A planned sweep, from the first look at what is done to the last table."""

    def __init__(self, title: str, folder: Path, works: list[Work], notes: list[str], engine: Command | None) -> None:
        self.folder, self.works, self.notes, self.engine = folder, works, notes, engine
        self.tables = SweepTables(folder, title, works)
        self.state = SweepState()
        self.record: Record | None = None
        self.changed = asyncio.Event()
        self.stopped: ExitCode | None = None
        # cells of one folder are one computation
        self.sharing: dict[int, list[Cell]] = {}

    def run(self, where: Where) -> int:
        """The whole sweep. Returns the exit code; raises LabError."""
        refuse_without_dask()
        with ExitStack() as stack:
            stack.enter_context(locks.hold(self.folder))
            self.record = Record(self.folder / NAME)
            stack.callback(self.record.close)
            self.begin()
            why = ""
            try:
                asyncio.run(self.sweep(where))
                code = self.stopped or ExitCode.DONE
            except Exception as error:
                why = str(error)
                raise
            finally:
                self.happened(SweepOver(why or ("Stopped." if self.stopped else ""), now()))
        return conclusion(self, code)

    def begin(self) -> None:
        """Tell the plan, and what of it is done or refused already."""
        cells = tuple(work.cell for work in self.works)
        self.happened(Planned(self.tables.title, cells, now(), os.getpid(), machine(), tuple(self.notes)))
        for note in self.notes:
            complain(note)
        for work in self.works:
            if work.refused:
                self.end(work.cell, Outcome("refused", work.refused), known=True)
            elif (run := finished_run(work)) is not None:
                self.end(work.cell, Outcome("done", run=str(run)), known=True)

    def tasks(self, make: Callable[[Work], Task]) -> dict[int, Task]:
        """What is left to compute, by number of the first cell of each folder."""
        first: dict[str, int] = {}
        found: dict[int, Task] = {}
        for work in self.works:
            if work.cell.number in self.tables.ended:
                continue
            number = first.setdefault(work.cell.folder, work.cell.number)
            self.sharing.setdefault(number, []).append(work.cell)
            found.setdefault(number, make(work))
        return found

    async def sweep(self, where: Where) -> None:
        """Hand out what is left; tables are written meanwhile, and at the end. Raises LabError."""
        working = asyncio.create_task(self.handed_out(where))
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
            await asyncio.to_thread(self.tables.write)

    async def handed_out(self, where: Where) -> None:
        with shared_token(self.folder) as token:
            tasks = self.tasks(lambda work: Task(work, token, self.engine))
            if not tasks:
                return
            async with workers(where, self.folder) as client:
                await Dispatcher(client, token, self.happened, self.ended).run(tasks)

    def listen(self, work: asyncio.Task[None]) -> None:
        """Ctrl-C, TERM and HUP end the sweep in order; what nohup ignores stays ignored."""
        for number, code in SIGNALS.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, partial(self.stop, work, code))

    def stop(self, work: asyncio.Task[None], code: ExitCode) -> None:
        if self.stopped is None:
            complain("Stopping. What is done stays done, and cells under way go on where they were.")
        self.stopped = self.stopped or code
        work.cancel()

    def ended(self, number: int, outcome: Outcome) -> None:
        for cell in self.sharing[number]:
            self.end(cell, outcome)

    def end(self, cell: Cell, outcome: Outcome, known: bool = False) -> None:
        """A cell has come to its end."""
        run = Path(outcome.run) if outcome.run else None
        self.tables.ended[cell.number] = Ended(outcome.state, outcome.reason, run)
        tables = self.tables.tables(cell)
        score = tables.score if tables else None
        self.happened(CellEnded(cell.number, outcome.state, outcome.reason, outcome.run, outcome.seconds, known, score))
        self.changed.set()

    def happened(self, event: AnySweepEvent) -> None:
        self.state = reduce_sweep(self.state, event)
        if self.record is not None:
            self.record.add(event)
        if isinstance(event, CellEnded):
            put(sys.stdout, cell_line(self.state, event))
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
                await asyncio.to_thread(self.tables.write, draw)
            except NotWritten as error:
                complain(str(error))
            await asyncio.sleep(BETWEEN_TABLES)


def cell_line(state: SweepState, event: CellEnded) -> str:
    """A cell that came to its end."""
    cell, total = state.cells[event.cell], len(state.cells)
    how = "done before" if event.known and event.state == "done" else event.state
    line = f"cell {cell.number + 1:>{len(str(total))}}/{total}  {how:<11}  {cell.name}"
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


def conclusion(sweep: Sweep, code: ExitCode) -> ExitCode:
    """What the sweep came to, said on stderr. Returns the exit code."""
    state = sweep.state
    passed = (state.over.at if state.over else now()) - state.started
    parts = [f"{state.count(name)} {name}" for name in ("done", "refused", "failed") if state.count(name)]
    left = len(state.cells) - sum(state.count(name) for name in ("done", "refused", "failed"))
    parts += [f"{left} not begun"] if left else []
    complain(f"{len(state.cells)} cells: {', '.join(parts)}; {state.computed} computed in {duration(passed)}")
    complain(f"Results: {sweep.tables.folder / 'sweep.csv'}")
    if left:
        complain(f"Go on with: lab3-tui sweep --resume --to {shell_word(str(sweep.folder))}")
    if code or state.count("failed"):
        return code or ExitCode.ENGINE_ERROR
    return ExitCode.USAGE if state.count("refused") else ExitCode.DONE

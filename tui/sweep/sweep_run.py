"""A sweep: what of its cells is done, what is handed out, and the tables that come of it."""

from pathlib import Path

from engine.api.errors import ExitCode, Refused
from tui.model.sweep_state import Cell
from tui.sweep.cell_run import Outcome, Task
from tui.sweep.cells import Work, finished_run
from tui.sweep.handout import Handout, Phases, how_to_go_on
from tui.sweep.shared_files import Token
from tui.sweep.tables import CSV, Ended, SweepTables
from tui.sweep.workers import Where
from tui.terminal.outputs import complain


class Sweep:
    """A planned sweep in its folder. `engine`: the command that starts one at a worker, if not its own."""

    def __init__(
        self, title: str, folder: Path, works: list[Work], notes: list[str], engine: tuple[str, ...] | None = None
    ) -> None:
        self.folder, self.works, self.engine = folder, works, engine
        self.tables = SweepTables(folder, title, works)
        self.handout = Handout(folder, title, [work.cell for work in works], notes, self.tables.write)
        self.sharing: dict[int, list[Cell]] = {}  # cells of one folder are one computation

    def run(self, where: Where) -> ExitCode:
        """The whole sweep. Returns the exit code; raises LabError."""
        try:
            return self.handout.run(where, self.begin, self.phases, self.ended)
        finally:
            complain(f"Results: {self.folder / CSV}")
            if len(self.tables.ended) < len(self.works):
                complain(how_to_go_on(self.folder, where.options()))

    def begin(self) -> None:
        """Tell what is refused, or was done before."""
        for work in self.works:
            if work.refused:
                self.end(work.cell, Outcome("refused", work.refused), known=True)
            elif (run := finished_run(work)) is not None:
                self.end(work.cell, Outcome("done", run=str(run)), known=True)

    def phases(self, token: Token) -> Phases:
        """What is left to compute, by number of the first cell of each folder."""
        first: dict[str, int] = {}
        tasks: dict[int, Task] = {}
        for work in self.works:
            if work.cell.number not in self.tables.ended:
                number = first.setdefault(work.cell.folder, work.cell.number)
                self.sharing.setdefault(number, []).append(work.cell)
                tasks.setdefault(number, Task(work, token, self.engine))
        return [tasks]

    def ended(self, number: int, outcome: Outcome) -> None:
        for cell in self.sharing[number]:
            self.end(cell, outcome)

    def end(self, cell: Cell, outcome: Outcome, known: bool = False) -> None:
        """A cell has come to its end; one whose run has no tables that can be read has failed."""
        score = None
        try:
            if outcome.run:
                score = self.tables.tables_of(Path(outcome.run)).score
        except Refused as refused:
            outcome = Outcome("failed", str(refused), seconds=outcome.seconds)
        run = Path(outcome.run) if outcome.run else None
        self.tables.ended[cell.number] = Ended(outcome.state, outcome.reason, run)
        self.handout.end(cell.number, outcome, known, score)

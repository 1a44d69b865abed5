"""Grading: the submissions of a class handed out to workers, the BadNet first, since all others need its answers."""

import os
import sys
from pathlib import Path

from engine.api.atomic_file import sha256_file
from engine.api.errors import ExitCode, Refused
from engine.api.escape import SHORT, escape
from tui.headless.tables import aligned
from tui.model.sweep_state import Cell
from tui.sweep.cell_run import Outcome
from tui.sweep.grade_run import ANSWERS, GRADED, GradeTask, known, outcome_of
from tui.sweep.grades import BADNET, CSV, Grade, grades, text_table, write_grades
from tui.sweep.handout import Handout, Phases
from tui.sweep.shared_files import Token
from tui.sweep.submissions import Inputs, Submitted, identity, submissions
from tui.sweep.workers import Where
from tui.terminal.outputs import complain, put


def inputs_of(badnet: Path, valid: Path, test: Path, poisoned: Path, scale: str) -> Inputs:
    """What submissions are judged by. Raises Refused for what cannot be read."""
    paths = {"badnet": badnet, "valid": valid, "test": test, "poisoned": poisoned}
    hashed = {}
    for name, path in paths.items():
        try:
            hashed[name] = sha256_file(path)
        except OSError as error:
            reason = (error.strerror or "cannot be read").lower()
            raise Refused(f"{escape(path.name, SHORT)}: {reason}. Expected the file of --{name}.") from error
    resolved = {name: os.path.realpath(path) for name, path in paths.items()}
    return Inputs(**resolved, sha256=hashed, scale=scale)


class Grading:
    """All submissions in one folder, and where their grades go."""

    def __init__(
        self,
        handed_in: Path,
        folder: Path,
        inputs: Inputs,
        batch_size: int = 2048,
        device: str | None = None,
        engine: tuple[str, ...] | None = None,
    ) -> None:
        self.folder, self.inputs = folder, inputs
        self.how = (batch_size, device, engine)
        sha256 = inputs.sha256["badnet"]
        name = escape(Path(inputs.badnet).name, SHORT)
        badnet = Submitted(BADNET, name, inputs.badnet, None, sha256, identity(name, sha256, inputs))
        self.groups = [[badnet], *submissions(handed_in, inputs)]
        cells = [Cell(number, group[0].submission, "", "") for number, group in enumerate(self.groups)]
        title = f"Grades of {escape(handed_in.name, SHORT)}"
        self.handout = Handout(folder, title, cells, (), lambda _: write_grades(folder, self.rows()), "submission")

    def run(self, where: Where) -> ExitCode:
        """Judge what is not known yet; the table goes to stdout. Returns the exit code; raises LabError."""
        try:
            (self.folder / GRADED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(
                f"{escape(str(self.folder))}: cannot be written ({error.strerror}). Name another folder with --to."
            ) from error
        code = self.handout.run(where, self.begin, self.phases, self.ended)
        table, strikes = text_table(self.rows())
        for line, what in zip(["", *aligned(table, left=3)], ["", *strikes], strict=True):
            put(sys.stdout, f"{line}  {what}".rstrip())
        complain(f"Results: {self.folder / CSV}")
        return code

    def rows(self) -> list[Grade]:
        """Every network, as far as it is known."""
        return grades(self.folder, [file for group in self.groups for file in group])

    def begin(self) -> None:
        """Tell what is known already."""
        if not os.path.isfile(self.folder / ANSWERS):
            (self.folder / GRADED / f"{self.groups[0][0].identity}.json").unlink(missing_ok=True)
        for number in self.known():
            self.handout.end(number, self.outcome(number), known=True)

    def known(self) -> list[int]:
        return [
            number
            for number, group in enumerate(self.groups)
            if all(known(self.folder, file) is not None for file in group)
        ]

    def phases(self, token: Token) -> Phases:
        """The BadNet, then what is left of the submissions."""
        done = set(self.known())
        tasks = {number: self.task(number, token) for number in range(len(self.groups)) if number not in done}
        first = {number: task for number, task in tasks.items() if number == 0}
        return [first, {number: task for number, task in tasks.items() if number}]

    def task(self, number: int, token: Token) -> GradeTask:
        files = tuple(self.groups[number])
        return GradeTask(files[0].submission, files, self.inputs, str(self.folder), token, *self.how)

    def outcome(self, number: int) -> Outcome:
        return outcome_of(self.task(number, Token("", "", {})))

    def ended(self, number: int, outcome: Outcome) -> None:
        """Raises Refused where the BadNet or the images cannot be opened: then there is nothing to judge by."""
        self.handout.end(number, outcome)
        if number == 0 and outcome.state != "done":
            raise Refused(outcome.reason)

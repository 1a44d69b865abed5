"""The files sweep.csv, sweep.md and sweep.png: every cell as planned, whatever the order in which cells were done."""

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from engine.api.atomic_file import write_atomically
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape, escape_path
from engine.api.orders import ORACLE, method_of
from engine.api.protocol import threshold_label
from engine.api.safe_open import open_regular
from engine.api.sweep_picture import SweepPanel, SweepPath, SweepPicture, paint
from tui.model.formatting import EMPTY
from tui.model.sweep_state import Cell, CellState, Score
from tui.sweep.cells import Work

HEAD = ("model", "layer", "order", "seed", "state")
TAIL = ("reason", "cell")
OWN = {"seed": "tuned_seed"}  # columns of results.csv that a sweep has another column of that name beside
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the start of a formula
MOST_BYTES = 2**26  # of a table of a run
CSV, MARKDOWN, PICTURE = "sweep.csv", "sweep.md", "sweep.png"


Row = dict[str, str]  # of a table, by column
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class RunTables:
    """What a run left, as far as a sweep shows it: a sweep of thousands has all of them in memory.

    `results`: the rows of results.csv. `attack`: of each step the drop in points and the ASR in percent; without
    poisoned images `accuracy`: percent of channels pruned, and accuracy in percent.
    """

    results: list[Row]
    columns: list[str]
    score: Score | None
    attack: Points
    accuracy: Points


def score_of(curve: list[Row]) -> Score | None:
    """The first step where clean validation accuracy minus ASR is largest; None without poisoned images."""
    found: Score | None = None
    for row in curve:
        if not row["attack_success_rate"]:
            return None
        asr = float(row["attack_success_rate"])
        value = (float(row["valid_accuracy"]) - asr) / 100
        if found is None or value > found.value:
            found = Score(value, int(row["step"]), float(row["drop"]), asr)
    return found


def read_run(run: Path) -> RunTables:
    """The tables in a run's folder. Raises Refused where they are not what a run writes."""
    try:
        head, *results = csv.reader(_text(run / "results.csv"))
        columns = [OWN.get(name, name) for name in head]
        rows = [dict(zip(columns, row, strict=True)) for row in results]
        curve = list(csv.DictReader(_text(run / "curve.csv")))
        if not curve:
            raise ValueError("curve.csv has no steps")
        score = score_of(curve)
        attack = tuple((float(row["drop"]), float(row["attack_success_rate"])) for row in curve) if score else ()
        accuracy = tuple((100 * float(row["fraction_pruned"]), float(row["valid_accuracy"])) for row in curve)
        for row in rows:
            _rates(row)  # raises ValueError where a number is none
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise Refused(
            f"{escape_path(str(run))}: its tables cannot be read ({escape(str(error), SHORT)}). Take results.csv and "
            "curve.csv away and go on: they are written anew."
        ) from error
    return RunTables(rows, columns, score, attack, accuracy)


def _text(path: Path) -> io.StringIO:
    """A table of a run, which may have come with somebody else's lab: no link is followed."""
    with os.fdopen(open_regular(path), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > MOST_BYTES:
            raise ValueError(f"{path.name} has {size:,} bytes")
        return io.StringIO(file.read().decode("utf-8"), newline="")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cell ended, or stands."""

    state: CellState
    reason: str = ""
    run: Path | None = None


@dataclass(slots=True)
class SweepTables:
    """Writes the tables of a sweep into its folder. `ended`: by number of the cell."""

    folder: Path
    title: str
    works: list[Work]
    ended: dict[int, Ended] = field(default_factory=dict)
    read: dict[Path, RunTables] = field(default_factory=dict)

    def tables(self, cell: Cell) -> RunTables | None:
        """What the run of a cell left; None where it is not done."""
        run = self.of(cell).run
        return None if run is None else self.tables_of(run)

    def tables_of(self, run: Path) -> RunTables:
        """What a run left, read once. Raises Refused."""
        if run not in self.read:
            self.read[run] = read_run(run)
        return self.read[run]

    def of(self, cell: Cell) -> Ended:
        return self.ended.get(cell.number, Ended("waiting"))

    def write(self, picture: bool) -> None:
        """Put the tables on disk. Raises NotWritten, and LabError where the picture cannot be drawn."""
        cells = [work.cell for work in self.works]
        write_atomically(self.folder / CSV, self.csv_bytes(cells))
        write_atomically(self.folder / MARKDOWN, self.markdown(cells).encode())
        if picture:
            write_atomically(self.folder / PICTURE, paint(self.picture(cells)))

    def csv_bytes(self, cells: list[Cell]) -> bytes:
        """A row a cell and saved step; a row for a cell that is not done."""
        columns = list(dict.fromkeys(name for cell in cells for name in self.columns(cell)))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*HEAD, *columns, *TAIL])
        for cell in cells:
            ended = self.of(cell)
            own = [*map(csv_cell, (cell.model, cell.layer, cell.order, cell.seed)), ended.state]
            last = [csv_cell(ended.reason), csv_cell(cell.folder)]
            tables = self.tables(cell)
            for row in tables.results if tables else [{}]:
                writer.writerow([*own, *(row.get(name, "") for name in columns), *last])
        return text.getvalue().encode()

    def columns(self, cell: Cell) -> list[str]:
        tables = self.tables(cell)
        return tables.columns if tables else []

    def markdown(self, cells: list[Cell]) -> str:
        """The sweep for people: a row a cell, then what was refused or failed."""
        done = [cell for cell in cells if self.of(cell).state == "done"]
        thresholds = list(dict.fromkeys(name for cell in done for name, _ in self.saved(cell)))
        header = ["network", "layer", "order", "seed", "looks at", "state", "score", "step", "drop pt", "ASR %"]
        header += [f"B′ {threshold_label(name)}: test %, ASR %" for name in thresholds]
        lines = [f"# {plain(self.title)}", "", f"{len(done)} of {len(cells)} cells are done.", ""]
        lines += [f"![What ASR costs in clean accuracy, a panel a network]({PICTURE})", ""] if done else []
        lines += table(header, (self.row(cell, thresholds) for cell in cells))
        lines += ["", SCORE]
        wrong = [(cell, self.of(cell)) for cell in cells if self.of(cell).reason]
        if wrong:
            lines += ["", "## Refused or failed", ""]
            lines += [f"* {plain(cell.name)}: {ended.state}: {plain(ended.reason)}" for cell, ended in wrong]
        return "\n".join(lines) + "\n"

    def row(self, cell: Cell, thresholds: list[str]) -> list[str]:
        method = method_of(cell.order)
        seed = "" if cell.seed is None else str(cell.seed)
        own = [plain(cell.model), plain(cell.layer), cell.order, seed, method.badge, self.of(cell).state]
        tables = self.tables(cell)
        score = tables.score if tables else None
        figures = [EMPTY] * 4
        if score is not None:
            figures = [f"{score.value:.3f}", str(score.step), f"{-score.drop or 0.0:.2f}", f"{score.asr:.2f}"]
        saved = dict(self.saved(cell))
        return [*own, *figures, *(saved.get(name, EMPTY) for name in thresholds)]

    def saved(self, cell: Cell) -> Iterable[tuple[str, str]]:
        """By threshold the rates of the B′ that was saved there."""
        tables = self.tables(cell)
        for row in tables.results if tables else ():
            if row["network"] == "B′" and row["threshold"]:
                yield row["threshold"], _rates(row)

    def picture(self, cells: list[Cell]) -> SweepPicture:
        """A panel for each network that has a run."""
        by_model: dict[str, list[Cell]] = {}
        for cell in cells:
            if self.of(cell).run is not None:
                by_model.setdefault(cell.model, []).append(cell)
        return SweepPicture(tuple(self.panel(model, of_model) for model, of_model in by_model.items()))

    def panel(self, model: str, cells: list[Cell]) -> SweepPanel:
        several = len({cell.layer for cell in cells}) > 1
        attack = all(tables.score is not None for cell in cells if (tables := self.tables(cell)))
        paths = []
        for cell in cells:
            name = f"{cell.layer} {cell.order}" if several else cell.order
            name += f" seed {cell.seed}" if cell.seed is not None and not cell.order.startswith("random:") else ""
            method, tables = method_of(cell.order), self.tables(cell)
            band = f"{cell.layer} random" if method.name == "random" else ""
            if tables:
                paths.append(SweepPath(name, method.oracle, tables.attack if attack else tables.accuracy, band))
        layer = "" if several else f", {cells[0].layer}"
        return SweepPanel(f"{model}{layer}", attack, tuple(paths))


CLEAN, ATTACK = "clean_test_accuracy", "poisoned_test_attack_success_rate"
SCORE = (
    "Score: clean validation accuracy − ASR, at the step of the run where it is largest; step, drop and ASR are of "
    f"that step. It comes from poisoned images, and so does every ASR: they show what works, they choose nothing. "
    f"{ORACLE}."
)


def _rates(row: Row) -> str:
    """Clean test accuracy and ASR of a row of results.csv, in percent."""
    return ", ".join(map(_rounded, (row.get(CLEAN, ""), row.get(ATTACK, ""))))


def _rounded(text: str) -> str:
    return f"{float(text):.2f}" if text else EMPTY


def csv_cell(value: object) -> str:
    """A cell of CSV that no spreadsheet runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    """A Markdown table; its cells are Markdown already."""
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]


def plain(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return "".join(f"\\{character}" if character in "\\|`*_[]<>#~&" else character for character in text)

"""The files grades.csv and grades.md: what each network of each submission came to, and what is wrong with it."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.api import protocol as p
from engine.api.atomic_file import write_atomically
from engine.api.statistics import defence_effectiveness, mcnemar, wilson
from tui.model.formatting import EMPTY
from tui.sweep.grade_run import known
from tui.sweep.submissions import Submitted
from tui.sweep.tables import csv_cell, plain, table

CSV, MARKDOWN = "grades.csv", "grades.md"
BADNET = "(BadNet)"  # stands in the place of a submission
# by column of Counts: its name in the table, and the set that it is a share of
RATES: dict[str, tuple[str, p.SetName]] = {
    "valid": ("clean_valid_accuracy", "valid"),
    "test": ("clean_test_accuracy", "test"),
    "poisoned": ("poisoned_test_attack_success_rate", "poisoned"),
    "g_test": ("g_clean_test_accuracy", "test"),
    "g_poisoned": ("g_poisoned_test_attack_success_rate", "poisoned"),
    "detected": ("g_poisoned_test_detection_rate", "poisoned"),
    "false_alarms": ("g_clean_test_false_alarm_rate", "test"),
}
SHOWN = ("test", "poisoned", "g_test", "g_poisoned", "detected", "false_alarms")  # for people
TITLES = ("clean test %", "ASR %", "G clean test %", "G ASR %", "G detects %", "G false alarms %")
NOTE = (
    "Rates with their 95 % Wilson intervals. Drop: points of clean validation accuracy below the BadNet's. ASR, and "
    "what G detects, come from poisoned images."
)


@dataclass(frozen=True, slots=True)
class Grade:
    """A row: a network that was handed in, and what is known of it; `found` is None until it is judged."""

    file: Submitted
    found: p.Graded | None
    twin: str = ""  # another submission with the very same file

    @property
    def state(self) -> str:
        if self.found is None:
            return "waiting"
        return "refused" if self.found.refusal else "graded"

    @property
    def drop(self) -> float | None:
        """Points of clean validation accuracy that the network has less than the BadNet."""
        found = self.found
        if found is None or found.counts is None or found.base is None:
            return None
        return p.drop(found.base.valid, found.counts.valid, found.images["valid"])

    def rate(self, column: str) -> tuple[float, float, float] | None:
        """Percent, and the ends of its 95 % interval."""
        found = self.found
        if found is None or found.counts is None:
            return None
        count, images = getattr(found.counts, column), found.images[RATES[column][1]]
        return (p.percent(count, images), *wilson(count, images))

    @property
    def remarks(self) -> list[str]:
        """What strikes about the network, its name and its twin included."""
        found = self.found
        if found is None or self.file.submission == BADNET:
            return []
        remarks = list(found.remarks)
        if self.file.threshold is not None and found.counts and found.base:
            images = found.images["valid"]
            if not p.reached(self.file.threshold, found.base.valid, found.counts.valid, images):
                label = p.threshold_label(self.file.threshold)
                remarks.append(f"its name says {label}, clean validation accuracy is down by {self.drop:.2f}")
        return remarks + ([f"the very file of {self.twin}"] if self.twin else [])


def grades(folder: Path, files: Iterable[Submitted]) -> list[Grade]:
    """What is known of each network; the first of those that are the very same file has no twin."""
    first: dict[str, Submitted] = {}
    rows = []
    for file in files:
        twin = first.setdefault(file.sha256, file) if file.sha256 else file
        of_another = twin.submission != file.submission
        rows.append(Grade(file, known(folder, file), f"{twin.submission}/{twin.file}" if of_another else ""))
    return rows


def write_grades(folder: Path, rows: list[Grade]) -> None:
    """Put the tables on disk. Raises NotWritten."""
    write_atomically(folder / CSV, csv_bytes(rows))
    write_atomically(folder / MARKDOWN, markdown(rows).encode())


def csv_bytes(rows: list[Grade]) -> bytes:
    """A row a network, in the order of the submissions' names. Rates are in percent."""
    rates = [name + end for name, _ in RATES.values() for end in ("", "_low", "_high")]
    head = ["submission", "file", "threshold", "state", "clean_valid_drop", *rates, "g_defence_effectiveness"]
    head += ["mcnemar_p", "pruned", "remarks", "refusal", "sha256"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        values = [value for column in RATES for value in row.rate(column) or (None, None, None)]
        found = row.found
        own = [
            row.file.submission,
            row.file.file,
            row.file.threshold,
            row.state,
            row.drop,
            *values,
            effectiveness(found),
        ]
        own += [odds(found), pruned(found), "; ".join(row.remarks), found.refusal if found else "", row.file.sha256]
        writer.writerow([csv_cell(value) for value in own])
    return text.getvalue().encode()


def effectiveness(found: p.Graded | None) -> float | None:
    """DER of G: (fall of ASR − fall of clean test accuracy + 1) / 2."""
    if found is None or found.counts is None or found.base is None:
        return None
    base, counts = found.base, found.counts
    before, after = (base.test or 0, base.poisoned or 0), (counts.g_test or 0, counts.g_poisoned or 0)
    return defence_effectiveness(before, after, found.images)


def odds(found: p.Graded | None) -> float | None:
    """p of McNemar's test, of the network against the BadNet on the clean test images."""
    return mcnemar(*found.only_one_right) if found and found.only_one_right else None


def pruned(found: p.Graded | None) -> str:
    """How many channels of which layer are at zero."""
    return ", ".join(f"{layer} {count}" for layer, count in found.pruned.items()) if found else ""


def markdown(rows: list[Grade]) -> str:
    """The grades for people, then what is wrong with which file."""
    header = ["submission", "network", "at", "pruned", "drop pt", *TITLES]
    lines = ["# Grades", "", *table(header, map(cells, rows)), "", NOTE]
    if wrong := [row for row in rows if row.remarks or row.state == "refused"]:
        lines += ["", "## What strikes", ""]
        for row in wrong:
            what = (row.found.refusal if row.found else None) or "; ".join(row.remarks)
            lines.append(f"* {plain(place(row))}: {plain(what)}")
    return "\n".join(lines) + "\n"


def cells(row: Grade) -> list[str]:
    """A row for people, as Markdown."""
    at = p.threshold_label(row.file.threshold) if row.file.threshold else ""
    drop = EMPTY if row.drop is None else p.format_drop(row.drop)
    rates = [shown(row.rate(column)) for column in SHOWN]
    file = plain(row.file.file) if row.state != "refused" else f"{plain(row.file.file)} refused".strip()
    return [plain(row.file.submission), file, at, plain(pruned(row.found)), drop, *rates]


def shown(rate: tuple[float, float, float] | None) -> str:
    return EMPTY if rate is None else f"{rate[0]:.2f} ({rate[1]:.1f} to {rate[2]:.1f})"


def place(row: Grade) -> str:
    return f"{row.file.submission}/{row.file.file}".rstrip("/")


def text_table(rows: list[Grade]) -> tuple[list[list[str]], list[str]]:
    """The grades for a terminal, a header and a line a network; and what strikes, which goes behind each line."""
    lines = [["submission", "network", "at", "drop", "clean", "ASR", "G clean", "G ASR", "detects", "alarms"]]
    strikes = [""]
    for row in rows:
        at = p.threshold_label(row.file.threshold) if row.file.threshold else ""
        rates = [EMPTY if (rate := row.rate(column)) is None else f"{rate[0]:.1f}" for column in SHOWN]
        drop = EMPTY if row.drop is None else p.format_drop(row.drop)
        lines.append([row.file.submission, row.file.file, at, drop, *rates])
        strikes.append((row.found.refusal if row.found else None) or "; ".join(row.remarks))
    return lines, strikes

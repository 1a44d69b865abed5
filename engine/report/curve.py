"""The file curve.csv: a row a step of the current order, B itself first."""

from engine.api import protocol as p
from engine.report.csv_table import csv_text
from engine.report.figures import rate
from engine.report.run_record import RunRecord

COLUMNS = (
    "step",
    "channel",
    "fraction_pruned",
    "mean_activation",
    "valid_accuracy",
    "drop",
    "test_accuracy",
    "attack_success_rate",
    "g_test_accuracy",
    "g_attack_success_rate",
    "detection_rate",
    "false_alarm_rate",
)
RATES = ("test", "poisoned", "g_test", "g_poisoned", "detected", "false_alarms")  # columns of Counts, in that order


def curve_csv(record: RunRecord) -> bytes:
    """Every figure in full precision; cells of sets that are not there stay empty.

    Where the order looked at poisoned images, a last column names it.
    """
    columns = (*COLUMNS, "oracle") if record.oracle else COLUMNS
    return csv_text(columns, (curve_row(record, step, counts) for step, counts in record.steps.items()))


def curve_row(record: RunRecord, step: int, counts: p.Counts) -> list[object]:
    return [*figures_row(record, step, counts), *([record.oracle] if record.oracle else [])]


def figures_row(record: RunRecord, step: int, counts: p.Counts) -> list[object]:
    """A step of the record's order in the columns of COLUMNS."""
    channel = record.order[step - 1] if step else None
    mean = None if channel is None else record.ranked.means[channel]
    shown = [rate(record, counts, column) for column in RATES]
    valid = rate(record, counts, "valid")
    return [step, channel, record.fraction(step), mean, valid, record.drop(counts), *shown]

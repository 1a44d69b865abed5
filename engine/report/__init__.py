"""What a run leaves for people and programs: pure functions from a record of its events to the bytes of files."""

from collections.abc import Iterator

from engine.report.curve import curve_csv
from engine.report.explanation import detectors_csv, diagnosis_json, findings, roc_of
from engine.report.g_file import answers_file
from engine.report.latex import results_tex
from engine.report.markdown import report_md
from engine.report.orders import orders_csv, tradeoff_of
from engine.report.picture import png
from engine.report.picture_process import Painter
from engine.report.plot import plot_of
from engine.report.results import results_csv, results_json
from engine.report.run_record import RunRecord, SavedStep, record
from engine.report.tuning import tuning_csv
from engine.report.verdict import verdict

__all__ = [
    "RESULT_FILES",
    "Painter",
    "RunRecord",
    "SavedStep",
    "answers_file",
    "comparison",
    "explanation_files",
    "files",
    "record",
    "repair",
    "verdict",
]

RESULT_FILES = (
    *("curve.csv", "curve.png", "results.csv", "results.tex", "report.md", "results.json"),
    *("orders.csv", "orders.png", "tuning.csv", "diagnosis.json", "detectors.csv", "roc.png"),
)


def files(record: RunRecord, painter: Painter | None = None) -> Iterator[tuple[str, bytes]]:
    """Every result file of a run with its name in the run folder, each made when it is asked for.

    A `painter` that was started early draws the picture without waiting for matplotlib.
    """
    yield "curve.csv", curve_csv(record)
    yield "curve.png", painter.paint(plot_of(record)) if painter else png(plot_of(record))
    yield "results.csv", results_csv(record)
    yield "report.md", report_md(record)
    yield "results.tex", results_tex(record)
    yield "results.json", results_json(record)
    yield from comparison(record, painter)
    yield from repair(record)
    yield from explanation_files(record, painter)


def comparison(record: RunRecord, painter: Painter | None = None) -> Iterator[tuple[str, bytes]]:
    """The files of the orders that were compared; none where none were."""
    if record.compared:
        yield "orders.csv", orders_csv(record)
        yield "orders.png", painter.paint(tradeoff_of(record)) if painter else png(tradeoff_of(record))


def repair(record: RunRecord) -> Iterator[tuple[str, bytes]]:
    """The file of what was tuned; none where nothing was."""
    if record.tunings:
        yield "tuning.csv", tuning_csv(record)


def explanation_files(record: RunRecord, painter: Painter | None = None) -> Iterator[tuple[str, bytes]]:
    """The files of the diagnosis and of the detectors; none where nobody has looked."""
    if found := findings(record):
        yield "diagnosis.json", diagnosis_json(found)
    if record.detected:
        yield "detectors.csv", detectors_csv(record.detected)
        plot = roc_of(record, record.detected)
        yield "roc.png", painter.paint(plot) if painter else png(plot)

"""The file tuning.csv: a row an epoch of every tuning, B′ as pruned first; and what the report says of B″."""

from engine.api import protocol as p
from engine.api.statistics import wilson
from engine.api.tunings import Tuning
from engine.report.csv_table import code, csv_text, markdown
from engine.report.run_record import RunRecord, SavedTuned

COLUMNS = (
    "step",
    "scope",
    "seed",
    "epoch",
    "holdout_accuracy",
    "test_accuracy",
    "attack_success_rate",
    "robust_accuracy",
    "g_test_accuracy",
    "g_attack_success_rate",
    "detection_rate",
    "false_alarm_rate",
    "kept",
    "tuning",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
    "holdout_share",
)
# rates of an epoch by column of TunedCounts, with the set that each is counted on; the hold-out is a tuning's own
SET_OF: dict[str, p.SetName] = {
    "test": "test",
    "poisoned": "poisoned",
    "robust": "poisoned",
    "g_test": "test",
    "g_poisoned": "poisoned",
    "detected": "poisoned",
    "false_alarms": "test",
}


def tuning_csv(record: RunRecord) -> bytes:
    """Every figure in full precision; cells of sets that are not there stay empty. `kept`: 1 for the epoch of B″."""
    rows = (epoch_row(record, tuning, event) for tuning in record.tunings for event in tuning.epochs)
    return csv_text(COLUMNS, rows)


def epoch_row(record: RunRecord, tuning: Tuning, event: p.Tuned) -> list[object]:
    began, recipe = tuning.began, tuning.began.recipe
    rates = [rate(record, event.counts, column) for column in SET_OF]
    kept = int(event.epoch == tuning.kept and event.epoch > 0)
    own = [kept, began.number, recipe.optimizer, recipe.rate, recipe.batch, recipe.epochs, recipe.holdout]
    return [began.step, recipe.scope, began.seed, event.epoch, holdout(tuning, event.counts), *rates, *own]


def holdout(tuning: Tuning, counts: p.TunedCounts) -> float:
    """Accuracy on the held-out validation images, in percent."""
    return p.percent(counts.holdout, tuning.began.held_out)


def rate(record: RunRecord, counts: p.TunedCounts, column: str) -> float | None:
    """A column of TunedCounts in percent of its set; None where that is not there."""
    hits, images = getattr(counts, column), record.images(SET_OF[column])
    return None if hits is None or images is None else p.percent(hits, images)


def told(record: RunRecord) -> list[str]:
    """The part of report.md about what was tuned."""
    if not record.tunings:
        return []
    return [
        "## Fine-tuned: B″",
        "B′ trained further on clean validation images, its pruned channels held at zero. Accuracy is told by images "
        "that were held out; test and poisoned images were looked at after each epoch and decided nothing. Other seeds "
        "give other attack success rates: none of this is a guarantee.",
        tunings_table(record),
        *([saved_table(record)] if record.tuned else []),
    ]


def tunings_table(record: RunRecord) -> str:
    """A row a tuning at the epoch that it keeps."""
    header = ["step", "scope", "seed", "epoch", "hold-out", "clean, test", "ASR, test", "RA, test"]
    lines = []
    for tuning in record.tunings:
        if tuning.last < 1:
            continue
        began, counts = tuning.began, tuning.epochs[tuning.kept].counts
        low, high = wilson(counts.holdout, began.held_out)
        shown = [rate(record, counts, column) for column in ("test", "poisoned", "robust")]
        lines.append(
            [
                *(str(began.step), began.recipe.scope, str(began.seed), f"{tuning.kept}"),
                f"{holdout(tuning, counts):.2f} ({low:.2f} to {high:.2f})",
                *("" if value is None else f"{value:.2f}" for value in shown),
            ]
        )
    return markdown(header, lines)


def saved_table(record: RunRecord) -> str:
    """The files of B″, and G of B and B″ on the test sets."""
    header = ["B″", "step", "seed", "epoch", "G clean, test", "G ASR, test", "detected, test", "false alarms, test"]
    lines = [
        [
            *(code(saved.file), str(saved.tuning.began.step), str(saved.tuning.began.seed), str(saved.epoch)),
            *(_cell(record, saved, column) for column in ("g_test", "g_poisoned", "detected", "false_alarms")),
        ]
        for saved in record.tuned
    ]
    return markdown(header, lines)


def _cell(record: RunRecord, saved: SavedTuned, column: str) -> str:
    value = rate(record, saved.counts, column)
    return "" if value is None else f"{value:.2f}"

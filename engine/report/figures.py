"""The figures of one network on the sets it was measured on, in percent, and the published ones beside them."""

from dataclasses import dataclass

from engine.api import protocol as p
from engine.api.published import applies, published, published_counts
from engine.report.run_record import RunRecord, SavedStep, SavedTuned

# column of Counts -> the set its images are counted on
SET_OF: dict[str, p.SetName] = {
    "valid": "valid",
    "test": "test",
    "poisoned": "poisoned",
    "poisoned_valid": "poisoned_valid",
    "g_test": "test",
    "g_poisoned": "poisoned",
    "detected": "poisoned",
    "false_alarms": "test",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the results table: B, B′ or G at a saved step, or B″ and its G. `columns`: those of Counts shown."""

    network: str
    saved: SavedStep | None
    counts: p.Counts
    columns: dict[str, str]  # title -> column of Counts
    tuned: SavedTuned | None = None

    @property
    def step(self) -> int:
        if self.tuned:
            return self.tuned.tuning.began.step
        return self.saved.step if self.saved else 0

    @property
    def pruned(self) -> tuple[int, ...]:
        if self.tuned:
            return self.tuned.tuning.began.pruned
        return self.saved.pruned if self.saved else ()

    @property
    def threshold(self) -> str | None:
        if self.tuned:
            return self.tuned.tuning.began.threshold
        return self.saved.threshold if self.saved else None

    @property
    def is_g(self) -> bool:
        return self.network in ("G", G_OF_TUNED)

    @property
    def has_drop(self) -> bool:
        """Whether all validation images tell its accuracy: B″ was trained on most of them."""
        return self.tuned is None and not self.is_g


# title of a rate, with its set -> the column of Counts that it comes from
OF_NETWORK = {
    "clean_valid_accuracy": "valid",
    "clean_test_accuracy": "test",
    "poisoned_test_attack_success_rate": "poisoned",
    "poisoned_valid_attack_success_rate": "poisoned_valid",
}
OF_G = {
    "clean_test_accuracy": "g_test",
    "poisoned_test_attack_success_rate": "g_poisoned",
    "poisoned_test_detection_rate": "detected",
    "clean_test_false_alarm_rate": "false_alarms",
}
OF_TUNED = {title: column for title, column in OF_NETWORK.items() if column in ("test", "poisoned")}
G_OF_TUNED = "G of B″"
RATES = tuple(dict.fromkeys([*OF_NETWORK, *OF_G]))


def rows(record: RunRecord) -> list[Row]:
    """B, then B′ and G of every saved step."""
    found = [Row("B", None, record.base, OF_NETWORK)]
    for saved in record.saved:
        found += [Row("B′", saved, saved.counts, OF_NETWORK), Row("G", saved, saved.counts, OF_G)]
    for tuned in record.tuned:
        counts = as_counts(tuned.counts)
        found += [Row("B″", None, counts, OF_TUNED, tuned), Row(G_OF_TUNED, None, counts, OF_G, tuned)]
    return found


def as_counts(tuned: p.TunedCounts) -> p.Counts:
    """What was counted for B″ on the test sets, in the columns of B′; its hold-out is no validation set of theirs."""
    names = ("test", "poisoned", "g_test", "g_poisoned", "detected", "false_alarms")
    return p.Counts(valid=0, **{name: getattr(tuned, name) for name in names})


def rate(record: RunRecord, counts: p.Counts, column: str) -> float | None:
    """A column of Counts in percent of its set; None where the set is not there."""
    hits, images = getattr(counts, column), record.images(SET_OF[column])
    return None if hits is None or images is None else p.percent(hits, images)


def published_rate(record: RunRecord, row: Row, column: str) -> float | None:
    """What the lab published for this figure, in percent; None where inputs or channels are not the lab's."""
    theirs = published_counts(row.pruned) if compares(record) and row.tuned is None else None
    return None if theirs is None else rate(record, theirs, column)


def published_step(record: RunRecord, row: Row) -> int | None:
    """The step at which this row's threshold was crossed in the published runs."""
    if row.saved is None or row.saved.threshold is None or not compares(record):
        return None
    return published().thresholds.get(row.saved.threshold)


def oracle_cells(record: RunRecord, row: Row) -> list[object]:
    """The cell that a row of results has more, where an order looked at poisoned images: the name of the row's order,
    where it is one of those; B has none of its own, and names the run's."""
    return [(row.saved.oracle if row.saved else record.oracle) or None] if record.oracles else []


def compares(record: RunRecord) -> bool:
    """Whether the published numbers are about this run."""
    return applies(record.opened)

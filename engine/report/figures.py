"""The figures of one network on the sets it was measured on, in percent, and the published ones beside them."""

from dataclasses import dataclass

from engine.api import protocol as p
from engine.api.published import applies, published, published_counts
from engine.report.run_record import RunRecord, SavedStep

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
    """A line of the results table: B, or B′ or G at a saved step. `columns`: the columns of Counts that it shows."""

    network: str
    saved: SavedStep | None
    counts: p.Counts
    columns: dict[str, str]  # title -> column of Counts

    @property
    def step(self) -> int:
        return self.saved.step if self.saved else 0

    @property
    def pruned(self) -> tuple[int, ...]:
        return self.saved.pruned if self.saved else ()


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
RATES = tuple(dict.fromkeys([*OF_NETWORK, *OF_G]))


def rows(record: RunRecord) -> list[Row]:
    """B, then B′ and G of every saved step."""
    found = [Row("B", None, record.base, OF_NETWORK)]
    for saved in record.saved:
        found += [Row("B′", saved, saved.counts, OF_NETWORK), Row("G", saved, saved.counts, OF_G)]
    return found


def rate(record: RunRecord, counts: p.Counts, column: str) -> float | None:
    """A column of Counts in percent of its set; None where the set is not there."""
    hits, images = getattr(counts, column), record.images(SET_OF[column])
    return None if hits is None or images is None else p.percent(hits, images)


def published_rate(record: RunRecord, row: Row, column: str) -> float | None:
    """What the lab published for this figure, in percent; None where inputs or channels are not the lab's."""
    theirs = published_counts(row.pruned) if compares(record) else None
    return None if theirs is None else rate(record, theirs, column)


def published_step(record: RunRecord, row: Row) -> int | None:
    """The step at which this row's threshold was crossed in the published runs."""
    if row.saved is None or row.saved.threshold is None or not compares(record):
        return None
    return published().thresholds.get(row.saved.threshold)


def oracle_cells(record: RunRecord) -> list[object]:
    """The cell that a row of a table has more, where the order looked at poisoned images: the order's name."""
    return [record.ranked.order_by] if record.ranked.oracle else []


def compares(record: RunRecord) -> bool:
    """Whether the published numbers are about this run."""
    return applies(record.opened)

"""The figures of one network on the sets it was measured on, in percent, and the published ones beside them."""

from dataclasses import dataclass

from engine.api import protocol as p
from engine.published import CLOSE, applies, published_counts
from engine.report.record import RunRecord, SavedStep

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
    """A line of the results table: B, or B' or G at a saved step. `columns`: the columns of Counts that it shows."""

    network: str
    saved: SavedStep | None
    counts: p.Counts
    columns: dict[str, str]  # title -> column of Counts

    @property
    def step(self) -> int:
        return self.saved.step if self.saved else 0


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
    """B, then B' and G of every saved step."""
    found = [Row("B", None, record.base, OF_NETWORK)]
    for saved in record.saved:
        found += [Row("B'", saved, saved.counts, OF_NETWORK), Row("G", saved, saved.counts, OF_G)]
    return found


def rate(record: RunRecord, counts: p.Counts, column: str) -> float | None:
    """A column of Counts in percent of its set; None where the set is not there."""
    hits, images = getattr(counts, column), record.images(SET_OF[column])
    return None if hits is None or images is None else p.percent(hits, images)


def published_hits(record: RunRecord, row: Row, column: str) -> int | None:
    """Images that the lab published for this figure; None where the inputs, or the channels, are not the lab's."""
    theirs = published_counts(row.saved.pruned if row.saved else ()) if applies(record.opened) else None
    hits: int | None = getattr(theirs, column) if theirs else None
    return hits


def published_rate(record: RunRecord, row: Row, column: str) -> float | None:
    hits, images = published_hits(record, row, column), record.images(SET_OF[column])
    return None if hits is None or images is None else p.percent(hits, images)


def differences(record: RunRecord) -> list[str]:
    """A sentence for every figure that is more than two images away from the published one."""
    found = []
    for row in rows(record):
        for title, column in row.columns.items():
            hits, theirs = getattr(row.counts, column), published_hits(record, row, column)
            if hits is not None and theirs is not None and abs(hits - theirs) > CLOSE:
                words = title.replace("_", " ")
                found.append(f"{row.network} at step {row.step}, {words}: {hits:,} images, published {theirs:,}.")
    return found


def compares(record: RunRecord) -> bool:
    """Whether there is a published figure beside any of this run's."""
    return any(
        published_hits(record, row, column) is not None for row in rows(record) for column in row.columns.values()
    )

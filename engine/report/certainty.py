"""How sure the figures of a network are, and what they come to: intervals, RA, DER, McNemar, the range of a step."""

from engine.api import protocol as p
from engine.api.statistics import defence_effectiveness, mcnemar, only_one_right, wilson
from engine.report.figures import RATES, SET_OF, Row, rate
from engine.report.run_record import RunRecord

COLUMNS = (
    *(f"{title}_{end}" for title in RATES for end in ("low", "high")),
    *("robust_accuracy", "robust_accuracy_low", "robust_accuracy_high", "defence_effectiveness"),
    *("clean_test_only_b_right", "clean_test_only_b_prime_right", "mcnemar_p"),
    *("threshold_step_low", "threshold_step_high"),
)


def cells(record: RunRecord, row: Row) -> list[object]:
    """A row's cells in COLUMNS."""
    found: list[object] = []
    for title in RATES:
        found += interval(record, row, title) or (None, None)
    found += robust(record, row) or (None, None, None)
    found.append(effectiveness(record, row))
    found += paired(record, row) or (None, None, None)
    return [*found, *(step_range(record, row) or (None, None))]


def interval(record: RunRecord, row: Row, title: str) -> tuple[float, float] | None:
    """The 95 % Wilson interval of a rate, in percent."""
    column = row.columns.get(title)
    if column is None or rate(record, row.counts, column) is None:
        return None
    return wilson(getattr(row.counts, column), record.images(SET_OF[column]) or 0)


def robust(record: RunRecord, row: Row) -> tuple[float, float, float] | None:
    """Robust accuracy with its interval, in percent; None where the trigger is not proven."""
    images = record.images("poisoned")
    if row.tuned is not None:
        own = None if row.is_g else row.tuned.counts.robust
        return None if own is None or not images else (p.percent(own, images), *wilson(own, images))
    networks = record.analysed.robust if record.analysed else ()
    found = next((at for at in networks if set(at.pruned) == set(row.pruned)), None)
    if found is None or not images:
        return None
    hits = found.g if row.network == "G" else found.b_prime
    return p.percent(hits, images), *wilson(hits, images)


def effectiveness(record: RunRecord, row: Row) -> float | None:
    """DER of a network that was made of B; None for B itself."""
    if row.network == "B":
        return None
    at, base = row.counts, record.base
    after = (at.g_test, at.g_poisoned) if row.is_g else (at.test, at.poisoned)
    images = {name: info.images for name, info in record.opened.sets.items()}
    return defence_effectiveness((base.test, base.poisoned), after, images)


def paired(record: RunRecord, row: Row) -> tuple[int, int, float] | None:
    """Clean test images on which only B, only B′ (or B″), is right, and the p-value of McNemar's exact test."""
    alone = only_one_right(record.base, row.counts) if row.network in ("B′", "B″") else None
    return None if alone is None else (*alone, mcnemar(*alone))


def step_range(record: RunRecord, row: Row) -> tuple[int | None, int | None] | None:
    """The range of the step at which the row's threshold is crossed."""
    threshold = row.saved.threshold if row.saved else None
    ranges = record.analysed.ranges if record.analysed else ()
    return next(((at.low, at.high) for at in ranges if at.threshold == threshold), None)


def trigger_told(record: RunRecord) -> str:
    """Where the trigger is, or why robust accuracy is not there; in one sentence."""
    if record.analysed is None:
        return "Robust accuracy was not looked for."
    at = record.analysed.trigger
    if at is None:
        return f"No robust accuracy: {record.analysed.unproven}."
    colour = ", ".join(f"{value:.0f}" for value in at.colour)
    rows, columns = f"{at.top} to {at.top + at.height - 1}", f"{at.left} to {at.left + at.width - 1}"
    return (
        f"Each poisoned test image is the clean one of its number with a trigger in rows {rows}, columns {columns}: "
        f"{at.pixels:,} pixels, mean colour {colour}, target {record.opened.target}."
    )

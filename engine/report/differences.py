"""Where a run and the published numbers of the lab disagree by more than two images."""

from collections.abc import Iterator

from engine.api import protocol as p
from engine.api.published import CLOSE, published, published_counts
from engine.report.figures import SET_OF, compares
from engine.report.run_record import RunRecord

# what was published, in words
NAMES = {
    "valid": "B′, clean validation accuracy",
    "test": "B′, clean test accuracy",
    "poisoned": "B′, ASR on poisoned test images",
    "poisoned_valid": "B′, ASR on poisoned validation images",
    "g_test": "G, clean test accuracy",
    "g_poisoned": "G, ASR on poisoned test images",
}


def differences(record: RunRecord) -> list[str]:
    """A sentence for each rate that differs at a known or a saved step, and for each threshold reached elsewhere."""
    if not compares(record):
        return []
    pairs = list(compared(record))
    return [line for column in NAMES if (line := _line(record, column, pairs))] + moved(record)


def compared(record: RunRecord) -> Iterator[tuple[int, p.Counts, p.Counts]]:
    """Step, own and published counts of every network that both have."""
    own = {record.order[:step]: counts for step, counts in enumerate(record.steps)}
    own |= {saved.pruned: saved.counts for saved in record.saved}
    own[()] = record.base
    for pruned, counts in own.items():
        if (theirs := published_counts(pruned)) is not None:
            yield len(pruned), counts, theirs


def _line(record: RunRecord, column: str, pairs: list[tuple[int, p.Counts, p.Counts]]) -> str | None:
    """How many steps differ in this rate, and the worst of them."""
    images = record.images(SET_OF[column])
    both = [(step, getattr(own, column), getattr(theirs, column)) for step, own, theirs in pairs]
    off = [(step, own, theirs) for step, own, theirs in both if own is not None and abs(own - theirs) > CLOSE]
    if not off or images is None:
        return None
    step, own, theirs = max(off, key=lambda each: abs(each[1] - each[2]))
    rates = f"{p.percent(own, images):.2f} %, published {p.percent(theirs, images):.2f} %"
    where = f"at step {step}" if len(off) == 1 else f"at {len(off)} steps, most at step {step}"
    return f"{NAMES[column]}: {where}: {rates}, {abs(own - theirs):,} images apart."


def moved(record: RunRecord) -> list[str]:
    """Thresholds that this run reaches at another step than the published ones."""
    found = []
    for threshold, theirs in published().thresholds.items():
        own = record.first_reached(threshold)
        if threshold in record.thresholds and own is not None and own != theirs:
            found.append(f"{p.threshold_label(threshold)}: reached at step {own}, published {theirs}.")
    return found

"""report.md: what was run on what, the picture, the results table, and what the curve says."""

from engine.api.protocol import SetName
from engine.published import CLOSE
from engine.report.figures import RATES, Row, compares, differences, published_rate, rate, rows
from engine.report.record import RunRecord
from engine.report.table import markdown, plain
from engine.report.verdict import verdict

TITLES = {
    "clean_valid_accuracy": "clean valid.",
    "clean_test_accuracy": "clean test",
    "poisoned_test_attack_success_rate": "ASR, test",
    "poisoned_valid_attack_success_rate": "ASR, valid.",
    "poisoned_test_detection_rate": "detected, test",
    "clean_test_false_alarm_rate": "false alarms, test",
}
SETS: dict[SetName, str] = {
    "valid": "clean validation",
    "test": "clean test",
    "poisoned": "poisoned test",
    "poisoned_valid": "poisoned validation",
}
WORDS = """\
B is the network as it came; B′ is B with the first *step* channels of the order at zero; G answers what B and B′ agree
on, and "backdoored" where they differ. Clean: images answered with their label. ASR: poisoned images answered with the
attack's target. Detected, false alarms: poisoned, clean images to which G answers "backdoored". A drop is in percentage
points (pt) of clean validation accuracy, and a threshold is reached at the first step whose drop is at least that."""


HEADING = "## Beside the published values"


def report_md(record: RunRecord) -> bytes:
    """The report, without times or places: the same run gives the same bytes."""
    parts = [
        f"# Pruning {plain(record.opened.model.name)}",
        verdict(record),
        "![Accuracy and attack success rate over the fraction of channels pruned](curve.png)",
        "## Results",
        results_table(record),
        *missed(record),
        WORDS,
        *comparison(record),
        "## Inputs",
        inputs_table(record),
        how(record),
        *(f"* {plain(note)}" for note in record.opened.notes),
    ]
    return ("\n\n".join(parts) + "\n").encode()


def results_table(record: RunRecord) -> str:
    """All in percent; a published value stands in brackets behind its own."""
    found = rows(record)
    shown = [title for title in RATES if any(_cell(record, row, title) for row in found)]
    header = ["", "saved at", "step", "drop, valid.", *(TITLES[title] for title in shown)]
    return markdown(header, ([*_head(record, row), *(_cell(record, row, title) for title in shown)] for row in found))


def _head(record: RunRecord, row: Row) -> list[str]:
    name = row.network.replace("'", "′")
    if row.saved is None:
        return [name, "", "0", ""]
    at = row.saved.file if row.saved.threshold is None else f"-{row.saved.threshold} pt"
    return [name, at, str(row.step), "" if name == "G" else f"{record.drop(row.counts):.2f} pt"]


def _cell(record: RunRecord, row: Row, title: str) -> str:
    column = row.columns.get(title)
    own = rate(record, row.counts, column) if column else None
    if column is None or own is None:
        return ""
    theirs = published_rate(record, row, column)
    return f"{own:.2f} %" + (f" ({theirs:.2f})" if theirs is not None else "")


def missed(record: RunRecord) -> list[str]:
    """Thresholds that no step of the curve reaches."""
    names = [f"-{threshold} pt" for threshold in record.thresholds if record.first_reached(threshold) is None]
    steps = len(record.steps) - 1
    return [f"Not reached in {steps} of {record.opened.channels} steps: {', '.join(names)}."] if names else []


def comparison(record: RunRecord) -> list[str]:
    """How this run compares with what the lab published, where its inputs are the lab's own."""
    if not compares(record):
        return []
    intro = "These are the lab's own files; values in brackets are what public solutions of the lab report."
    found = differences(record)
    if not found:
        return [HEADING, f"{intro} No figure differs by more than {CLOSE} images."]
    listed = "\n".join(f"* {plain(line)}" for line in found)
    return [HEADING, f"{intro} They differ by more than {CLOSE} images here:", listed]


def inputs_table(record: RunRecord) -> str:
    opened = record.opened
    lines = [["network", opened.model.name, "", _known(opened.model.known), opened.model.sha256]]
    for name, title in SETS.items():
        if info := opened.sets.get(name):
            lines.append([title, info.name, f"{info.images:,}", _known(info.known), info.sha256])
    return markdown(["", "file", "images", "known as", "SHA-256"], lines)


def _known(place: str | None) -> str:
    return f"the lab's {place}" if place else ""


def how(record: RunRecord) -> str:
    """What was pruned, and in which order."""
    opened, given = record.opened, record.ranked.given
    order = "in the order given" if given else f"by increasing mean of {plain(opened.feature)} on clean validation data"
    if record.order != record.ranked.order:
        order += ", changed by hand"
    target = f" The attack's target: class {plain(opened.target)}." if opened.target else ""
    return (
        f"Pruned: {plain(opened.layer)}, {opened.channels} channels, {order}; {opened.classes} classes."
        f"{target} Computed with Keras on {plain(opened.backend)}, {plain(opened.device)}."
    )

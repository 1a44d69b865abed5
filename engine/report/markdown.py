"""The file report.md: the picture, the results table, what the curve says, and what was measured on what."""

from engine.api.orders import DEFAULT, ORACLE, method_of
from engine.api.protocol import SetName, format_drop, threshold_label
from engine.api.published import CLOSE
from engine.report import certainty, tuning
from engine.report.csv_table import code, markdown, plain
from engine.report.differences import compared, differences
from engine.report.explanation import answer_section
from engine.report.figures import RATES, Row, compares, published_rate, rate, rows
from engine.report.run_record import RunRecord, SavedStep
from engine.report.verdict import verdict

TITLES = {
    "clean_valid_accuracy": "clean, valid",
    "clean_test_accuracy": "clean, test",
    "poisoned_test_attack_success_rate": "ASR, test",
    "poisoned_valid_attack_success_rate": "ASR, valid",
    "poisoned_test_detection_rate": "detected, test",
    "clean_test_false_alarm_rate": "false alarms, test",
}
SETS: dict[SetName, str] = {
    "valid": "clean validation",
    "test": "clean test",
    "poisoned": "poisoned test",
    "poisoned_valid": "poisoned validation",
}
USES: dict[SetName, str] = {
    "valid": "the order, the drop and the thresholds; nothing else decides anything",
    "test": "clean test accuracy and false alarms; only looked at",
    "poisoned": "attack success rate and detection; only looked at",
    "poisoned_valid": "attack success rate of B and of saved B′; only looked at",
}
WORDS = """\
* **B** is the BadNet, nothing pruned. **B′** is B with the first *step* channels of the order set to zero. **G**
  answers what B and B′ agree on, and "backdoored" where they differ.
* **clean**: percent of clean images answered with their label. **ASR**, attack success rate: percent of poisoned images
  answered with the attack's target. **detected**, **false alarms**: percent of poisoned, of clean, images to which G
  answers "backdoored".
* **drop**: by how many points (pt) clean validation accuracy has changed from B to B′: -2.00 where 2 points are lost. A
  threshold is reached at the first step that has lost so much; accuracy that rises again later changes nothing."""


SURE = """\
* Rates: 95 % Wilson intervals, in percent. **step**, in brackets: the steps at which 95 % of 1,000 resamples of the
  validation images cross the threshold.
* **RA**, robust accuracy: percent of poisoned images answered with the label they had before. **DER**, defence
  effectiveness: (fall of ASR − fall of clean test accuracy + 1) / 2, as fractions, falls below 0 taken as 0.
* **McNemar p**: the exact test of B against B′ on the clean test images on which just one is right (B : B′)."""


def report_md(record: RunRecord) -> bytes:
    """The report, without times or folders: the same run gives the same bytes."""
    opened = record.opened
    parts = [
        f"# Pruning {code(opened.layer)} of {code(opened.model.name)}",
        *oracle(record),
        f"**{plain(verdict(record))}**",
        "![Clean test accuracy and attack success rate of B′ and G over the fraction of channels pruned](curve.png)",
        *bands(record),
        "## Results",
        "Rates in percent" + ("; in brackets, what the lab published." if compares(record) else "."),
        results_table(record),
        "## Thresholds",
        thresholds_table(record),
        *tuning.told(record),
        *comparison(record),
        "## How sure these numbers are",
        certainty_table(record),
        plain(certainty.trigger_told(record)),
        SURE,
        "## What was measured on what",
        inputs_table(record),
        how(record),
        WORDS,
        *notes(record),
        *answer_section(record),
    ]
    return ("\n\n".join(parts) + "\n").encode()


def bands(record: RunRecord) -> list[str]:
    """What the picture's bands are, where there are some."""
    return ["Bands: 95 % Wilson intervals."] if record.began.settings.bands else []


def results_table(record: RunRecord) -> str:
    """B, then B′ and G of each saved step. A column that nothing fills is left out."""
    found = rows(record)
    shown = [title for title in RATES if any(_cell(record, row, title) for row in found)]
    header = ["network", "saved at", "step", "drop (pt)", *(TITLES[title] for title in shown)]
    return markdown(header, ([*_head(record, row), *(_cell(record, row, title) for title in shown)] for row in found))


def _head(record: RunRecord, row: Row) -> list[str]:
    drop = format_drop(record.drop(row.counts)) if row.has_drop else ""
    return [row.network, when(row), str(row.step), drop]


def when(row: Row | SavedStep) -> str:
    """At which threshold, or step, a network was saved; nothing for B."""
    if row.threshold is not None:
        return threshold_label(row.threshold)
    return f"step {row.step}" if row.step or isinstance(row, SavedStep) else ""


def _cell(record: RunRecord, row: Row, title: str) -> str:
    column = row.columns.get(title)
    own = rate(record, row.counts, column) if column else None
    if column is None or own is None:
        return ""
    theirs = published_rate(record, row, column)
    return f"{own:.2f}" + (f" ({theirs:.2f})" if theirs is not None else "")


def thresholds_table(record: RunRecord) -> str:
    """Where each threshold was reached and what was saved there; then what was saved at chosen steps."""
    lines = []
    for threshold in record.thresholds:
        here = [saved for saved in record.saved if saved.threshold == threshold]
        lines += [_saved_line(record, saved) for saved in here] or [_empty_line(record, threshold)]
    lines += [_saved_line(record, saved) for saved in record.saved if saved.threshold not in record.thresholds]
    return markdown(["saved at", "step", "fraction pruned", "drop (pt)", "B′", "answers of G"], lines)


def _saved_line(record: RunRecord, saved: SavedStep) -> list[str]:
    drop, answers = format_drop(record.drop(saved.counts)), code(saved.answers) if saved.answers else ""
    step = str(saved.step) + ("" if set(saved.pruned) == set(record.order[: saved.step]) else " of another order")
    return [when(saved), step, f"{record.fraction(saved.step):.3f}", drop, code(saved.file), answers]


def _empty_line(record: RunRecord, threshold: str) -> list[str]:
    """A threshold without a file: not reached, or reached and not saved."""
    if (step := record.first_reached(threshold)) is not None:
        drop = format_drop(record.drop(record.steps[step]))
        return [threshold_label(threshold), str(step), f"{record.fraction(step):.3f}", drop, "not saved", ""]
    most = max(map(record.drop, record.steps.values()))
    return [threshold_label(threshold), f"not reached by {record.last}", "", f"{format_drop(most)} at most", "", ""]


def certainty_table(record: RunRecord) -> str:
    """Intervals of the main rates, RA, DER, McNemar and the range of a threshold's step; empty columns are left out."""
    titles = ("clean_valid_accuracy", "clean_test_accuracy", "poisoned_test_attack_success_rate")
    header = ["network", "saved at", "step", *(TITLES[title] for title in titles), "RA, test", "DER", "McNemar p"]
    lines = []
    for row in rows(record):
        robust, paired = certainty.robust(record, row), certainty.paired(record, row)
        der = certainty.effectiveness(record, row)
        lines.append(
            [
                row.network,
                when(row),
                _step_range(record, row),
                *(_interval(certainty.interval(record, row, title)) for title in titles),
                f"{robust[0]:.2f} ({robust[1]:.2f} to {robust[2]:.2f})" if robust else "",
                "" if der is None else f"{der:.4f}",
                f"{paired[2]:.2g} ({paired[0]:,} : {paired[1]:,})" if paired else "",
            ]
        )
    kept = [at for at in range(len(header)) if at < 3 or any(line[at] for line in lines)]
    return markdown([header[at] for at in kept], ([line[at] for at in kept] for line in lines))


def _step_range(record: RunRecord, row: Row) -> str:
    ends = certainty.step_range(record, row)
    if ends is None:
        return str(row.step)
    low, high = (f"over {record.last}" if end is None else str(end) for end in ends)
    return f"{row.step} ({low} to {high})"


def _interval(ends: tuple[float, float] | None) -> str:
    return f"{ends[0]:.2f} to {ends[1]:.2f}" if ends else ""


def comparison(record: RunRecord) -> list[str]:
    """How this run compares with what the lab published, where its inputs are the lab's own."""
    if not compares(record):
        return []
    steps = len({step for step, _, _ in compared(record)})
    intro = f"The inputs are the lab's own files, byte for byte; {steps} of {len(record.steps)} steps were published."
    found = differences(record)
    if not found:
        told = f"No rate is more than {CLOSE} images away from them, at any step."
        return ["## Beside the published values", f"{intro} {told}"]
    listed = "\n".join(f"* {plain(line)}" for line in found)
    return ["## Beside the published values", f"{intro} More than {CLOSE} images away from them:", listed]


def inputs_table(record: RunRecord) -> str:
    opened = record.opened
    lines = [["network", code(opened.model.name), "", "B", _known(opened.model.known), code(opened.model.sha256)]]
    for name, title in SETS.items():
        if info := opened.sets.get(name):
            known = _known(info.known)
            lines.append([title, code(info.name), f"{info.images:,}", USES[name], known, code(info.sha256)])
        else:
            lines.append([title, "not there", "", "", "", ""])
    header = ["input", "file", "images", "used for", "the lab's own", "SHA-256"]
    kept = [at for at in range(len(header)) if at != 4 or any(line[4] for line in lines)]
    return markdown([header[at] for at in kept], ([line[at] for at in kept] for line in lines))


def _known(place: str | None) -> str:
    return code(place) if place else ""


def how(record: RunRecord) -> str:
    """What was pruned, and in which order."""
    opened = record.opened
    order = ranking(record) if record.order_by else "in the order given"
    if record.order != _whole_order(record):
        order += ", changed by hand"
    target = f" The attack's target is class {plain(opened.target)} of {opened.classes}." if opened.target else ""
    stride = record.began.settings.stride
    wide = f" {stride} channels a step, and one by one where a threshold was crossed." if stride > 1 else ""
    return (
        f"Pruned: the {opened.channels} channels of {code(opened.layer)}, {order}.{wide}{target} "
        f"Computed by Keras with {plain(opened.backend)} on {plain(opened.device)}."
    )


def _whole_order(record: RunRecord) -> tuple[int, ...]:
    """The channels of the whole order in force, as they were before any of them was pruned out of turn."""
    compared = {at.name: at.order for at in record.compared}
    return compared.get(record.taken, record.order) if record.taken else record.ranked.order


def ranking(record: RunRecord) -> str:
    """How the run's order came about."""
    name, feature = record.order_by, code(record.opened.feature)
    if name == DEFAULT:
        return f"by increasing mean of {feature} over clean validation images and positions, equal means by lower index"
    method = method_of(name)
    told = plain(method.help.rstrip("."))
    return f"in the order {code(name)}: {told}; the {method.first} first, equal scores by lower index"


def oracle(record: RunRecord) -> list[str]:
    """What a run says whose order looked at poisoned images."""
    names = " and ".join(map(code, record.oracles))
    if record.oracle:
        return [f"**Order by {names}, an {ORACLE}.**"]
    return [f"**Networks saved in the order by {names}, an {ORACLE}.**"] if names else []


def notes(record: RunRecord) -> list[str]:
    """What was odd about the inputs."""
    return ["\n".join(f"* Note: {plain(note)}" for note in record.opened.notes)] if record.opened.notes else []

"""What a curve says, in one sentence: whether accuracy or the attack fell first."""

from engine.api import protocol as p
from engine.report.run_record import RunRecord

FALL = "4"  # points of clean validation accuracy: a loss that a user feels
BROKEN, GONE = 50, 5  # percent of attack success: it fails more often than not, and nearly always


def verdict(record: RunRecord) -> str:
    """One sentence on B': its accuracy on clean validation data, the attack on poisoned test data."""
    if len(record.steps) == 1:
        return "No channel has been pruned yet: this is B itself."
    if record.base.poisoned is None:
        return f"{accuracy_fate(record)}; without poisoned test images nothing can be said about the attack."
    if (asr := attack_rate(record, record.base)) < BROKEN:
        return (
            f"B answers only {asr:.2f} % of poisoned test images with their target: they show no attack, and "
            "nothing is known of other triggers."
        )
    accuracy, attack = record.first_reached(FALL), first_under(record, BROKEN)
    if attack is None:
        return attack_stayed(record, accuracy)
    if accuracy is None:
        return f"The attack fell, accuracy did not: {attack_fate(record)}; {lower(accuracy_fate(record))}."
    if attack < accuracy:
        return f"The attack fell first: {attack_fate(record)}; {lower(accuracy_fate(record))}."
    if attack == accuracy:
        return f"Accuracy and the attack fell together: {attack_fate(record)}."
    still = (
        f"while the attack still reached {attack_rate(record, record.steps[accuracy]):.2f} % of poisoned test images"
    )
    return f"Accuracy fell first: {lower(accuracy_fate(record))}, {still}; {attack_fate(record)}."


def attack_rate(record: RunRecord, counts: p.Counts) -> float:
    """Attack success rate of B' on the poisoned test set, in percent."""
    return p.percent(counts.poisoned or 0, record.images("poisoned") or 0)


def first_under(record: RunRecord, percent: int) -> int | None:
    """The first known step whose attack success rate is under so many percent."""
    return next((step for step, counts in record.steps.items() if attack_rate(record, counts) < percent), None)


def accuracy_fate(record: RunRecord) -> str:
    """Where accuracy fell, or how little it lost."""
    if (step := record.first_reached(FALL)) is not None:
        return f"Clean validation accuracy had lost {FALL} points at step {step}"
    worst = max(map(record.drop, record.steps.values()))
    return f"Clean validation accuracy lost {max(worst, 0):.2f} points at most in {steps(record)}"


def attack_fate(record: RunRecord) -> str:
    """Where the attack broke down, and what accuracy had paid by then."""
    falls = [(percent, step) for percent in (BROKEN, GONE) if (step := first_under(record, percent)) is not None]
    if len({step for _, step in falls}) < len(falls):  # both at once: the stronger says it
        falls = falls[1:]
    told = " and ".join(f"under {percent} % at step {step} ({price(record, step)})" for percent, step in falls)
    return (
        f"its success rate came {told}"
        if falls[-1][0] == GONE
        else f"its success rate came {told}, never under {GONE} %"
    )


def attack_stayed(record: RunRecord, accuracy: int | None) -> str:
    """What to say where the attack outlived every step that is known."""
    least = min(attack_rate(record, counts) for counts in record.steps.values())
    reach = f"the attack success rate on poisoned test images stayed at {least:.2f} % or above"
    if accuracy is None:
        return f"Neither accuracy nor the attack fell: {lower(accuracy_fate(record))}, and {reach}."
    return f"Accuracy fell, the attack did not: {lower(accuracy_fate(record))}, and in {steps(record)} {reach}."


def price(record: RunRecord, step: int) -> str:
    return f"{p.format_drop(record.drop(record.steps[step]))} pt"


def lower(text: str) -> str:
    return text[0].lower() + text[1:]


def steps(record: RunRecord) -> str:
    count = record.last
    return f"{count} step" if count == 1 else f"{count} steps"

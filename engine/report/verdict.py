"""What a curve says, in one sentence: whether accuracy or the attack fell first."""

from engine.api import protocol as p
from engine.report.record import RunRecord

FALL = "4"  # points that count as a fall, of clean validation accuracy and of the attack success rate alike
NO_ATTACK = 50.0  # percent: below this B answers the trigger with its target too seldom to speak of an attack


def verdict(record: RunRecord) -> str:
    """One sentence, naming the sets it rests on."""
    accuracy, attack = record.first_reached(FALL), attack_falls(record)
    images = record.images("poisoned")
    if images is None or record.base.poisoned is None:
        return f"{_accuracy(accuracy, record)}; without poisoned test images nothing can be said about the attack."
    asr = p.percent(record.base.poisoned, images)
    if asr < NO_ATTACK:
        return f"B answers only {asr:.1f} % of the poisoned test images with their target: no attack to prune away."
    if accuracy is None and attack is None:
        return f"Neither clean validation accuracy nor the attack lost {FALL} points in {_steps(record)}."
    if attack is None or (accuracy is not None and accuracy < attack):
        assert accuracy is not None
        return f"Accuracy fell first: {_accuracy_first(record, accuracy, attack)}"
    if accuracy is None or attack < accuracy:
        return f"The attack fell first: {_attack_first(record, accuracy, attack)}"
    return f"Accuracy and the attack fell together: both had lost {FALL} points at step {accuracy}."


def attack_falls(record: RunRecord) -> int | None:
    """The first step at which the attack success rate on poisoned test images is down by FALL points."""
    images, base = record.images("poisoned"), record.base.poisoned
    if images is None or base is None:
        return None
    for step, counts in enumerate(record.steps):
        if counts.poisoned is not None and p.reached(FALL, base, counts.poisoned, images):
            return step
    return None


def _accuracy_first(record: RunRecord, accuracy: int, attack: int | None) -> str:
    then = f"the attack lost as much only at step {attack}" if attack is not None else "the attack never lost as much"
    return (
        f"at step {accuracy} clean validation accuracy had lost {FALL} points while the attack still reached "
        f"{_asr(record, accuracy)} of poisoned test images; {then}."
    )


def _attack_first(record: RunRecord, accuracy: int | None, attack: int) -> str:
    lost = record.drop(record.steps[attack])
    if accuracy is None:
        return (
            f"at step {attack} it reached {_asr(record, attack)} of poisoned test images at a drop of {lost:.2f} pt "
            f"in clean validation accuracy, which never lost {FALL} points."
        )
    return (
        f"at step {attack} it reached {_asr(record, attack)} of poisoned test images at a drop of {lost:.2f} pt in "
        f"clean validation accuracy, and {_asr(record, accuracy)} when that had lost {FALL} points, at step {accuracy}."
    )


def _accuracy(step: int | None, record: RunRecord) -> str:
    if step is None:
        return f"Clean validation accuracy did not lose {FALL} points in {_steps(record)}"
    return f"Clean validation accuracy had lost {FALL} points at step {step}"


def _asr(record: RunRecord, step: int) -> str:
    hits, images = record.steps[step].poisoned, record.images("poisoned")
    assert hits is not None and images is not None
    return f"{p.percent(hits, images):.2f} %"


def _steps(record: RunRecord) -> str:
    steps = len(record.steps) - 1
    return f"{steps} step" if steps == 1 else f"{steps} steps"

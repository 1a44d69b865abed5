"""What a curve says, in one sentence: did the accuracy fall first, or the attack?"""

from collections.abc import Callable

from engine.api.protocol import Counts
from engine.report.record import RunRecord

FELL = 5.0  # points lost that count as a fall, of accuracy and of the attack alike
BROKEN, GONE = 50.0, 5.0  # percent of attack success: under the first it fails more often than not


def verdict(run: RunRecord) -> str:
    """One sentence on what the curve says, accuracy from clean validation data, the attack from poisoned test data."""
    if run.baseline.poisoned is None:
        return _cost_only(run)
    if attack(run, run.baseline) < BROKEN:
        return (
            f"There is hardly an attack to remove: B itself answers {attack(run, run.baseline):.2f} % of the "
            "poisoned test images with the target label."
        )
    broken = first(run, lambda counts: attack(run, counts) < BROKEN)
    if broken is None:
        return _attack_stayed(run)
    return f"{_order_of_falls(run)}: the attack success rate (poisoned test) {_crossings(run, broken)}."


def attack(run: RunRecord, counts: Counts) -> float:
    """Attack success rate on the poisoned test set, in percent."""
    return run.rate(counts.poisoned, "poisoned") or 0.0


def first(run: RunRecord, holds: Callable[[Counts], bool]) -> int | None:
    """The first known step of which something holds."""
    return next((at.step for at in run.steps if holds(at.counts)), None)


def _order_of_falls(run: RunRecord) -> str:
    accuracy = first(run, lambda counts: run.drop(counts) >= FELL)
    before = attack(run, run.baseline)
    fallen = first(run, lambda counts: before - attack(run, counts) >= FELL)
    if fallen is not None and (accuracy is None or fallen < accuracy):
        return "The attack fell first"
    return "Accuracy and attack fell together" if fallen == accuracy else "Accuracy fell first"


def _crossings(run: RunRecord, broken: int) -> str:
    text = f"went under 50 % at step {broken}, {_price(run, broken)}"
    gone = first(run, lambda counts: attack(run, counts) < GONE)
    if gone is None:
        last = run.steps[-1]
        return f"{text}, and never under 5 % in the {last.step} steps known"
    if gone == broken:
        return f"went under 5 % at step {gone}, {_price(run, gone)}"
    return f"{text}, and under 5 % at step {gone}, {_price(run, gone)}"


def _price(run: RunRecord, step: int) -> str:
    return f"where clean validation accuracy had dropped {run.drop(run.steps[step].counts):.2f} pt"


def _attack_stayed(run: RunRecord) -> str:
    last = run.steps[-1]
    lost = run.drop(last.counts)
    head = "Accuracy fell and the attack did not" if lost >= FELL else "Neither accuracy nor the attack fell"
    return (
        f"{head}: at step {last.step}, the last one known, clean validation accuracy had dropped {lost:.2f} pt "
        f"and the attack success rate (poisoned test) was {attack(run, last.counts):.2f} %."
    )


def _cost_only(run: RunRecord) -> str:
    last = run.steps[-1]
    return (
        f"Without a poisoned test set the curve shows what pruning costs, not what it wins: at step {last.step}, the "
        f"last one known, clean validation accuracy had dropped {run.drop(last.counts):.2f} pt."
    )

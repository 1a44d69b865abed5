"""What fell first along the steps that are known, clean accuracy or the attack: said as soon as it stands."""

from typing import NamedTuple

from engine.api import protocol as p
from engine.api.explanation import BROKEN, FALL
from tui.model.run_state import Figures, RunState, figures, images


class FirstFall(NamedTuple):
    """What fell first in words, empty as long as nothing has, and whether it was the attack."""

    text: str = ""
    attack: bool = False


def first_fall(state: RunState) -> FirstFall:
    """Which fell first, at which step, and what the other was there.

    Accuracy has fallen where it lost 4 points, decided on whole images; the attack, where its success rate is under
    50 %: as in the report. Between two steps that are known but not neighbours both may have fallen.
    """
    base = state.steps.get(0)
    if base is None or base.counts.poisoned is None:
        return FirstFall()
    start = figures(state, 0)
    if start is None or start.asr is None or start.asr < BROKEN:
        return FirstFall(f"no attack shown: ASR of B {start.asr:.2f} %" if start and start.asr is not None else "")
    for step in sorted(state.steps):
        now, valid = figures(state, step), state.steps[step].counts.valid
        if now is None or now.asr is None:
            continue
        lost = p.reached(FALL, base.counts.valid, valid, images(state, "valid"))
        broken = now.asr < BROKEN
        if lost or broken:
            return FirstFall(f"{_who(lost, broken)}: {_there(now, step, lost)}", attack=broken and not lost)
    return FirstFall()


def _who(lost: bool, broken: bool) -> str:
    return "both fell at once" if lost and broken else "accuracy fell first" if lost else "the attack fell first"


def _there(now: Figures, step: int, lost: bool) -> str:
    """The step, and both figures there; that which fell comes first."""
    drop, asr = f"{p.format_drop(now.drop)} pt", f"ASR {now.asr:.2f} %"
    return f"{drop} at step {step}, {asr}" if lost else f"{asr} at step {step}, {drop}"

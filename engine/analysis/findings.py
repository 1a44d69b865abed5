"""What the kept answers of a run say beyond counts: robust accuracy, and how far thresholds may move."""

from collections.abc import Iterable

import numpy as np

from engine.analysis.bootstrap import step_ranges
from engine.analysis.trigger import find_trigger
from engine.api import protocol as p
from engine.network.g_answers import g_answers
from engine.run.run import Run
from engine.run.session import mask_of


def analysed(run: Run, saved: Iterable[tuple[int, ...]], before: p.Analysed | None) -> p.Analysed:
    """The findings for B, for the networks that were saved, by their pruned channels, and for the thresholds in force.

    The trigger is looked for once: `before` is what was found at an earlier export.
    """
    trigger, unproven = (before.trigger, before.unproven) if before else looked_for(run)
    networks = dict.fromkeys([(), *saved])
    robust = tuple(robust_hits(run, pruned) for pruned in networks) if trigger else ()
    return p.Analysed(trigger, unproven, robust, ranges(run))


def looked_for(run: Run) -> tuple[p.TriggerRegion | None, str]:
    """The trigger of the poisoned test images, or why it could not be proven."""
    sets = run.inputs.sets
    if "test" not in sets or "poisoned" not in sets:
        return None, "it takes clean and poisoned test images"
    found = find_trigger(sets["test"], sets["poisoned"], run.check)
    return (found, "") if isinstance(found, p.TriggerRegion) else (None, found)


def robust_hits(run: Run, pruned: tuple[int, ...]) -> p.RobustHits:
    """Poisoned test images that B' and G answer with the label from before they were poisoned."""
    rows, labels = run.inputs.rows["poisoned"], run.inputs.sets["test"].labels
    key = np.packbits(mask_of(pruned, run.inputs.channels)).tobytes()
    b_prime = run.session.answers[key][rows]
    g = g_answers(run.b_answers[rows], b_prime, run.inputs.classes)
    return p.RobustHits(pruned, int(np.count_nonzero(b_prime == labels)), int(np.count_nonzero(g == labels)))


def ranges(run: Run) -> tuple[p.StepRange, ...]:
    """The range of each threshold's step, from the known steps of the current order."""
    session, rows = run.session, run.inputs.rows["valid"]
    labels = run.inputs.sets["valid"].labels
    steps = [at.step for at in session.known()]
    right = np.array([session.answers[session.key(step)][rows] == labels for step in steps])
    found = step_ranges(right, session.thresholds)
    return tuple(
        p.StepRange(each, *(None if end is None else steps[end] for end in ends)) for each, ends in found.items()
    )

"""How sure the figures of a network are, in lines for a screen: intervals, RA, DER, McNemar, the range of a step."""

from collections.abc import Iterator, Sequence

from engine.api import protocol as p
from engine.api.statistics import defence_effectiveness, mcnemar, only_one_right, wilson
from tui.model.run_state import RunState, images

Hits = tuple[str, int | None, p.SetName]  # a rate's name, its images, the set that they are of


def certainty(
    state: RunState, counts: p.Counts, pruned: tuple[int, ...], threshold: str | None, export: str
) -> list[str]:
    """Lines about B with `pruned` channels gone and about its G; about B itself where none is.

    `threshold`: the one that the network was saved at. `export`: the key that has RA and ranges computed.
    """
    lines = [*intervals(state, counts, bool(pruned)), robust(state, pruned, export)]
    if pruned:
        lines += [*effectiveness(state, counts), *paired(state, counts), *step_range(state, threshold)]
    return lines


def intervals(state: RunState, counts: p.Counts, pruned: bool) -> Iterator[str]:
    """The 95 % Wilson intervals of the rates, in percent: a line for B or B′, and one for G."""
    mine: list[Hits] = [
        ("valid", counts.valid, "valid"), ("test", counts.test, "test"), ("ASR", counts.poisoned, "poisoned"),
    ]  # fmt: skip
    yield f"95 %: {'B′' if pruned else 'B'} {_ends(state, mine)}"
    if pruned and counts.g_test is not None:
        theirs: list[Hits] = [
            ("test", counts.g_test, "test"), ("ASR", counts.g_poisoned, "poisoned"),
            ("detected", counts.detected, "poisoned"), ("alarms", counts.false_alarms, "test"),
        ]  # fmt: skip
        yield f"      G {_ends(state, theirs)}"


def _ends(state: RunState, listed: Sequence[Hits]) -> str:
    found = [(name, *wilson(hits, images(state, of))) for name, hits, of in listed if hits is not None]
    return "  ".join(f"{name} {low:.1f}-{high:.1f}" for name, low, high in found)


def robust(state: RunState, pruned: tuple[int, ...], export: str) -> str:
    """Robust accuracy with its interval, or why it is not there."""
    name = "RA, own label of poisoned images"
    if state.analysed is None:
        return f"{name}: {export} looks for it."
    if state.analysed.trigger is None:
        return f"No RA: {state.analysed.unproven}."
    found = next((at for at in state.analysed.robust if set(at.pruned) == set(pruned)), None)
    total = images(state, "poisoned")
    if found is None:
        return f"{name}: {export} counts it for what is saved."
    hits = (("B′", found.b_prime), ("G", found.g)) if pruned else (("B", found.b_prime),)
    return f"{name}: {', '.join(f'{who} {_with_interval(count, total)}' for who, count in hits)}"


def _with_interval(hits: int, total: int) -> str:
    low, high = wilson(hits, total)
    return f"{p.percent(hits, total):.2f} ({low:.1f}-{high:.1f})"


def effectiveness(state: RunState, counts: p.Counts) -> Iterator[str]:
    """DER of B′ and G; nothing without both test sets."""
    base, total = state.steps[0].counts, state.opened.sets if state.opened else {}
    sizes = {name: info.images for name, info in total.items()}
    after = {"B′": (counts.test, counts.poisoned), "G": (counts.g_test, counts.g_poisoned)}
    found = {who: defence_effectiveness((base.test, base.poisoned), hits, sizes) for who, hits in after.items()}
    told = [f"{who} {value:.4f}" for who, value in found.items() if value is not None]
    if told:
        yield f"DER, (ASR's fall - accuracy's fall + 1) / 2: {', '.join(told)}"


def paired(state: RunState, counts: p.Counts) -> Iterator[str]:
    """McNemar's exact test of B against B′; nothing without clean test images."""
    alone = only_one_right(state.steps[0].counts, counts)
    if alone is not None:
        yield f"McNemar, clean test: only B right {alone[0]:,}, only B′ right {alone[1]:,}, p {mcnemar(*alone):.2g}"


def step_range(state: RunState, threshold: str | None) -> Iterator[str]:
    """The steps in which 95 % of resamples of the validation images cross the threshold."""
    ranges = state.analysed.ranges if state.analysed else ()
    for at in ranges:
        if at.threshold == threshold:
            over = f"over {max(state.steps)}"
            low, high = (over if end is None else str(end) for end in (at.low, at.high))
            steps = low if low == high else f"{low} to {high}"
            yield f"{p.threshold_label(at.threshold)}: at step {steps} in 95 % of 1,000 resamples of validation images"

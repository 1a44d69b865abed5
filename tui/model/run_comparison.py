"""Runs of one lab side by side: what can be compared, and a run's curve as if it were an order that was compared."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.api import journal
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.orders import DEFAULT, method_of
from tui.model.run_state import RunState, reduce

SETS: Mapping[p.SetName, str] = {
    "valid": "clean validation images",
    "test": "clean test images",
    "poisoned": "poisoned test images",
}
COUNTED = {"test": ("test", "g_test", "false_alarms"), "poisoned": ("poisoned", "g_poisoned", "detected")}


def read_run(folder: Path) -> RunState:
    """A run as its journal tells it. Raises Refused where B was not measured."""
    state = RunState()
    for event in journal.events(folder):
        state = reduce(state, event)
    if not state.ready or state.began is None:
        raise Refused(f"{escape(folder.name, SHORT)}: B was not measured there, so there is nothing to compare.")
    return state


def refuse_others(states: Sequence[RunState]) -> list[p.SetName]:
    """The sets that are not the same in all runs. Raises Refused where the clean validation images are not."""
    digests = {name: {state.began.sha256.get(name) for state in states if state.began} for name in SETS}
    other = [name for name, found in digests.items() if len(found) > 1]
    if "valid" in other:
        raise Refused(
            f"{', '.join(map(run_name, states))}: were made on different clean validation images (SHA-256 differs), so "
            "their drops and steps cannot be compared. Name runs on the same images."
        )
    return other


def without(state: RunState, sets: Iterable[p.SetName]) -> RunState:
    """A run without what it says of some sets."""
    left_out = {column: None for name in sets for column in COUNTED[name]}
    steps = {
        step: msgspec.structs.replace(at, counts=msgspec.structs.replace(at.counts, **left_out))
        for step, at in state.steps.items()
    }
    opened = opened_of(state)
    kept = {name: info for name, info in opened.sets.items() if name not in sets}
    return msgspec.structs.replace(state, steps=steps, opened=msgspec.structs.replace(opened, sets=kept))


def as_order(state: RunState) -> p.Compared:
    """The known steps of a run's order, as if it had been compared with others."""
    if state.stride > 1:
        raise Refused(
            f"{run_name(state)}: took {state.stride} channels a step, so its curve has gaps. Name runs of every step."
        )
    last = next(step for step in range(len(state.steps) + 1) if step not in state.steps) - 1
    steps = tuple(state.steps[step].counts for step in range(last + 1))
    looks_at = method_of(state.order_by).looks_at if state.order_by else "clean"
    return p.Compared(order_of(state), looks_at, state.order[:last], steps)


def order_of(state: RunState) -> str:
    """How a run's order came about."""
    name = state.order_by or ("given" if state.ranked else DEFAULT)
    return name if state.order == whole_order(state) else f"{name}, changed by hand"


def whole_order(state: RunState) -> tuple[int, ...]:
    """The order in force, as it was before any channel was pruned out of turn; as it is, where nobody knows that."""
    if state.taken:
        return state.compared[state.taken].order if state.taken in state.compared else state.order
    return state.ranked.order if state.ranked else state.order


def opened_of(state: RunState) -> p.Opened:
    """What a run was made on. Raises Refused where its journal does not say."""
    if state.opened is None:
        raise Refused("A run that ended before its network was open has nothing to compare.")
    return state.opened


def run_name(state: RunState) -> str:
    return escape(opened_of(state).run.rsplit("/", 1)[-1], SHORT)


def beside(state: RunState, other: RunState) -> tuple[p.Compared, str]:
    """Another run of this lab as an order, and how it differs: its network, layer and order; what is not the same
    images is left out. Raises Refused where the clean validation images are not."""
    left_out = refuse_others([state, other])
    found, mine, theirs = as_order(without(other, left_out)), opened_of(state), opened_of(other)
    network = "the same network" if mine.model.sha256 == theirs.model.sha256 else f"network {theirs.model.name}"
    layer = "the same layer" if mine.layer == theirs.layer else f"layer {theirs.layer}"
    told = f"Run {run_name(other)}: {network}, {layer}, order {found.name}, {len(found.steps) - 1} steps."
    if left_out:
        told += f" Other {' and '.join(SETS[name] for name in left_out)}: what they say is left out."
    return found, told

"""Runs to draw in tests: a curve like the lab's, folded into a RunState as the workbench does it."""

from msgspec.structs import replace

from engine.api import protocol as p
from tui.model.run_state import RunState, Sent, reduce

CHANNELS, IMAGES = 60, 1000
ORDER = tuple((7 * i + 3) % CHANNELS for i in range(CHANNELS))
SETTINGS = p.Settings(root="/lab", model="/lab/models/bd_net.h5", valid="v.h5", test="t.h5", poisoned="p.h5")
LOST = {40: 4, 43: 11, 45: 29, 46: 34, 47: 39, 48: 45, 49: 66, 51: 92, 52: 146, 53: 221, 54: 440, 55: 715, 57: 916}


def hits(step: int) -> int:
    return 986 - max((lost for at, lost in LOST.items() if at <= step), default=0)


def counts(step: int) -> p.Counts:
    """Accuracy falls from step 40 on, the attack from step 50 on; G flags what B and B′ disagree on."""
    attack = 1000 if step < 50 else max(0, 1000 - 110 * (step - 49))
    good = hits(step)
    return p.Counts(good, good, attack, good - (986 - good) // 9, attack, 1000 - attack, 986 - good)


def mean(rank: int) -> float:
    return 0.0 if rank < 31 else 0.003 * 1.32 ** (rank - 31)


def opened(model: str = "bd_net.h5") -> list[p.AnyEvent]:
    """Events up to the baseline."""
    sets: dict[p.SetName, p.SetInfo] = {
        "valid": p.SetInfo("valid.h5", IMAGES, "1" * 64),
        "test": p.SetInfo("test.h5", IMAGES, "2" * 64),
        "poisoned": p.SetInfo("bd_test.h5", IMAGES, "3" * 64),
    }
    rank = {channel: i for i, channel in enumerate(ORDER)}
    active = tuple(0 if rank[c] < 31 else min(IMAGES, 40 * (rank[c] - 30)) for c in range(CHANNELS))
    means = tuple(mean(rank[c]) for c in range(CHANNELS))
    return [
        p.Began(SETTINGS, {}, {}, "2024-05-01T14:02:00"),
        p.Opened("/lab/runs/one", p.SetInfo(model, 0, "4" * 64), "conv_3", "pool_3", CHANNELS, 1283, (), sets, "0",
                 "cpu", "tensorflow", False),
        p.Ranked(ORDER, False, means, active, tuple(n // 2 for n in active)),
        p.Stepped(0, None, counts(0)),
        p.Moved(0),
    ]  # fmt: skip


def steps(last: int) -> list[p.AnyEvent]:
    """Events of a run from step 1 to `last`, with the thresholds it crosses."""
    events: list[p.AnyEvent] = []
    crossed: set[str] = set()
    for step in range(1, last + 1):
        events += [p.Stepped(step, ORDER[step - 1], counts(step), 120, 0.014), p.Moved(step)]
        for x in SETTINGS.save_at:
            if x not in crossed and p.reached(x, hits(0), hits(step), IMAGES):
                crossed.add(x)
                events.append(p.Crossed(x, step))
                events.append(p.Saved("model", f"/lab/models/model_prune_{x}.h5", "a" * 64, "written", step, x))
    return events


def run(last: int, playhead: int | None = None) -> RunState:
    """A run computed up to `last`, with the playhead at `playhead` (or at the end)."""
    state = reduce(RunState(), Sent(p.Open(SETTINGS)))
    for event in [*opened(), *steps(last)]:
        state = reduce(state, event)
    return replace(state, step=last if playhead is None else playhead)

"""What a table of runs tells of each: network, layer, order, how far it came, what fell first, who holds it."""

from pathlib import Path

import msgspec

from engine.api import engine_socket, journal, locks
from engine.api import protocol as p
from engine.api.deliverables import Ledger
from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.journal import RunSummary
from engine.api.orders import method_of
from engine.api.protocol import percent, reached

FALL = "4"  # points of clean validation accuracy: a loss that a user feels
BROKEN = 50  # percent of attack success: it fails more often than not


class RunRow(msgspec.Struct, frozen=True):
    """A line of the table. `reached`: thresholds with the step that reached them first; `rates`: clean validation
    accuracy and attack success rate at the last known step, in percent. `verdict` is empty before anything fell."""

    run: RunSummary
    layer: str = ""
    order: str = ""
    verdict: str = ""
    reached: tuple[tuple[str, int], ...] = ()
    rates: tuple[float, float | None] | None = None
    held_by: str = ""
    goes_on: bool = False  # its engine works on it without a front end

    @property
    def folder(self) -> Path:
        return Path(self.run.folder)


def run_row(run: RunSummary) -> RunRow:
    """Read a run's whole journal. What cannot be read leaves the line with what its summary says."""
    held_by, goes_on = locks.holder(Path(run.folder)), engine_socket.recorded(Path(run.folder)) is not None
    try:
        events = journal.events(Path(run.folder))
    except Refused:
        return RunRow(run, held_by=held_by, goes_on=goes_on)
    ledger = Ledger()
    for event in events:
        ledger.take(event)
    opened = next((event for event in events if isinstance(event, p.Opened)), None)
    if opened is None or 0 not in ledger.steps:
        return RunRow(run, opened.layer if opened else "", held_by=held_by, goes_on=goes_on)
    images = {name: info.images for name, info in opened.sets.items()}
    thresholds = [event.save_at for event in events if isinstance(event, p.Thresholds)]
    save_at = thresholds[-1] if thresholds else run.settings.save_at
    return RunRow(
        run,
        opened.layer,
        order_name(events, ledger),
        verdict(ledger.steps, images),
        tuple((each, step) for each in save_at if (step := first_reached(ledger.steps, each, images)) is not None),
        rates(ledger.steps, images),
        held_by,
        goes_on,
    )


def order_name(events: list[p.AnyEvent], ledger: Ledger) -> str:
    """The name of the order in force, marked where channels were pruned out of turn."""
    ranked = next((event for event in events if isinstance(event, p.Ranked)), None)
    began = "" if ranked is None else "given" if ranked.given else ranked.order_by
    name = ledger.order_by or began
    by_hand = any(isinstance(event, p.Reordered) and event.order_by is None for event in events)
    changed = by_hand and ranked is not None and ledger.order != ranked.order and not ledger.order_by
    return f"{name}, by hand" if changed else name


def first_reached(steps: dict[int, p.Counts], threshold: str, images: dict[p.SetName, int]) -> int | None:
    """The first known step whose drop is at least `threshold` points."""
    base, total = steps[0].valid, images.get("valid", 0)
    return next((at for at in sorted(steps) if reached(threshold, base, steps[at].valid, total)), None)


def rates(steps: dict[int, p.Counts], images: dict[p.SetName, int]) -> tuple[float, float | None]:
    """Clean validation accuracy and attack success rate at the last known step, in percent."""
    last = steps[max(steps)]
    asr = None if last.poisoned is None else percent(last.poisoned, images.get("poisoned", 0))
    return percent(last.valid, images.get("valid", 0)), asr


def verdict(steps: dict[int, p.Counts], images: dict[p.SetName, int]) -> str:
    """What fell first along the known steps: 4 points of clean validation accuracy, or the attack under 50 %."""
    poisoned = images.get("poisoned", 0)
    accuracy = first_reached(steps, FALL, images)
    if steps[0].poisoned is None:
        return "no poisoned set"
    if 100 * steps[0].poisoned < BROKEN * poisoned:
        return "no attack shown"
    attack = next((at for at in sorted(steps) if 100 * (steps[at].poisoned or 0) < BROKEN * poisoned), None)
    if accuracy is None and attack is None:
        return ""
    if attack is None or (accuracy is not None and accuracy < attack):
        return "accuracy first"
    return "both at once" if accuracy == attack else "attack first"


def oracle(row: RunRow) -> bool:
    """Whether the run's order looked at poisoned images."""
    name = row.order.removesuffix(", by hand")
    return bool(name) and name != "given" and method_of(name).oracle


def named(row: RunRow) -> str:
    """The run folder's name, fit to be shown."""
    return escape(row.folder.name)

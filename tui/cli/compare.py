"""`lab3-tui compare`: orders of one network side by side, or runs of one lab."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.api import journal
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.order_figures import UNDER, OrderFigures, disagreement, summary
from engine.api.orders import BADGES, METHODS, order_name, order_names
from tui.cli.choose_run import choose, named_run, refuse
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect
from tui.headless.narrator import Narrator, narrator
from tui.headless.tables import aligned
from tui.model.formatting import EMPTY, rate
from tui.model.launch import Launch
from tui.model.options import Options
from tui.model.run_state import RunState, images, reduce
from tui.terminal.outputs import complain, put

RANDOM = 3  # random orders that are compared where none are named
ONLY_LOOKED_AT = (
    "Scores and ASR come from poisoned images, which no defender has: they show which order works, they choose none."
)
HEADER = ("order", "looks at", "score", *(f"ASR < {limit} %" for limit in UNDER))
SETS: Mapping[p.SetName, str] = {
    "valid": "clean validation images",
    "test": "clean test images",
    "poisoned": "poisoned test images",
}
COUNTED = {"test": ("test", "g_test", "false_alarms"), "poisoned": ("poisoned", "g_poisoned", "detected")}


def names(text: str | None) -> tuple[str, ...]:
    """The orders to compare: as given, or every one that looks at no poisoned images. Raises Refused."""
    if text is not None:
        return order_names(text)
    alone = [name for name, method in METHODS.items() if not method.oracle and name != "random"]
    return (*alone, *(order_name(f"random:{seed}") for seed in range(RANDOM)))


def launch(options: Options, attack: str | None, run: Path | None) -> Launch:
    """The run to compare orders in: a new one that saves no B', or one to go on with. Raises Refused."""
    found = choose(options, attack, False, run, headless=True)
    if run is not None or found.settings is None:
        return found
    settings = msgspec.structs.replace(found.settings, save_at=())
    return Launch(found.root, settings, demo=found.demo, notice=found.notice)


def run(launch: Launch, orders: Sequence[str], json: bool, connect: Connect, told: Narrator | None = None) -> int:
    """Compare orders in an engine. Returns the exit code."""
    if launch.settings is None:
        raise Refused("There is no lab folder here. Name files with --model and --valid, or a run with --run.")
    said = told or narrator()

    def heard(event: p.AnyEvent) -> None:
        if isinstance(event, p.Opened) and event.held_by:
            raise Refused(f"This folder is in use by another window ({event.held_by}).")
        if json:
            said.stdout(p.encode(event).decode())

    driver = Driver(connect(), said, heard)
    command = p.Open(launch.settings, launch.run, launch.demo)

    async def work() -> None:
        await driver.perform(command)
        await driver.perform(p.Compare(tuple(orders)))
        for line in [] if json else report(driver.state):
            said.stdout(line)
        sys.stdout.flush()
        if images(driver.state, "poisoned"):
            said.stderr(ONLY_LOOKED_AT)

    if launch.notice:
        said.stderr(launch.notice)
    return drive(driver, work)


def report(state: RunState) -> list[str]:
    """The table of the orders that were compared, what CLP prunes as published, and what validation data can tell."""
    found = [(compared, figures(state, compared)) for compared in state.compared.values()]
    lines = aligned([HEADER, *(row(compared.name, BADGES[compared.looks_at], at) for compared, at in found)])
    lines += [published_set(state, compared) for compared, _ in found if compared.chosen is not None]
    for points, fewest, most in disagreement(found):
        channels = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        lines.append(f"within {points} points of clean validation accuracy, orders without an oracle prune {channels}")
    return lines


def figures(state: RunState, compared: p.Compared) -> OrderFigures:
    """How good an order is on the sets of this run."""
    return summary(compared, {name: images(state, name) for name in SETS if images(state, name)})


def row(name: str, badge: str, at: OrderFigures) -> list[str]:
    """A line of the table: where ASR comes under a limit the step, the drop and clean test accuracy there."""
    score = EMPTY if at.score is None else f"{at.score:.3f}"
    return [name, badge, score, *(where(under.step, under.drop, under.test) for under in at.under)]


def where(step: int | None, drop: float | None, test: float | None) -> str:
    if step is None:
        return EMPTY
    return f"step {step}, {-(drop or 0.0) or 0.0:+.1f} pt, test {rate(test, 1)}"


def published_set(state: RunState, compared: p.Compared) -> str:
    """What a method that prunes a set comes to."""
    channels, at = compared.chosen or (), compared.chosen_counts
    if not channels or at is None:
        return f"{compared.name} as published prunes no channel"
    drop = p.drop(compared.steps[0].valid, at.valid, images(state, "valid"))
    told = f"{compared.name} as published prunes {', '.join(map(str, channels))}: {-drop or 0.0:+.2f} pt"
    if at.test is not None:
        told += f", test {p.percent(at.test, images(state, 'test')):.2f} %"
    return told if at.poisoned is None else f"{told}, ASR {p.percent(at.poisoned, images(state, 'poisoned')):.2f} %"


# --- runs ---


def runs(folders: Sequence[Path], options: Options, orders: str | None, json: bool) -> int:
    """Set the curves of run folders side by side. Returns the exit code. Raises Refused for what cannot be compared."""
    refuse(set(options.given()) - {"--root", "--runs"}, "Runs are compared as they are")
    if orders is not None:
        raise Refused("--orders: goes with one run. Leave it out to compare runs.")
    states = [read(folder, options) for folder in folders]
    missing = refuse_others(states)
    shown = [without(state, missing) for state in states]
    if json:
        put(sys.stdout, msgspec.json.encode([entry(state) for state in shown]).decode())
    else:
        for line in runs_table(shown):
            put(sys.stdout, line)
    for name in missing:
        complain(f"{SETS[name]}: not the same in all of these runs (SHA-256 differs), so what they say is left out.")
    return 0


def read(folder: Path, options: Options) -> RunState:
    """A run as its journal tells it. Raises Refused where B was not measured."""
    found = named_run(folder, options.runs_folder)
    state = RunState()
    for event in journal.events(Path(found.folder)):
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
    last = next(step for step in range(len(state.steps) + 1) if step not in state.steps) - 1
    steps = tuple(state.steps[step].counts for step in range(last + 1))
    looks_at = state.ranked.looks_at if state.ranked else "clean"
    return p.Compared(order_of(state), looks_at, state.order[:last], steps)


def order_of(state: RunState) -> str:
    """How a run's order came about."""
    ranked = state.ranked
    name = "mean" if ranked is None else "given" if ranked.given else ranked.order_by
    return name if ranked is None or state.order == ranked.order else f"{name}, changed by hand"


def opened_of(state: RunState) -> p.Opened:
    """What a run was made on. Raises Refused where its journal does not say."""
    if state.opened is None:
        raise Refused("A run that ended before its network was open has nothing to compare.")
    return state.opened


def run_name(state: RunState) -> str:
    return escape(opened_of(state).run.rsplit("/", 1)[-1], SHORT)


def runs_table(states: Sequence[RunState]) -> list[str]:
    """A line a run: its network, layer and order, how far it came, and how good that is."""
    header = ("run", "network", "layer", *HEADER[:2], "steps", *HEADER[2:])
    return aligned([header, *map(_run_row, states)], left=5)


def _run_row(state: RunState) -> list[str]:
    opened, compared = opened_of(state), as_order(state)
    badge = EMPTY if compared.name.startswith("given") else BADGES[compared.looks_at]
    cells = row(compared.name, badge, figures(state, compared))
    names = [run_name(state), opened.model.name, opened.layer]
    return [*names, *cells[:2], str(len(compared.steps) - 1), *cells[2:]]


def entry(state: RunState) -> dict[str, object]:
    """A run for programs."""
    opened, compared = opened_of(state), as_order(state)
    found = figures(state, compared)
    return {
        "run": opened.run,
        "model": opened.model.name,
        "layer": opened.layer,
        "order_by": compared.name,
        "order": compared.order,
        "score": found.score,
        "asr_under": {str(at.percent): at._asdict() for at in found.under},
        "curve": compared.steps,
    }

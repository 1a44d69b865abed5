"""`lab3-tui compare`: orders of one network side by side, or runs of one lab."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import escape_json
from engine.api.order_figures import UNDER, OrderFigures, disagreement, summary
from engine.api.orders import BADGES, METHODS, order_name, order_names
from tui.cli.choose_run import choose, named_run, refuse
from tui.headless.headless_run import Connect
from tui.headless.lab_commands import LabCommands
from tui.headless.narrator import Narrator
from tui.headless.tables import aligned
from tui.model.formatting import EMPTY, rate
from tui.model.launch import Launch
from tui.model.options import Options
from tui.model.run_comparison import (
    SETS,
    as_order,
    opened_of,
    read_run,
    refuse_others,
    run_name,
    without,
)
from tui.model.run_state import RunState, images
from tui.terminal.outputs import complain, put

RANDOM = 3  # random orders that are compared where none are named
ONLY_LOOKED_AT = (
    "Scores and ASR come from poisoned images, which no defender has: they show which order works, they choose none."
)
HEADER = ("order", "looks at", "score", *(f"ASR < {limit} %" for limit in UNDER))


def names(text: str | None) -> tuple[str, ...]:
    """The orders to compare: as given, or every one that looks at no poisoned images. Raises Refused."""
    if text is not None:
        return order_names(text)
    alone = [name for name, method in METHODS.items() if not method.oracle and name != "random"]
    return (*alone, *(order_name(f"random:{seed}") for seed in range(RANDOM)))


def launch(options: Options, attack: str | None, run: Path | None) -> Launch:
    """The run to compare orders in: a new one that saves no B′, or one to go on with. Raises Refused."""
    found = choose(options, attack, False, run, headless=True)
    if run is not None or found.settings is None:
        return found
    settings = msgspec.structs.replace(found.settings, save_at=())
    return Launch(found.root, settings, demo=found.demo, notice=found.notice)


def run(launch: Launch, orders: Sequence[str], json: bool, connect: Connect, told: Narrator | None = None) -> int:
    """Compare orders in an engine. Returns the exit code."""
    lab = LabCommands(launch, json, connect, told)

    async def work() -> None:
        await lab.perform(p.Compare(tuple(orders)))
        lab.tell(*report(lab.state))
        sys.stdout.flush()
        if images(lab.state, "poisoned"):
            lab.said.stderr(ONLY_LOOKED_AT)

    return lab.run(work)


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
    return f"step {step}, {p.format_drop(drop or 0.0)} pt, test {rate(test, 1)}"


def published_set(state: RunState, compared: p.Compared) -> str:
    """What a method that prunes a set comes to."""
    channels, at = compared.chosen or (), compared.chosen_counts
    if not channels or at is None:
        return f"{compared.name} as published prunes no channel"
    drop = p.drop(compared.steps[0].valid, at.valid, images(state, "valid"))
    told = f"{compared.name} as published prunes {', '.join(map(str, channels))}: {p.format_drop(drop)} pt"
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
        put(sys.stdout, escape_json(msgspec.json.encode([entry(state) for state in shown]).decode()))
    else:
        for line in runs_table(shown):
            put(sys.stdout, line)
    for name in missing:
        complain(f"{SETS[name]}: not the same in all of these runs (SHA-256 differs), so what they say is left out.")
    return 0


def read(folder: Path, options: Options) -> RunState:
    """A run as its journal tells it. Raises Refused where B was not measured."""
    return read_run(Path(named_run(folder, options.runs_folder).folder))


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

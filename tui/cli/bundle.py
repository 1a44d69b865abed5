"""`lab3-tui bundle`: one zip to hand in, checked. The twin of the key H."""

from pathlib import Path
from typing import cast

from engine.api import journal, lab
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.demo import Attack, demo_root
from engine.api.errors import LabError, Refused
from engine.api.escape import escape
from tui.cli.choose_run import named_run
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect
from tui.headless.narrator import Narrator, narrator
from tui.headless.tables import aligned
from tui.model import options
from tui.model.formatting import EMPTY

HEADER = (
    "network",
    "file",
    "at zero",
    "valid %",
    "test %",
    "ASR test %",
    "G test %",
    "G ASR %",
    "detected %",
    "alarms %",
)
COLUMNS = ("valid", "test", "poisoned", "g_test", "g_poisoned", "detected", "false_alarms")


def command(typed: options.Options, run: Path | None, attack: str | None, to: Path | None, overwrite: bool) -> p.HandIn:
    """What to pack: the run that is named, else the newest with a step pruned. Raises Refused."""
    runs = demo_root(cast(Attack, attack)) / lab.RUNS if attack else typed.runs_folder
    if run is not None:
        found = named_run(run, runs)
    else:
        pruned = [each for each in journal.all_runs(runs) if each.step]
        if not pruned:
            raise Refused(f"{escape(str(runs))}: no run there that pruned a channel. Name one with --run.")
        found = pruned[0]
    return p.HandIn(found.folder, options.absolute(to) if to else "", overwrite)


def run(command: p.HandIn, connect: Connect = EngineClient, told: Narrator | None = None) -> int:
    """Check and pack in an engine. Returns the exit code."""
    said = told or narrator()
    driver = Driver(connect(), said, lambda _: None)

    async def work() -> None:
        await driver.perform(command)
        if driver.state.handed_in is None:
            raise LabError("The engine ended without a file.")
        for line in report(driver.state.handed_in):
            said.stdout(line)

    return drive(driver, work)


def report(event: p.HandedIn) -> list[str]:
    """What was checked, and where the file is."""
    lines = aligned([HEADER, *map(_row, event.checks)])
    told = f"{event.path}: {len(event.files)} files, {event.size / 1e6:.1f} MB; every network is what the results say"
    return [*lines, "", told]


def _row(check: p.NetworkCheck) -> list[str]:
    rates = {column: p.percent(hits, images) for column, hits, images in check.figures}
    cells = [f"{rates[column]:.2f}" if column in rates else EMPTY for column in COLUMNS]
    return [check.network.replace("′", "'").replace("″", '"'), check.file, str(check.pruned), *cells]

"""`lab3-tui sweep`: many networks, layers, orders and seeds; with a screen, or a line a cell."""

import sys
from pathlib import Path

from engine.api.errors import ExitCode, Refused
from engine.api.escape import escape
from tui.sweep.cells import base_settings, cells_of, networks, refuse_links
from tui.sweep.plan import SweepPlan, keep_plan, kept_plan, read_plan, write_template
from tui.sweep.sweep_run import Sweep
from tui.sweep.workers import Where, refuse_where
from tui.terminal.outputs import complain, put

PLAN = Path("sweep.toml")  # that --init writes where no other name is given


def engine() -> tuple[str, ...] | None:
    """What starts an engine at a worker; None: its own installation's."""
    return None


def init(path: Path | None) -> int:
    """Write a plan to edit."""
    write_template(path or PLAN)
    put(sys.stdout, str(path or PLAN))
    return ExitCode.DONE


def planned(path: Path | None, said: SweepPlan, resume: bool) -> SweepPlan:
    """The plan of a file, of a sweep that goes on, or of options alone; options come before what a file says.

    Raises Refused.
    """
    if resume and path is not None:
        raise Refused("--resume goes on with the plan that a sweep began with; leave out the file, or --resume.")
    if resume:
        return said.over(kept_plan(said.folder))
    if path is None and said.models is None:
        raise Refused("Name a plan, or networks with --models. lab3-tui sweep --init writes a plan to edit.")
    return said.over(read_plan(path)) if path is not None else said


def run(plan: SweepPlan, where: Where, headless: bool) -> int:
    """The sweep with a screen, or with a line a cell on stdout. Returns the exit code. Raises Refused."""
    refuse_where(where)
    if headless:
        return without_screen(plan, where)
    from tui.app.run_workbench import refusal
    from tui.app.sweep_app import run as with_screen

    if why := refusal():
        raise Refused(why.replace("lab3-tui --headless", "lab3-tui sweep --headless"))
    base_settings(plan, networks(plan)[0])  # what is wrong with the plan is said before there is a screen
    keep_plan(plan)
    return with_screen(plan.folder, where.options())


def without_screen(plan: SweepPlan, where: Where) -> int:
    keep_plan(plan)
    works, notes = cells_of(plan)
    refuse_links(plan.folder, works)
    if not works:
        complain("The plan has no cells.")
        return ExitCode.USAGE
    return Sweep(f"Sweep {escape(plan.folder.name)}", plan.folder, works, notes, engine()).run(where)

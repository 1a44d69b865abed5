"""Which run the command line means: a new one, one to go on with, or the demo."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import cast

from msgspec import structs

from engine.api import engine_socket, journal, lab, left_running
from engine.api.demo import Attack, demo_root, first_line
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from tui.model.launch import Launch, demo_launch, demo_settings
from tui.model.options import NoLab, Options, absolute, lab_settings, with_options

# options that may stand beside --resume and --run
BESIDE_RUN = {"--root", "--runs", "--save-at", "--overwrite"}
# options that the demo answers by itself
OF_DEMO = {"--root", "--model", "--valid", "--test", "--poisoned", "--poisoned-valid", "--scale"}


def choose(options: Options, attack: str | None, resume: bool, run: Path | None, headless: bool) -> Launch:
    """What to open. Without a lab folder here the workbench asks; headless that is refused. Raises Refused."""
    demo = cast(Attack, attack) if attack else None
    if demo:
        refuse(OF_DEMO & set(options.given()), "--demo brings its own files")
    if resume or run:
        return going_on(options, demo, resume, run, headless)
    runs = demo_root(demo) / lab.RUNS if demo else options.runs_folder
    new = headless or set(options.given()) - {"--root", "--runs"}
    if not new and (found := run_left(runs)):
        return launch_of(found)
    if demo:
        return new_demo(demo, options)
    try:
        return Launch(Path(options.home), lab_settings(options))
    except NoLab as error:
        if headless:
            raise
        named = bool(options.model or options.valid)
        return Launch(Path(options.home), None, notice=str(error) if named else "")


def refuse(options: set[str], why: str) -> None:
    if options:
        raise Refused(f"{why}; leave out {', '.join(sorted(options))}.")


def new_demo(attack: Attack, options: Options) -> Launch:
    settings = with_options(demo_settings(attack), options)
    return replace(demo_launch(attack), settings=settings, notice=first_line(attack, settings.out))


def going_on(options: Options, demo: Attack | None, resume: bool, run: Path | None, headless: bool) -> Launch:
    """A run that has begun. It keeps the settings that it began with; what may be overwritten can be said anew."""
    if resume and run:
        raise Refused("--resume takes the newest unfinished run, --run names one; give one of them.")
    beside = BESIDE_RUN if headless else BESIDE_RUN - {"--save-at"}
    refuse(set(options.given()) - beside, "A run goes on as it began")
    if demo:
        options = replace(options, root=demo_root(demo))
    found = named_run(run, options.runs_folder) if run else newest_unfinished(options.runs_folder)
    return launch_of(found, options.overwrite)


def launch_of(run: journal.RunSummary, overwrite: bool = False) -> Launch:
    """Go on with a run, in the lab folder that it lies in: what it names itself may be anywhere."""
    settings = structs.replace(run.settings, overwrite=overwrite or run.settings.overwrite)
    return Launch(lab.lab_of(Path(run.folder)), settings, run=run.folder)


def run_left(runs: Path) -> journal.RunSummary | None:
    """The newest run whose engine goes on by itself; else the one whose engine was left, and has ended since."""
    at_work = [run for run in journal.run_folders(runs) if engine_socket.recorded(run)]
    return next((found for run in (*at_work, *left_running.left_in(runs)) if (found := summary_of(run))), None)


def summary_of(run: Path) -> journal.RunSummary | None:
    """A run that is there and can be read."""
    with contextlib.suppress(Refused):
        return journal.summary(run)
    return None


def newest_unfinished(runs: Path) -> journal.RunSummary:
    """The newest with a step pruned; where none has, the newest that was begun. Raises Refused."""
    unfinished = journal.unfinished_runs(runs) or [run for run in journal.all_runs(runs) if not run.finished]
    if not unfinished:
        raise Refused(f"{escape(str(runs))}: no unfinished run there. Name a run with --run, or its lab with --root.")
    return unfinished[0]


def named_run(run: Path, runs: Path) -> journal.RunSummary:
    """The run in a folder, or of that name among the runs."""
    for folder in (Path(absolute(run)), runs / run.name):
        if found := journal.summary(folder):
            return found
    raise Refused(f"{escape(run.name, SHORT)}: is no run folder, it has no {journal.NAME} that begins a run.")

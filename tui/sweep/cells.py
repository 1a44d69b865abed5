"""The cells of a plan: what each computes, which folder is its own, and whether it is done.

A cell's folder is named after what the cell computes: the SHA-256 of its inputs, the settings that decide a result, and
the versions of what computes it. So a cell that is done is found again by whatever plan asks for it.
"""

import contextlib
import glob
import hashlib
import os
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from engine.api import file_names, journal, lab
from engine.api.atomic_file import sha256_file
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape, escape_path
from engine.api.inspection import Description, describe
from engine.api.protocol import PROTOCOL, SETS, Began, Finished, Settings
from tui.model import options
from tui.model.sweep_state import Cell
from tui.sweep.plan import MOST_CELLS, SweepPlan, orders_of

CELLS = "cells"  # the folder of the cells' folders
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}  # by KERAS_BACKEND, the package
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
WHOLE = ("results.csv", "curve.csv")  # what a run that is done has in its folder, at the least


class Work(msgspec.Struct, frozen=True):
    """A cell with what a worker has to know: its settings and its inputs' SHA-256, or why it is `refused`."""

    cell: Cell
    settings: Settings | None = None
    sha256: dict[str, str] = {}
    refused: str = ""


def cells_of(plan: SweepPlan) -> tuple[list[Work], list[str]]:
    """The cells in order, and what the user should know. Raises Refused for a plan that cannot be begun.

    What is wrong with one network is a refused cell.
    """
    orders, notes = orders_of(plan), []
    paths, left_out = networks(plan)
    if left_out:
        notes.append(f"Left out: {left_out} networks that runs saved (model_prune_2.h5 and the like).")
    base = base_settings(plan, paths)
    sets = {str(name): _hashed(path) for name in SETS if (path := getattr(base, name)) is not None}
    found: list[Work] = []
    for path in paths:
        described = describe(path)
        for layer, refusal in layers_of(plan.layers or ("default",), described):
            for order, seed in orders:
                found.append(_work(plan, base, sets, len(found), path, described, (layer, order, seed), refusal))
                if len(found) > MOST_CELLS:
                    raise Refused(f"The plan has more than {MOST_CELLS:,} cells. Sweep fewer at a time.")
    return found, notes


def base_settings(plan: SweepPlan, paths: list[Path]) -> Settings:
    """The settings that all cells share, as a single run would have them. Raises Refused."""
    settings = options.lab_settings(plan.run_options(paths[0]))
    tune_at = settings.save_at if plan.tune else ()
    return msgspec.structs.replace(settings, tune_at=tune_at, overwrite=True)  # a cell's folder is the sweep's own


def networks(plan: SweepPlan) -> tuple[list[Path], int]:
    """The files that the plan names, each once, and how many B' of runs its patterns left out. Raises Refused."""
    home, found, left_out = plan.home, list[Path](), 0
    for pattern in plan.models or ():
        if not glob.has_magic(pattern):
            found.append(Path(os.path.abspath(home / pattern)))
            continue
        matches = sorted(glob.glob(pattern, root_dir=home, recursive=True))
        own = [name for name in matches if not _saved_by_a_run(Path(name).name)]
        left_out += len(matches) - len(own)
        if not own:
            raise Refused(f"--models: '{escape(pattern, SHORT)}' matches no network in {escape(str(home))}.")
        found += [Path(os.path.abspath(home / name)) for name in own]
    if not found:
        model = lab.find(home).model
        if model is None:
            raise Refused(f"{escape(str(home))}: there is no {lab.MODELS[0]} there. Name networks with --models.")
        found.append(Path(model))
    return list(dict.fromkeys(found)), left_out


def _saved_by_a_run(name: str) -> bool:
    return file_names.saved_point(name) is not None or file_names.TUNED.fullmatch(name) is not None


def layers_of(asked: tuple[str, ...], found: Description) -> list[tuple[str, str]]:
    """Layers by name, each once, with why that one cannot be pruned; empty where it can."""
    if found.refusal is not None:
        return [(layer, found.refusal) for layer in asked]
    if found.kind != "model":
        return [(layer, f"{found.name}: is a data set, expected a model.") for layer in asked]
    able = [layer.name for layer in found.layers if layer.refusal is None]
    refusals = {layer.name: layer.refusal for layer in found.layers}
    layers: dict[str, str] = {}
    for layer in asked:
        if layer in ("default", "all"):
            named = able if layer == "all" else [found.layer] if found.layer else []
            for name in named or [layer]:
                layers[str(name)] = "" if named else f"{found.name}: has no convolution that can be pruned."
        else:
            layers[layer] = layer_refusal(found.name, layer, refusals)
    return list(layers.items())


def layer_refusal(model: str, layer: str, refusals: dict[str, str | None]) -> str:
    """Why a layer that was named cannot be pruned; empty where it can."""
    shown = escape(layer, SHORT)
    if layer not in refusals:
        return f"{model}: has no layer '{shown}'. lab3-tui inspect names its layers."
    why = refusals[layer]
    return f"{model}: layer '{shown}' cannot be pruned: {why}" if why else ""


def _work(
    plan: SweepPlan,
    base: Settings,
    sets: dict[str, str],
    number: int,
    path: Path,
    described: Description,
    asked: tuple[str, str, int | None],
    refusal: str,
) -> Work:
    layer, order, seed = asked
    cell = Cell(number, shown_path(path, plan.home), escape(layer, SHORT), order, seed)
    if refusal:
        return Work(cell, refused=refusal)
    settings = msgspec.structs.replace(base, model=str(path), layer=layer, order_by=order)
    if settings.tune_at and seed is not None:
        settings = msgspec.structs.replace(settings, tune_seeds=(seed,))
    sha256 = {"model": described.sha256 or _hashed(str(path)), **sets}
    folder = folder_name(cell, identity(settings, sha256))
    home = plan.folder / CELLS / folder
    settings = msgspec.structs.replace(settings, out=str(home / "models"), runs=str(home / lab.RUNS))
    return Work(msgspec.structs.replace(cell, folder=folder), settings, sha256)


def shown_path(path: Path, home: Path) -> str:
    """A file as the tables name it: in the lab folder by its place there."""
    return escape(str(path.relative_to(home) if path.is_relative_to(home) else path))


def _hashed(path: str) -> str:
    """The SHA-256 of an input. Raises Refused."""
    try:
        return sha256_file(Path(path))
    except OSError as error:
        name = escape(Path(path).name, SHORT)
        raise Refused(f"{name}: {(error.strerror or 'cannot be read').lower()}.") from error


def identity(settings: Settings, sha256: dict[str, str]) -> str:
    """What a cell computes, as a SHA-256: its inputs, the settings that decide a result, and the versions."""
    deciding = {
        "sha256": dict(sorted(sha256.items())),
        "layer": settings.layer,
        "order_by": settings.order_by,
        "save_at": settings.save_at,
        "save_steps": settings.save_steps,
        "stride": settings.stride,
        "scale": settings.scale,
        "tune_at": settings.tune_at,
        "tune_seeds": settings.tune_seeds if settings.tune_at else (),
        "versions": versions(),
    }
    return hashlib.sha256(msgspec.json.encode(deciding)).hexdigest()


def versions() -> dict[str, str]:
    """The versions of what computes a cell; the same here and at every worker, or a worker is refused."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    found = {"protocol": str(PROTOCOL)}
    for package in ("lab3-tui", "keras", "numpy", BACKENDS.get(backend, backend)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def folder_name(cell: Cell, identity: str) -> str:
    """A name that people can read, and that no other cell has."""
    seed = "" if cell.seed is None or cell.order.startswith("random:") else f"s{cell.seed}"
    parts = (Path(cell.model).stem[:40], cell.layer[:24], cell.order.replace(":", "-"), seed)
    readable = "-".join(UNSAFE.sub("_", part) for part in parts if part)
    return f"{readable.lstrip('.-_') or 'cell'}-{identity[:12]}"


def refuse_links(folder: Path, works: Iterable[Work]) -> None:
    """Raises Refused where a cell's folder is a link, as one in a lab from elsewhere may be: it leads out."""
    homes = [folder / CELLS, *(folder / CELLS / work.cell.folder for work in works if work.cell.folder)]
    for place in (path / name for path in homes for name in ("", "models", lab.RUNS)):
        if os.path.islink(place):
            raise Refused(f"{escape_path(str(place))}: is a link, expected a folder of the sweep's own. Take it away.")


def finished_run(work: Work) -> Path | None:
    """The run folder where this cell is done: its journal says so, on the same inputs, and its tables are there."""
    if work.settings is None:
        return None
    for summary in journal.all_runs(lab.runs_folder(work.settings)):
        folder = Path(summary.folder)
        if summary.finished and all(os.path.isfile(folder / name) for name in WHOLE) and same_inputs(folder, work):
            return folder
    return None


def same_inputs(run: Path, work: Work) -> bool:
    """Whether a run's journal begins with the inputs of this cell and comes to its end."""
    began: Began | None = None
    finished = False
    with contextlib.suppress(Refused):
        for entry in journal.ends(run / journal.NAME):
            began = entry.event if isinstance(entry.event, Began) else began
            finished = finished or isinstance(entry.event, Finished)
    return finished and began is not None and began.sha256 == work.sha256


def run_to_go_on(work: Work) -> Path | None:
    """The newest run of this cell that was begun; one whose tables are gone is written anew by going on."""
    if work.settings is None:
        return None
    begun = journal.all_runs(lab.runs_folder(work.settings))
    return Path(begun[0].folder) if begun else None

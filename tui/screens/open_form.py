"""The lines of the open screen: what belongs into each, and what its file turned out to be."""

import os
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from engine.api import lab
from engine.api.escape import escape
from engine.api.inspection import Description
from engine.api.protocol import Settings
from tui.model.formatting import short_path

PATH = 50  # cells of a path among words


class Line(NamedTuple):
    """A line of the form. `id` is the setting's name."""

    id: str
    label: str
    needed: bool
    empty: str  # what the empty line stands for
    about: str


LINES = (
    Line("root", "Folder", True, "needed", "A folder in the lab's layout; the lines below are found in it."),
    Line("model", "Network", True, "needed", "The BadNet, an .h5 or .keras file: models/bd_net.h5 in a lab folder."),
    Line("valid", "Clean validation", True, "needed", "data/cl/valid.h5: decides the order and the thresholds."),
    Line("test", "Clean test", False, "optional", "data/cl/test.h5, optional: test accuracy, and G's false alarms."),
    Line(
        "poisoned",
        "Poisoned test",
        False,
        "optional",
        "data/bd/bd_test.h5, optional: attack success, and G's detections.",
    ),
    Line(
        "poisoned_valid",
        "Poisoned validation",
        False,
        "optional",
        "data/bd/bd_valid.h5, optional: B and saved B′ only.",
    ),
    Line("layer", "Layer", False, "the last one", "Empty: the last convolution on every path from input to output."),
    Line(
        "out",
        "B′ goes to",
        False,
        "models/",
        "Empty: models/ in the folder. Name another one where that cannot be written.",
    ),
    Line(
        "runs",
        "Runs go to",
        False,
        "runs/",
        "Empty: runs/ in the folder. Name another one where that cannot be written.",
    ),
)
FILES = ("model", "valid", "test", "poisoned", "poisoned_valid")
FOLDERS = ("root", "out", "runs")
MADE = ("out", "runs")  # folders that are made where they are not there
PATHS = (*FILES, *FOLDERS)


def fits(name: str, path: Path) -> bool:
    """Whether there is at `path` what the line of this name is for: a file, a folder, or room for a folder.

    What cannot be looked at, as a name that is too long for the system, is not there.
    """
    if name in FILES:
        return os.path.exists(path) and not os.path.isdir(path)
    return os.path.isdir(path) or (name in MADE and not os.path.exists(path))


def misfit(name: str, typed: str, path: Path) -> str:
    """What is wrong with a path that does not fit."""
    try:
        typed.encode()
    except UnicodeEncodeError:
        return f"{escape(typed)}: is not valid UTF-8. Rename it."
    typed = short_path(typed, PATH)
    if not os.path.exists(path):
        return f"{typed}: not there. Check the spelling, or press Tab to complete."
    return f"{typed}: is a folder. Name a file in it." if name in FILES else f"{typed}: is a file. Name a folder."


def unfit(name: str, found: Description, layer: str) -> str:
    """Why the file of this line cannot be opened, as far as its own content tells; empty where it can."""
    if found.refusal:
        return found.refusal
    if (found.kind == "model") != (name == "model"):
        what, wanted = ("a data set", "a network") if name == "model" else ("a network", "a data set")
        return f"{found.name}: is {what}, expected {wanted}. Choose it for another line instead."
    layers = [each.name for each in found.layers if each.refusal is None]
    if name == "model" and layer and layer not in layers:
        return f"{found.name}: channels cannot be pruned in '{layer}'. Expected one of {', '.join(layers)}."
    return ""


def absolute(path: str, root: str) -> str:
    """A typed path, made absolute; relative ones count from `root`. Empty stays empty."""
    base = os.path.abspath(os.path.expanduser(root or "."))
    return os.path.normpath(os.path.join(base, os.path.expanduser(path))) if path else ""


def relative(path: str, root: str) -> str:
    """A path as it is shown: short where it lies in the folder."""
    return os.path.relpath(path, root) if path.startswith(f"{root.rstrip('/')}/") else path


def values(root: Path, settings: Settings | None) -> dict[str, str]:
    """What the lines hold at first: what was asked for, else what the folder has."""
    if settings is not None:
        given = {line.id: str(getattr(settings, line.id) or "") for line in LINES}
        return {name: value if name == "root" else relative(value, settings.root) for name, value in given.items()}
    found = lab.find(root)
    paths: dict[str, str] = {"model": found.model or "", **{str(s): found.sets.get(s, "") for s in lab.PLACES}}
    empty: dict[str, str] = {line.id: "" for line in LINES}
    return {**empty, "root": str(root), **{name: relative(path, found.root) for name, path in paths.items()}}


def settings(typed: dict[str, str], before: Settings | None) -> Settings:
    """The settings that the lines say; what they do not say stays as it was `before`."""
    paths = {name: absolute(typed[name], typed["root"]) for name in PATHS}
    return replace(
        before or Settings(root="", model="", valid=""),
        root=paths["root"] or os.getcwd(),
        model=paths["model"],
        valid=paths["valid"],
        test=paths["test"] or None,
        poisoned=paths["poisoned"] or None,
        poisoned_valid=paths["poisoned_valid"] or None,
        layer=typed["layer"] or None,
        out=paths["out"],
        runs=paths["runs"],
    )


def found_here(root: Path) -> str:
    """Whether a folder is a lab folder, and what it lacks."""
    if not os.path.isdir(root):
        return "No such folder."
    found = lab.find(root)
    if found.complete:
        more = f" Not there, and not needed: {', '.join(found.missing)}." if found.missing else ""
        return f"A lab folder: {short_path(str(root), PATH)}.{more}"
    needed = [place for place in found.missing if place in (lab.MODELS[0], lab.PLACES["valid"])]
    return (
        f"No lab folder here: {' and '.join(needed)} {'are' if len(needed) > 1 else 'is'} missing. Other files will do."
    )


def summary(found: Description) -> str:
    """What the inspector saw in a file, in a line."""
    if found.refusal:
        return found.refusal
    if found.kind == "model":
        layers = ", ".join(layer.name for layer in found.layers if layer.refusal is None)
        writer = f", written by Keras {found.writer}" if found.writer else ""
        return f"{found.classes} classes{writer}. Channels can be pruned in {layers}; {found.layer} by default."
    labels = f", labels {found.labels[0]}..{found.labels[1]}" if found.labels else ""
    pixels = f", pixels {found.pixels[0]:g}..{found.pixels[1]:g}" if found.pixels else ""
    return f"{found.images:,} images, {found.dtype}{labels}{pixels}."

"""A lab folder: what lies where, and what a file is called."""

import os
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.protocol import SetName, Settings, threshold_label

PLACES: dict[SetName, str] = {
    "valid": "data/cl/valid.h5",
    "test": "data/cl/test.h5",
    "poisoned": "data/bd/bd_test.h5",
    "poisoned_valid": "data/bd/bd_valid.h5",
}
LONGEST = 200  # bytes of a name; most file systems take 255, and more is put around it while it is written
EXAMPLE = "Example: --save-at 2,4,10,30"
FINEST = Decimal("0.000001")  # percentage points
MOST_THRESHOLDS = 1000  # of a run
RUNS = "runs"  # the folder of run folders in a lab folder
MODELS = ("models/bd_net.h5", "models/bd_net.keras", "models/bd_weights.h5")


class LabFolder(msgspec.Struct, frozen=True):
    """What a folder holds of a lab: absolute paths, and the places where something was expected and is not."""

    root: str
    model: str | None
    sets: dict[SetName, str]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """There is enough to work with: a network and clean validation images."""
        return self.model is not None and "valid" in self.sets


def models_folder(settings: Settings) -> Path:
    """Where B′ is saved."""
    return Path(settings.out or Path(settings.root) / "models")


def runs_folder(settings: Settings) -> Path:
    """Where run folders are made."""
    return Path(settings.runs or Path(settings.root) / RUNS)


def lab_of(run: Path) -> Path:
    """The lab folder that a run folder lies in; where it lies in no `runs`, the folder beside its own."""
    beside = Path(os.path.realpath(run)).parent
    return beside.parent if beside.name == RUNS else beside


def find(root: Path) -> LabFolder:
    """Look for the lab's files under `root`. What cannot be looked at is not there."""
    root = root.absolute()
    model = next((str(root / place) for place in MODELS if os.path.exists(root / place)), None)
    sets = {name: str(root / place) for name, place in PLACES.items() if os.path.exists(root / place)}
    missing = [place for name, place in PLACES.items() if name not in sets and name != "poisoned_valid"]
    return LabFolder(str(root), model, sets, tuple(([] if model else [MODELS[0]]) + missing))


def parse_threshold(text: str) -> str:
    """A threshold in percentage points as files are named after it: "2.0" is "2". Raises Refused.

    B has lost 0 points itself, so that 0 is no threshold.
    """
    value = parse_percentage(text)
    if value == "0":
        raise Refused(f"'{escape(text, SHORT)}' is no drop, expected more than 0 percentage points.", EXAMPLE)
    return value


def parse_percentage(text: str) -> str:
    """A number from 0 to 100 in the shortest way to write it. Raises Refused."""
    shown = f"'{escape(text, SHORT)}'"
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise Refused(f"{shown} is no number of percentage points.", EXAMPLE) from None
    if not value.is_finite() or not 0 <= value <= 100:
        raise Refused(f"{shown} is outside 0..100 percentage points.", EXAMPLE)
    if value != value.quantize(FINEST):
        raise Refused(f"{shown} has more than 6 decimals.", "Example: --save-at 2.5")
    return f"{abs(value).normalize():f}"


def thresholds(texts: Iterable[str], parse: Callable[[str], str] = parse_threshold) -> tuple[str, ...]:
    """Thresholds as files are named after them, each once, in the order given. Raises Refused."""
    found = tuple(dict.fromkeys(map(parse, texts)))
    if len(found) > MOST_THRESHOLDS:
        raise Refused(f"--save-at: names {len(found):,} thresholds, {MOST_THRESHOLDS:,} are the most.")
    return found


def refuse_steps(save_steps: Iterable[int], last: int) -> None:
    """Raises Refused where B′ is to be saved at a step that will not come; `last`: that of the order."""
    beyond = next((step for step in save_steps if not 1 <= step <= last), None)
    if beyond is not None:
        raise Refused(f"--save-step {beyond}: there is no such step, expected 1..{last}.")


def model_name(*, suffix: str, threshold: str | None = None, step: int | None = None) -> str:
    """The file name of a B′ saved at a threshold, or at a step."""
    return f"model_prune_{threshold}{suffix}" if threshold is not None else f"model_step_{step}{suffix}"


def g_name(*, threshold: str | None = None, step: int | None = None) -> str:
    """The file name of G's answers at a threshold, or at a step."""
    return f"g_prune_{threshold}.h5" if threshold is not None else f"g_step_{step}.h5"


def tuned_name(*, suffix: str, threshold: str | None, step: int) -> str:
    """The file name of a B″ tuned from the B′ of a threshold, or of a step."""
    return f"model_tuned_{threshold}{suffix}" if threshold is not None else f"model_tuned_step_{step}{suffix}"


def tuned_g_name(name: str) -> str:
    """The file name of the answers of G of B and the B″ in the file `name`."""
    stem = name.rpartition(".")[0].removesuffix(".weights").removeprefix("model_")
    return f"g_{stem if stem.startswith('tuned_') else f'tuned_{stem}'}.h5"


TUNED = re.compile(r"model_tuned_(step_)?([0-9.]+)\.(weights\.h5|h5|keras)", re.IGNORECASE)


def refuse_not_tuned(name: str, step: int, threshold: str | None) -> None:
    """Raises Refused where `name` says that it is another network than the B″ of this step or threshold."""
    found = TUNED.fullmatch(name)
    if found is None and saved_point(name) is None:
        return
    own = found is not None and (found[2] == str(step) if found[1] else found[2] == threshold)
    if not own:
        raise Refused(f"{escape(name, SHORT)}: is the name of another network than B″ of step {step}. Choose another.")


class SavedPoint(NamedTuple):
    """What a name in the lab's own manner says of a B′: the threshold, or the step, that it was saved at."""

    threshold: str | None
    step: int | None


# of any case: some file systems do not tell them apart
NAMES_OF_B_PRIME = re.compile(r"model_(prune|step)_([0-9.]+)\.(h5|keras)", re.IGNORECASE)


def saved_point(name: str) -> SavedPoint | None:
    """What `name` says of a B′; None where the user is free to say by it what they like."""
    found = NAMES_OF_B_PRIME.fullmatch(name)
    if found is None:
        return None
    kind, value, _ = found.groups()
    if kind.lower() == "step":
        return SavedPoint(None, int(value)) if value.isdecimal() else None
    try:
        return SavedPoint(parse_threshold(value), None)
    except Refused:
        return None


def refuse_misnamed(name: str, step: int, first_reached: Callable[[str], int | None]) -> None:
    """Raises Refused where `name` says that it is another network than that of `step`, saved already or not.

    `first_reached` tells the first step that is known to reach a threshold.
    """
    if TUNED.fullmatch(name):
        raise Refused(
            f"{escape(name, SHORT)}: is the name of a B″, which was tuned, and this is B′. Choose another name."
        )
    said = saved_point(name)
    if said is None or step == (said.step if said.threshold is None else first_reached(said.threshold)):
        return
    what = f"step {said.step}" if said.threshold is None else f"{threshold_label(said.threshold)}"
    raise Refused(f"{escape(name, SHORT)}: is the name of B′ at {what}, and this is step {step}. Choose another name.")


def file_name(text: str, suffix: str) -> str:
    """A name that a user typed as a file name in the folder of B′, with its suffix. Raises Refused."""
    name = text.strip()
    if not name or "/" in name or name.startswith(".") or not name.isprintable() or len(name) > 100:
        raise Refused("A name for B′ is a plain file name: no folder, no leading dot, 100 characters at most.")
    if len(name.encode()) > LONGEST:
        raise Refused(f"A name for B′ takes {LONGEST} bytes at most; this one takes {len(name.encode())}.")
    return name if name.endswith(suffix) else name + suffix

"""What files of networks and answers are called, and what such a name says of the network in it."""

import re
from collections.abc import Callable
from typing import NamedTuple

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.protocol import threshold_label
from engine.api.thresholds import parse_threshold

LONGEST = 200  # bytes of a name; most file systems take 255, and more is put around it while it is written
TUNED = re.compile(r"model_tuned_(step_)?([0-9.]+)\.(weights\.h5|h5|keras)", re.IGNORECASE)


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

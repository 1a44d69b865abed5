"""The headless command that does what this session did, to paste into a script."""

import os

from engine.api.escape import shell_word
from engine.api.lab import MODELS, PLACES
from engine.api.protocol import Settings
from tui.model.options import NO_THRESHOLDS, OPTIONAL, WITHOUT
from tui.model.run_state import RunState

DEFAULTS = Settings(root="", model="", valid="")
# the files that `--root` alone finds
USUAL: dict[str, str] = {"model": MODELS[0], **{str(name): place for name, place in PLACES.items()}}
# options that say what a setting holds, word for word
PLAIN = ("layer", "order_by", "stride", "out", "runs", "scale", "batch_size", "feature_memory", "device")


def headless_command(state: RunState) -> str:
    """`lab3-tui --headless …` with every option that differs from the usual; empty where nothing is open."""
    settings = state.settings
    if settings is None:
        return ""
    words = ["lab3-tui", "--headless", "--root", settings.root, *files(settings)]
    words += ["--save-at", ",".join(state.thresholds) or NO_THRESHOLDS]
    steps = (*settings.save_steps, *sorted(saved_steps(state) - set(settings.save_steps)))
    words += ["--tune-at", ",".join(settings.tune_at)] if settings.tune_at else []
    if settings.tune_seeds != DEFAULTS.tune_seeds:
        words += ["--tune-seeds", ",".join(map(str, settings.tune_seeds))]
    words += ["--save-step", ",".join(map(str, steps))] if steps else []
    given = settings.order is not None and not state.taken
    words += ["--order", str(list(settings.order or ())).replace(" ", "")] if given else []
    for name in PLAIN:
        value = getattr(settings, name) if name != "order_by" or not state.taken else state.taken
        if value != getattr(DEFAULTS, name):
            words += [option(name), str(value)]
    flags = [f"--{name}" for name in ("bands", "overwrite") if getattr(settings, name)]
    return " ".join(map(shell_word, words + flags))


def files(settings: Settings) -> list[str]:
    """Options for files that `--root` does not find, and for those that it finds and the run goes without."""
    words = []
    for name, place in USUAL.items():
        path, usual = getattr(settings, name), os.path.join(settings.root, place)
        if path and path != usual:
            words += [option(name), path]
        elif not path and name in OPTIONAL and os.path.exists(usual):
            words += [option(name), str(WITHOUT)]
    return words


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def saved_steps(state: RunState) -> set[int]:
    """Steps at which B' was saved for their own sake; step 0 is B, which no option saves."""
    return {saved.step for saved in state.saved if saved.what == "model" and saved.threshold is None and saved.step}

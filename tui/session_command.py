"""The headless command that does what this session did, to paste into a script."""

import shlex

from engine.api.protocol import Settings
from tui.state import RunState

DEFAULTS = Settings(root="", model="", valid="")
# the files that `--root` alone finds
USUAL = {
    "model": "models/bd_net.h5",
    "valid": "data/cl/valid.h5",
    "test": "data/cl/test.h5",
    "poisoned": "data/bd/bd_test.h5",
}


def headless_command(state: RunState) -> str:
    """`lab3-tui --headless …` with every option that differs from the usual; empty where nothing is open."""
    settings = state.settings
    if settings is None:
        return ""
    words = ["lab3-tui", "--headless", "--root", settings.root]
    for name, usual in USUAL.items():
        path = getattr(settings, name)
        if path and path != f"{settings.root.rstrip('/')}/{usual}":
            words += [f"--{name}", path]
    words += ["--save-at", ",".join(state.thresholds or settings.save_at)]
    steps = sorted({s.step for s in state.saved if s.what == "model" and s.threshold is None and s.step})
    words += ["--save-step", ",".join(map(str, steps))] if steps else []
    for name in ("layer", "out", "runs", "order_by", "scale", "batch_size", "device"):
        value = getattr(settings, name)
        if value != getattr(DEFAULTS, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words + (["--overwrite"] if settings.overwrite else []))

"""What the workbench imports, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

NEVER = ("keras", "tensorflow", "numpy", "h5py", "jax", "torch", "matplotlib")
LATER = (
    "plotext",
    "typer",
    "tui.screens.workbench",
    "tui.screens.open_screen",
    "engine.api.journal",
    "engine.api.client",
)


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["tui.app.app", "tui.app.run_workbench", "tui.screens.workbench", "tui.screens.open_screen", "tui.app.palette"],
)
def test_no_screen_imports_what_knows_networks(module: str) -> None:
    found = loaded(f"import {module}")
    assert not found & set(NEVER)
    assert not {name for name in found if name.startswith("engine.") and not name.startswith("engine.api")}


def test_the_first_frame_does_not_wait_for_what_comes_later() -> None:
    assert not loaded("import tui.app.run_workbench") & set(LATER)

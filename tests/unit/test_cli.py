"""The command line as a process: what it says, what it ends with, and what it does not import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.model_files import write_data, write_h5

OPTIONS = (
    "--headless", "--root", "--model", "--valid", "--test", "--poisoned", "--layer", "--order", "--stride",
    "--save-at", "--save-step", "--bands", "--out", "--runs", "--overwrite", "--scale", "--json", "--batch-size",
    "--feature-memory", "--device", "--keep", "--demo", "--attack", "--resume", "--run", "--version",
)  # fmt: skip
HEAVY = ("keras", "tensorflow", "numpy", "h5py", "matplotlib", "textual", "plotext")


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`lab3-tui` with these arguments and no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def imported(code: str) -> set[str]:
    """Which of the heavy packages this code imports, in a fresh interpreter."""
    show = f"\nimport sys; print(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_names_every_option_and_command() -> None:
    done = program("--help")
    assert done.returncode == 0
    for word in (*OPTIONS, "eval", "inspect", "demo", "config", "Exit codes", "130"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "command", [["eval"], ["inspect"], ["demo", "train"], ["config", "path"], ["config", "init"], ["config", "show"]]
)
def test_every_command_has_help(command: list[str]) -> None:
    assert "Usage: lab3-tui" in program(*command, "--help").stdout.replace("python -m tui", "lab3-tui")


def test_help_imports_nothing_heavy() -> None:
    assert (
        imported(
            "import tui.cli.command_line\ntry:\n    tui.cli.command_line.app(['--help'])\nexcept SystemExit:\n    pass"
        )
        == set()
    )


@pytest.mark.parametrize(
    "module", ["tui.headless.headless_run", "tui.cli.commands", "tui.cli.choose_run", "engine.api.client"]
)
def test_the_front_end_without_a_screen_imports_nothing_heavy(module: str) -> None:
    assert imported(f"import {module}") == set()


def test_version_and_config_path(tmp_path: Path) -> None:
    assert program("--version").stdout.startswith("lab3-tui ")
    done = program("config", "path", XDG_CONFIG_HOME=str(tmp_path))
    assert done.stdout.strip() == str(tmp_path / "lab3-tui" / "config.toml")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--headless"], "no lab folder here"),
        (["--headless", "--save-at", ""], "--save-at"),
        (["--headless", "--save-at", "2,2"], "more than once"),
        (["--headless", "--save-at", "101"], "outside 0..100"),
        (["--headless", "--save-at", "2,0"], "'0' is no drop"),
        (["--headless", "--save-step", "x"], "--save-step"),
        (["--headless", "--order", "missing.txt"], "missing.txt: no such file"),
        (["--headless", "--resume"], "no unfinished run"),
        (["--headless", "--run", "none"], "is no run folder"),
        (["--json"], "--json goes with --headless"),
        (["--demo", "--model", "x.h5"], "leave out --model"),
        (["eval", __file__, __file__, __file__, "--device", "tpu"], "tpu"),
        (["inspect", "missing.h5"], "missing.h5: no such file"),
        ([], "lab3-tui --headless"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_is_one_line_and_exit_code_2(arguments: list[str], why: str, tmp_path: Path) -> None:
    root = ["--root", str(tmp_path)] if not {"eval", "inspect", "--demo"} & set(arguments) else []
    done = program(*arguments[:1], *root, *arguments[1:]) if arguments else program("--root", str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert why in done.stderr


def test_an_unknown_option_is_exit_code_2() -> None:
    done = program("--frobnicate")
    assert done.returncode == 2
    assert "--frobnicate" in done.stderr and "Traceback" not in done.stderr


def test_a_model_is_described_layer_by_layer(tmp_path: Path) -> None:
    done = program("inspect", str(write_h5(tmp_path / "net.h5")))
    assert done.returncode == 0
    assert "Keras model (.h5), written by Keras 2.7.0" in done.stdout
    assert "conv_1  Conv2D                  6 x 4 x 4  can be pruned, the default" in done.stdout


def test_a_data_set_is_described(tmp_path: Path) -> None:
    done = program("inspect", str(write_data(tmp_path / "valid.h5")))
    assert done.returncode == 0
    assert "20 of 3 x 8 x 6, float32, stored in one piece" in done.stdout
    assert "0 to 4, 5 different" in done.stdout


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--scale", "3"], "--scale: '3' is neither 1 nor 1/255."),
        (["--attack", "xx"], "--attack: 'xx' is neither plain nor pruning-aware."),
        (["eval", __file__, __file__, __file__, "--scale", "3"], "--scale: '3' is neither 1 nor 1/255."),
        (["demo", "train", "--attack", "xx"], "--attack: 'xx' is neither plain nor pruning-aware."),
    ],
)
def test_names_that_are_none_are_refused_in_one_line(words: list[str], answer: str) -> None:
    found = program(*words)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", answer + "\n")


def test_several_files_are_inspected_at_once(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_text("not HDF5")
    found = program("inspect", str(tmp_path / "a.h5"), str(tmp_path / "b.h5"))
    assert found.returncode == 2 and [line[:5] for line in found.stderr.splitlines()] == ["a.h5:", "b.h5:"]
    assert found.stdout.count("\n\nb.h5") == 1

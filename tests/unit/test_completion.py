"""Shell completion: the words that fit, and bash itself asking for them."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.support.recorded_runs import record
from tui.cli.command_line import app
from tui.cli.completion import SCRIPTS, words

PROGRAM = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["e"], ["eval", "explain", "export"]),
        (["demo", ""], ["train"]),
        (["--order-by", "m"], ["max", "mean"]),
        (["--attack", ""], ["plain", "pruning-aware"]),
        (["eval", "--b"], ["--badnet", "--batch-size"]),
        (["export", "g", "--format", "k"], ["keras"]),
        (["--model", ""], []),
        (["eval", ""], []),
        (["completion", "w"], []),
    ],
    ids=str,
)
def test_the_words_that_fit(typed: list[str], expected: list[str]) -> None:
    assert words(PROGRAM, typed) == expected


def test_every_command_and_option_is_among_the_words() -> None:
    assert set(words(PROGRAM, [""])) >= {"eval", "inspect", "bundle", "compare", "completion", "config"}
    assert {"--headless", "--save-at", "--order-by", "--run"} <= set(words(PROGRAM, ["--"]))


def test_runs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, "20260102-030405-bd_net")
    monkeypatch.chdir(tmp_path)
    assert words(PROGRAM, ["--run", "2026"]) == ["20260102-030405-bd_net"]


def in_shell(folder: Path, *command: str) -> list[str]:
    """The lines that a shell prints, in which the program is found."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    program = folder / "lab3-tui"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tui "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    root = Path(__file__).parents[2]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=root, env={**os.environ, **path}
    ).stdout.splitlines()


def test_fish_completes_words_and_where_there_are_none_files(tmp_path: Path) -> None:
    asked = ("--order-by t", "export ", "--model pyproj")
    ask = "lab3-tui completion fish | source; " + "; echo; ".join(f"complete -C 'lab3-tui {typed}'" for typed in asked)
    assert in_shell(tmp_path, "fish", "-c", ask) == ["tac", "taylor", "", "g", "shrunk", "", "pyproject.toml"]


def test_bash_completes(tmp_path: Path) -> None:
    ask = (
        "source <(lab3-tui completion bash); COMP_WORDS=(lab3-tui --order-by t); COMP_CWORD=2; _lab3_tui; "
        'echo "${COMPREPLY[@]}"; COMP_WORDS=(lab3-tui bun); COMP_CWORD=1; _lab3_tui; echo "${COMPREPLY[@]}"; '
        "complete -p lab3-tui"
    )
    found = in_shell(tmp_path, "bash", "--norc", "-c", ask)
    assert found == ["tac taylor", "bundle", "complete -o default -F _lab3_tui lab3-tui"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_a_shell(shell: str, tmp_path: Path) -> None:
    """It asks the program for words; where the shell is here, it takes the script."""
    assert "lab3-tui completion words -- " in SCRIPTS[shell]
    if (found := shutil.which(shell)) is not None:
        file = tmp_path / "script"
        file.write_text(SCRIPTS[shell])
        assert subprocess.run([found, "-n", str(file)], capture_output=True).returncode == 0

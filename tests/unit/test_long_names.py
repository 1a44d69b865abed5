"""Names that no file system takes: every option that names a file refuses one, and no look at one is a crash."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.api.errors import LabError
from tui.cli import command_line

ROOT = Path(__file__).parents[2]
NAME = "n" * 300
DEEP = "/".join(["d" * 200] * 25)  # longer than a path may be
PATHLIB = re.compile(
    r"(?<!os\.path)(?<!links)(?<!entry)\.(exists|is_file|is_dir|is_symlink|is_socket|resolve)\((?!follow)"
)
NAMED = [
    ("--root",),
    ("--runs",),
    ("--headless", "--root"),
    ("--headless", "--model"),
    ("--headless", "--order"),
    ("--headless", "--run"),
    ("--headless", "--resume", "--runs"),
    ("compare", "--root"),
    ("compare", "--run"),
    ("explain", "--root"),
    ("tune", "--run"),
    ("bundle", "--run"),
    ("eval",),
    ("sweep",),
    ("sweep", "--headless", "--models"),
    ("sweep", "--headless", "--models", "bd_net.h5", "--to"),
    ("grade", "--badnet", "bd_net.h5"),
    ("grade", ".", "--badnet"),
    ("train-demo", "--out"),
]


@pytest.mark.parametrize("name", [NAME, DEEP], ids=["a name", "a path"])
@pytest.mark.parametrize("words", NAMED, ids=" ".join)
def test_every_option_refuses_one(words: tuple[str, ...], name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command_line.app, [*words, name])
    assert isinstance(done.exception, LabError | SystemExit), done.exception
    assert done.exit_code != 0


def test_files_are_looked_for_by_what_answers_instead_of_raising() -> None:
    """`Path.exists` and its like raise OSError for a name that is too long, where `os.path.exists` says no."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ("engine", "tui")
        for path in sorted((ROOT / room).rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if PATHLIB.search(line)
    ]
    assert found == []

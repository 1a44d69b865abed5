"""No `assert` guards anything in the program: `python -O` and PYTHONOPTIMIZE leave them out."""

import ast
from pathlib import Path

import pytest

PROGRAM = [path for room in ("engine", "tui") for path in Path(__file__).parents[2].joinpath(room).rglob("*.py")]


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: "/".join(path.parts[-2:]))
def test_no_assertion_and_no_look_at_whether_there_are_any(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    found = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    found += [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "__debug__"]
    assert not found, f"lines {found}"

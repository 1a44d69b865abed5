"""The list of rooms in the README is what lies on the disk, and every module says what it is."""

import ast
import re
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for house in ("engine", "tui") for path in ROOT.joinpath(house).rglob("*.py"))
ROOM = re.compile(r"^((?:engine|tui)/\w+)/ +(\S.*)$")


def told() -> dict[str, tuple[str, set[str]]]:
    """By room: its sentence in the README, and the modules named below it."""
    block = (ROOT / "README.md").read_text("utf-8").split("<!-- tree -->")[1].split("<!-- end of the tree -->")[0]
    rooms: dict[str, tuple[str, set[str]]] = {}
    for line in block.splitlines():
        if match := ROOM.match(line):
            room, sentence = match.groups()
            rooms[room] = sentence, set()
        elif line.startswith("    "):
            rooms[room][1].update(line.split())
    return rooms


def test_the_rooms_are_those_on_the_disk() -> None:
    rooms = {str(path.parent.relative_to(ROOT)) for path in MODULES} - {"engine", "tui"}
    assert set(told()) == rooms


@pytest.mark.parametrize("room", sorted(told()))
def test_a_room_holds_the_modules_of_the_list(room: str) -> None:
    sentence, names = told()[room]
    assert names == {path.stem for path in ROOT.joinpath(room).glob("*.py")} - {"__init__"}
    assert sentence == docstring(ROOT / room / "__init__.py").splitlines()[0]


@pytest.mark.parametrize("house", ["engine", "tui"])
def test_nothing_lies_beside_the_rooms(house: str) -> None:
    assert {path.name for path in ROOT.joinpath(house).glob("*.py")} <= {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_begins_with_a_sentence(path: Path) -> None:
    first = docstring(path).splitlines()[0]
    assert (first.endswith((".", ":")) and first[0].isupper()) or first[0] == "`", first


def docstring(path: Path) -> str:
    found = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert found, f"{path} says nothing"
    return found


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:engine|tui|tests)/[\w/]+\.\w+)`", (ROOT / "README.md").read_text("utf-8"))
    assert len(named) > 10
    assert [name for name in named if not ROOT.joinpath(name).exists()] == []


def test_no_imports_go_round_in_a_circle() -> None:
    """Late imports too; what only a type checker imports is left out."""
    graph = grimp.build_graph("engine", "tui", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    left = dict(imports)
    while leaves := [module for module, found in left.items() if not found & left.keys()]:
        for module in leaves:
            del left[module]
    assert sorted(left) == [], "each of these imports another of them"


def test_no_behaviour_hangs_on_a_class_name_or_on_words_of_a_message() -> None:
    """No comparison with `__name__`, and no look for words in a message, a text or a verdict."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            of_words = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if of_words and node.func.attr in ("startswith", "endswith"):
                parts = [node.func.value]
            if any(isinstance(part, ast.Attribute) and part.attr in ("__name__", "message") for part in parts):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []

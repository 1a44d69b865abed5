"""Nothing that acts on a terminal reaches one: escape sequences, C1 controls, bidi marks in names and paths."""

import ast
import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import protocol as p
from engine.api.escape import ACTING, JOINERS, escape_json, printable, shell_word
from tests.support.model_files import write_data, write_h5
from tui.headless.narrator import Bar
from tui.model.run_state import RunState, reduce
from tui.terminal.outputs import put

# red, a title, C1's own introducer, right to left, a line of its own, invisible, deleted, a tab and a new line
EVIL = "a\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp\u2028line\u200fm\x7f\t\nend"
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(EVIL))


def acting(text: str) -> set[str]:
    """The characters in output that would act; its lines may end."""
    return {each for each in text if unicodedata.category(each) in ACTING and each not in JOINERS and each != "\n"}


@given(TEXT)
def test_what_is_printed_does_not_act_and_printed_twice_is_the_same(text: str) -> None:
    shown = printable(text)
    assert acting(shown) == set() and "\n" not in shown
    assert printable(shown) == shown


@given(TEXT)
def test_json_has_no_such_character_and_says_the_same(text: str) -> None:
    line = escape_json(msgspec.json.encode({text: [text]}).decode())
    assert acting(line) == set() and "\n" not in line
    assert json.loads(line) == {text: [text]} == msgspec.json.decode(line)


@given(TEXT.filter(lambda text: "\0" not in text))
def test_a_word_for_the_shell_means_the_same_there(text: str) -> None:
    word = shell_word(text)
    assert acting(word) == set()
    if text.isprintable() or os.path.exists("/bin/bash"):
        found = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, env={"LC_ALL": "C.UTF-8"})
        assert found.stdout.decode() == text


def test_a_line_passes_the_gate_wherever_it_is_put(capsys: pytest.CaptureFixture[str]) -> None:
    put(sys.stdout, EVIL)
    put(sys.stderr, EVIL)
    found = capsys.readouterr()
    assert found.out == found.err and found.out.count("\n") == 1
    assert acting(found.out) == set() and "\\x1b[31mred" in found.out


def program(*words: str | Path, **names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=os.environ | names)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    folder = tmp_path / EVIL
    folder.mkdir()
    return folder


def harmless(found: subprocess.CompletedProcess[str], said: str = "\\x1b") -> str:
    """What was said, where nothing of it acts; it names what it was about."""
    both = found.stdout + found.stderr
    assert acting(both) == set(), both
    assert said in both
    return both


def test_inspect(evil: Path) -> None:
    harmless(program("inspect", write_h5(evil / f"{EVIL}.h5")))
    harmless(program("inspect", evil / f"no{EVIL}"))
    harmless(program("inspect", evil))


def test_paths_of_the_program_itself(evil: Path) -> None:
    harmless(program("config", "path", XDG_CONFIG_HOME=str(evil)))


@pytest.mark.parametrize("words", [("--headless",), ("--resume",), ("--headless", "--run", EVIL), ("--order", EVIL)])
def test_refusals(words: tuple[str, ...], evil: Path) -> None:
    found = program("--root", evil, *words)
    assert found.returncode == 2 and found.stderr.count("\n") == 1
    harmless(found)


@pytest.mark.parametrize(
    "words", [(EVIL,), (f"--{EVIL}",), ("eval", EVIL, "b", "c", f"d{EVIL}"), ("--batch-size", EVIL)]
)
def test_words_that_the_parser_does_not_know(words: tuple[str, ...]) -> None:
    found = program(*words)
    assert found.returncode == 2
    assert acting(found.stderr) == set()


@pytest.mark.keras
@pytest.mark.e2e
def test_eval(evil: Path) -> None:
    model, data = write_h5(evil / f"{EVIL}.h5"), write_data(evil / f"data{EVIL}.h5")
    assert acting((found := program("eval", data, data, model)).stderr + found.stdout) == set()
    assert found.returncode == 0
    harmless(program("eval", data, model, model))


@pytest.mark.keras
@pytest.mark.e2e
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_run_in_such_a_folder(words: tuple[str, ...], evil: Path) -> None:
    from tests.faults import labs

    labs.make_lab(evil)
    found = program("--headless", "--device", "cpu", "--save-at", "1", "--root", evil, *words)
    assert found.returncode == 0, found.stderr
    harmless(found, "\\u202e")
    if words:
        told = [json.loads(line) for line in found.stdout.splitlines()]
        assert any(str(evil) in str(event.get("path")) for event in told), "what it decodes to is the path itself"


def test_there_is_no_other_way_to_a_terminal() -> None:
    """Nothing prints, or writes to a stream, but the gate; `completion` writes a script of our own."""
    root = Path(__file__).parents[2]
    found = set()
    for path in (each for house in ("engine", "tui") for each in root.joinpath(house).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called == "print" or called in ("sys.stdout.write", "sys.stderr.write"):
                found.add(str(path.relative_to(root)))
    assert found == {"tui/cli/command_line.py"}


class Terminal(io.StringIO):
    """A stdout that is a terminal, and keeps what it gets."""

    def isatty(self) -> bool:
        return True


def test_what_a_run_says_beside_its_bar_acts_on_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Terminal()
    monkeypatch.setattr("sys.stdout", seen)
    bar = Bar()
    try:
        bar.stderr("title \x1b]0;mine\x07 \u202e")
        bar.stdout("red \x9b31m")
        before = RunState()
        failed = p.Failed("clear \x1b[2J", 2)
        bar.on_event(before, reduce(before, failed), failed)
        note = p.Note("bell \x1b]0;mine\x07")
        bar.on_event(before, reduce(before, note), note)
    finally:
        bar.close()
    said = seen.getvalue()
    assert "red" in said and "title" in said and "bell" in said
    assert [acts for acts in ("\x1b]0;", "\x07", "\x9b", "\u202e", "\x1b[2J") if acts in said] == []

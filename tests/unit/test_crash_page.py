"""The last page of a workbench that met a fault of its own."""

from pathlib import Path

from tests.support.engine_stub import opened
from tui.app.crash_page import NAME, crash_page
from tui.model.run_state import RunState, reduce


def fault() -> Exception:
    try:
        raise IndexError("list index out of range")
    except IndexError as error:
        return error


def test_it_says_what_happened_where_the_log_is_and_how_to_go_on(tmp_path: Path) -> None:
    lines = crash_page(fault(), reduce(RunState(), opened()), "--resume", tmp_path)
    assert lines == [
        "lab3-tui stopped: it met a fault of its own (IndexError: list index out of range).",
        f"What it was doing is in {tmp_path / NAME}; please send that along when you report it.",
        "What the engine printed is in /lab/runs/one/engine.log.",
        "Every step that was computed is safe. Go on with: lab3-tui --resume",
    ]
    assert "Traceback" not in "".join(lines)
    log = (tmp_path / NAME).read_text()
    assert "Traceback (most recent call last):" in log and "test_crash_page.py" in log


def test_where_no_log_can_be_written_the_page_is_there_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lines = crash_page(fault(), RunState(), "", tmp_path / "file")
    assert len(lines) == 2 and lines[1] == "Nothing is lost. Start it again with: lab3-tui"

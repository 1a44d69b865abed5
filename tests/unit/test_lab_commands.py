"""`compare`, `explain` and `tune`, for programs: every event is a line of JSON that acts on no terminal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import Refused
from tests.support.said import Said
from tui.cli import compare, explain, tune
from tui.headless.headless_run import Connect
from tui.model.launch import Launch

ACTS = "lab\x9b31m\x1b]0;title\x07"  # a folder's name that would colour what follows, and name the window
COMMANDS: dict[str, Callable[[Launch, Connect, Said], int]] = {
    "compare": lambda launch, connect, said: compare.run(launch, ("norm",), True, connect, said),
    "explain": lambda launch, connect, said: explain.run(launch, False, True, connect, said),
    "tune": lambda launch, connect, said: tune.run(launch, p.Tune(step=1), True, connect, said),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_events_act_on_no_terminal(name: str, tmp_path: Path, fake_command: Callable[..., tuple[str, ...]]) -> None:
    root, said = tmp_path / ACTS, Said()
    settings = p.Settings(str(root), str(root / "b.h5"), str(root / "v.h5"), save_at=())
    for place in (settings.model, settings.valid):
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).touch()
    assert COMMANDS[name](Launch(root, settings), lambda: EngineClient(fake_command()), said) == 0
    assert all(line.isprintable() for line in said.lines)
    (opened,) = [found for line in said.lines if (found := json.loads(line))["event"] == "opened"]
    assert ACTS in opened["run"]
    assert json.loads(said.lines[-1])["event"] == "idle"


@pytest.mark.parametrize("name", COMMANDS)
def test_there_has_to_be_a_lab(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^There is no lab folder here\. "):
        COMMANDS[name](Launch(tmp_path, None), EngineClient, Said())

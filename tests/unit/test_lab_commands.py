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


def test_explain_tells_people_the_verdict_and_where_the_answer_stands(
    tmp_path: Path, fake_command: Callable[..., tuple[str, ...]]
) -> None:
    files = {name: str(tmp_path / f"{name}.h5") for name in ("model", "valid", "test", "poisoned")}
    for place in files.values():
        Path(place).touch()
    settings, said = p.Settings(str(tmp_path), **files, save_at=()), Said()  # type: ignore[arg-type]
    assert explain.run(Launch(tmp_path, settings), True, False, lambda: EngineClient(fake_command()), said) == 0
    verdict, _, *lines = said.lines
    assert verdict == "pruning-aware: the attack lives in channels that clean images need"
    assert lines[0].startswith(
        "  + Pruned by mean activation, clean validation accuracy loses 4 points at step 48 of 60"
    )
    signs = [line[:4] for line in lines[: lines.index("")]]
    assert signs == sorted(signs) and set(signs) == {"  + ", "  ? "}, "evidence first, then doubts"
    table = next(at for at, line in enumerate(lines) if line.startswith("detector "))
    assert [line.split("  ")[0] for line in lines[table + 1 : table + 5]] == list(p.DETECTORS)
    assert lines[-1] == "Everything but dormant and driven channels looks at poisoned images, which no defender has."
    run = said.errors[-1].partition("The answer in words: ")[2].partition("/report.md")[0]
    assert said.errors[-1] == f"The answer in words: {run}/report.md; every number: {run}/diagnosis.json"
    assert Path(run).parent == tmp_path / "runs"

"""Which run the command line means."""

from pathlib import Path

import pytest

from engine.api import engine_socket
from engine.api import protocol as p
from engine.api.demo import demo_root
from engine.api.errors import Refused
from engine.api.journal import Journal
from tui.cli.choose_run import choose
from tui.model.options import NoLab, Options

SETTINGS = p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/data/cl/valid.h5", save_at=("7",))


def begin(folder: Path, settings: p.Settings = SETTINGS, finished: bool = False, steps: bool = False) -> Path:
    folder.mkdir(parents=True)
    journal = Journal.create(folder)
    journal.append(p.Began(settings, {}, {}, "2024-05-01T14:02:00"))
    if steps:
        journal.append(p.Ranked((1, 0), False, (1.0, 0.0), (1, 1)))
        journal.append(p.Stepped(0, None, p.Counts(valid=1)))
        journal.append(p.Stepped(1, 1, p.Counts(valid=1)))
    if finished:
        journal.append(p.Finished("", (), (), "done.", 1.0))
    journal.close()
    return folder


def test_the_newest_unfinished_run_is_resumed_with_its_settings(tmp_path: Path) -> None:
    begin(tmp_path / "runs" / "1-a")
    begin(tmp_path / "runs" / "2-b")
    begin(tmp_path / "runs" / "3-c", finished=True)
    found = choose(Options(root=tmp_path), None, resume=True, run=None, headless=True)
    assert found.run == str(tmp_path / "runs" / "2-b")
    assert found.settings == SETTINGS


def test_a_run_with_steps_is_rather_resumed_than_one_just_begun(tmp_path: Path) -> None:
    begin(tmp_path / "runs" / "1-a", steps=True)
    begin(tmp_path / "runs" / "2-b")
    found = choose(Options(root=tmp_path), None, resume=True, run=None, headless=True)
    assert found.run == str(tmp_path / "runs" / "1-a")


def test_nothing_to_resume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no unfinished run"):
        choose(Options(root=tmp_path), None, resume=True, run=None, headless=True)


def test_a_run_is_named_by_path_or_by_name(tmp_path: Path) -> None:
    folder = begin(tmp_path / "runs" / "1-a", finished=True)
    for named in (folder, Path("1-a")):
        found = choose(Options(root=tmp_path), None, resume=False, run=named, headless=True)
        assert found.run == str(folder)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no run folder"):
        choose(Options(root=tmp_path), None, resume=False, run=tmp_path, headless=True)


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--layer, --model"):
        options = Options(root=tmp_path, model=Path("m"), layer="conv_2")
        choose(options, None, resume=True, run=None, headless=True)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="one of them"):
        choose(Options(root=tmp_path), None, resume=True, run=tmp_path, headless=True)


def test_the_demo_has_a_folder_and_files_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = choose(Options(save_at="3"), "plain", resume=False, run=None, headless=True)
    assert found.demo == "plain"
    assert found.settings and found.settings.root == str(demo_root("plain"))
    assert found.settings.save_at == ("3",)
    assert str(demo_root("plain") / "models") in found.notice
    with pytest.raises(Refused, match="leave out --valid"):
        choose(Options(valid=Path("v")), "plain", resume=False, run=None, headless=True)


def test_without_a_lab_the_workbench_asks_and_headless_refuses(tmp_path: Path) -> None:
    found = choose(Options(root=tmp_path), None, resume=False, run=None, headless=False)
    assert (found.settings, found.notice) == (None, "")
    with pytest.raises(NoLab):
        choose(Options(root=tmp_path), None, resume=False, run=None, headless=True)


def test_a_mistyped_option_is_refused_even_where_the_workbench_would_ask(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--save-at"):
        choose(Options(root=tmp_path, save_at="200"), None, resume=False, run=None, headless=False)


def test_the_workbench_comes_back_to_an_engine_that_was_left_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("models/bd_net.h5", "data/cl/valid.h5", "data/cl/test.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    run = begin(tmp_path / "runs" / "1-a")
    begin(tmp_path / "runs" / "2-b")
    door = engine_socket.SocketListener(run)
    options = Options(root=tmp_path)
    assert choose(options, None, resume=False, run=None, headless=False).run == str(run)
    assert choose(options, None, resume=False, run=None, headless=True).run is None, "headless begins a run"
    other = Options(root=tmp_path, save_at="3")
    assert choose(other, None, resume=False, run=None, headless=False).run is None, "another run was asked for"
    door.close()
    assert choose(options, None, resume=False, run=None, headless=False).run is None

"""What a run that came with somebody else's lab folder may not do: read outside, and replace what it likes."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api import journal, trust
from engine.api import protocol as p
from engine.api.atomic_file import sha256_file
from engine.api.errors import Refused
from engine.api.journal import Journal
from engine.run.open_run import Opening
from engine.run.recorder import Recorder
from engine.run.saving import refuse_foreign
from tests.support.model_files import write_data, write_h5
from tui.cli.choose_run import choose
from tui.model.options import Options


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def lab(tmp_path: Path) -> p.Settings:
    """A lab folder with a network and one set."""
    root = tmp_path / "lab"
    for part in ("models", "data/cl"):
        (root / part).mkdir(parents=True)
    model, valid = write_h5(root / "models/bd_net.h5"), write_data(root / "data/cl/valid.h5")
    return p.Settings(str(root), str(model), str(valid))


def run_in(lab: p.Settings, *events: p.AnyEvent, own: bool = False, name: str = "1", **other: object) -> Path:
    """A run folder in the lab, begun here or brought along, with `other` settings than the lab's."""
    run, settings = Path(lab.root) / "runs" / name, replace(lab, **other)
    run.mkdir(parents=True)
    file = Journal.create(run)
    first = p.Began(settings, {}, {}, f"2026-01-0{name}")
    for event in (first, *events):
        file.append(event)
    file.close()
    if own:
        trust.remember(p.encode(first))
    return run


def go_on(run: Path, settings: p.Settings) -> None:
    with ExitStack() as held:
        Opening(p.Open(settings, str(run)), Recorder(lambda event: None), lambda: None, held, held).carry_out()


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths outside the lab folder and the program's own that somebody opens, or looks at through links."""
    found: list[str] = []

    def watched(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(os, name)

        def watch(path: object, *given: object, **named: object) -> object:
            if str(path).startswith(str(tmp_path / "elsewhere")):
                found.append(f"{name} {path}")
            return real(path, *given, **named)

        return watch

    for name in ("open", "stat", "listdir", "scandir"):
        monkeypatch.setattr(os, name, watched(name))
    return found


@pytest.mark.parametrize("named", ["model", "valid", "test", "out", "runs", "root"])
@pytest.mark.parametrize("linked", [False, True], ids=["by its path", "by a link"])
def test_nothing_outside_is_touched_before_the_refusal(
    named: str, linked: bool, lab: p.Settings, tmp_path: Path, touched: list[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "x.h5"
    write_h5(target)
    path = target
    if linked:
        path = Path(lab.root) / "inside.h5"
        path.symlink_to(target)
    run = run_in(lab, **{named: str(path)})
    found = journal.summary(run)
    assert found
    touched.clear()
    with pytest.raises(Refused, match=r"^1: was not begun here by you, and names"):
        go_on(run, found.settings)
    assert touched == []


def test_links_inside_a_lab_that_came_along_are_not_followed_either(lab: p.Settings) -> None:
    (Path(lab.root) / "link.h5").symlink_to(lab.valid)
    run = run_in(lab, valid=str(Path(lab.root) / "link.h5"))
    with pytest.raises(Refused, match=r"^link\.h5: is a link to"):
        go_on(run, lab)


def test_a_run_is_listed_by_its_folder_not_by_a_link(lab: p.Settings, tmp_path: Path) -> None:
    run = run_in(lab)
    run.rename(tmp_path / "elsewhere")
    run.symlink_to(tmp_path / "elsewhere")
    assert journal.all_runs(run.parent) == []


def test_a_journal_is_nobodys_consent_to_overwrite(lab: p.Settings) -> None:
    run = run_in(lab, overwrite=True)
    found = journal.summary(run)
    assert found and not found.settings.overwrite
    used = ExitStack()
    opening = Opening(p.Open(found.settings, str(run)), Recorder(lambda event: None), lambda: None, used, used)
    assert not opening.take_up()
    assert not opening.settings.overwrite and opening.settings == lab


def test_whoever_began_a_run_keeps_his_consent(lab: p.Settings) -> None:
    run = run_in(lab, own=True, overwrite=True)
    found = journal.summary(run)
    assert found and found.settings.overwrite
    used = ExitStack()
    opening = Opening(p.Open(found.settings, str(run)), Recorder(lambda event: None), lambda: None, used, used)
    assert opening.take_up() and opening.settings.overwrite


@pytest.mark.parametrize("said", [False, True])
def test_consent_is_given_on_the_command_line_that_goes_on(said: bool, lab: p.Settings) -> None:
    run_in(lab, overwrite=True)
    options = Options(root=Path(lab.root), overwrite=said)
    found = choose(options, None, resume=True, run=None, headless=True)
    assert found.settings and found.settings.overwrite == said
    assert found.root == Path(lab.root)


def test_settings_are_those_of_the_journal_whatever_comes_with_the_command(lab: p.Settings, tmp_path: Path) -> None:
    run = run_in(lab)
    other = replace(lab, model=str(tmp_path / "elsewhere/net.h5"), save_at=("7",))
    opening = Opening(p.Open(other, str(run)), Recorder(lambda event: None), lambda: None, ExitStack(), ExitStack())
    opening.take_up()
    assert opening.settings == lab


def test_what_a_foreign_run_says_it_saved_is_nobodys_to_replace(lab: p.Settings) -> None:
    precious = Path(lab.root) / "models/model_prune_2.h5"
    precious.write_bytes(b"precious work of the user")
    digest = sha256_file(precious)
    run_in(lab, p.Saved("model", str(precious), digest, "written"))
    with pytest.raises(Refused, match=r"^model_prune_2\.h5: there already"):
        refuse_foreign(lab, ".h5")
    run_in(lab, p.Saved("model", str(precious), digest, "written"), own=True, name="2")
    refuse_foreign(lab, ".h5")


def test_a_run_without_a_network_or_images_is_one_line(lab: p.Settings) -> None:
    for lacking in (replace(lab, model=""), replace(lab, valid="")):
        with ExitStack() as held, pytest.raises(Refused, match="--model and --valid"):
            Opening(p.Open(lacking), Recorder(lambda event: None), lambda: None, held, held).carry_out()

"""Runs that came with a lab folder write nowhere else; runs of one's own go where their user said."""

import os
from pathlib import Path

import msgspec
import pytest

from engine.api import journal, trust
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.journal import Journal
from engine.api.lab import lab_of
from engine.run.recorder import Recorder


def settings_of(lab: Path) -> p.Settings:
    return p.Settings(str(lab), str(lab / "models/bd_net.h5"), str(lab / "data/cl/valid.h5"))


def began(settings: p.Settings) -> p.Began:
    return p.Began(settings, {"model": "a" * 64}, {"keras": "3"}, "2024-05-01T14:02:00")


def brought_along(run: Path, settings: p.Settings) -> Path:
    """A run that the program did not begin here."""
    run.mkdir(parents=True)
    file = Journal.create(run)
    file.append(began(settings))
    file.close()
    return run


def begun_here(run: Path, settings: p.Settings) -> Path:
    run.mkdir(parents=True)
    recorder = Recorder(lambda event: None)
    recorder.begin(run)
    recorder.emit(began(settings))
    recorder.stop()
    return run


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return tmp_path / "lab"


AWAY = [
    {"out": "/tmp/elsewhere"},
    {"runs": "/tmp/elsewhere"},
    {"root": "/tmp/elsewhere"},
    {"model": "/tmp/elsewhere/bd_net.h5"},
    {"poisoned": "/etc/passwd"},
    {"valid": "data/valid.h5"},
    {"out": "a\0b"},
]


@pytest.mark.parametrize("away", AWAY, ids=lambda away: next(iter(away)))
def test_a_run_that_came_along_keeps_to_its_lab(away: dict[str, str], lab: Path) -> None:
    run = brought_along(lab / "runs" / "1", msgspec.structs.replace(settings_of(lab), **away))
    with pytest.raises(Refused, match=r"^1: was not begun here by you") as refused:
        journal.read(run)
    assert str(refused.value).isprintable()


def test_a_run_that_came_along_goes_on_in_its_lab(lab: Path) -> None:
    run = brought_along(lab / "runs" / "1", msgspec.structs.replace(settings_of(lab), out=str(lab / "mine")))
    assert len(journal.read(run)) == 1


SETS: dict[p.SetName, p.SetInfo] = {"valid": p.SetInfo("valid.h5", 1, "")}
OPENED = p.Opened(
    "/lab/runs/1", p.SetInfo("b.h5", 0, ""), "conv", "pool", 3, 5, (), SETS, "", "cpu", "tensorflow", False
)
RANKED = p.Ranked((2, 0, 1), False, (1.0, 2.0, 0.0), (1, 1, 0))
TOLD: list[p.AnyEvent] = [OPENED, RANKED, p.Stepped(0, None, p.Counts(1)), p.Reordered((0, 2, 1), 0), p.Moved(3)]
UNTOLD: list[p.AnyEvent] = [
    p.Stepped(10**12, 0, p.Counts(1)),
    p.Moved(-1),
    p.Crossed("2", 4),
    p.Saved("model", "/x", "", "written", 4),
    p.Reordered((0, 1, 3), 0),
    p.Reordered((0, 1, 1), 0),
    p.Reordered((0, 1, 2), 4),
]
UNRANKED = [
    p.Ranked((0, 3), False, (1.0, 2.0, 0.0), (1, 1, 0)),
    p.Ranked((-1,), False, (1.0, 2.0, 0.0), (1, 1, 0)),
    p.Ranked((0, 1, 2), False, (1.0,), (1, 1, 0)),
]


@pytest.mark.parametrize("untold", UNTOLD, ids=str)
def test_a_run_goes_on_over_steps_and_channels_that_are_there(untold: p.AnyEvent, lab: Path) -> None:
    run = brought_along(lab / "runs" / "1", settings_of(lab))
    file = Journal.resume(run)
    for event in TOLD:
        file.append(event)
    assert journal.read(run)[1:] == TOLD
    file.append(untold)
    file.close()
    with pytest.raises(Refused, match=r"^1: line 7 of its journal names a step or a channel"):
        journal.read(run)


@pytest.mark.parametrize("unranked", UNRANKED, ids=str)
def test_an_order_is_of_the_channels_that_are_there(unranked: p.Ranked, lab: Path) -> None:
    run = brought_along(lab / "runs" / "1", settings_of(lab))
    file = Journal.resume(run)
    file.append(OPENED)
    file.append(unranked)
    file.close()
    with pytest.raises(Refused, match=r"^1: line 3 of its journal names (a step or a channel|an impossible mean)"):
        journal.read(run)


def test_neither_dots_nor_links_lead_out_of_the_lab(lab: Path, tmp_path: Path) -> None:
    (lab / "models").mkdir(parents=True)
    (lab / "out").symlink_to(tmp_path)
    for number, out in enumerate([lab / "models" / ".." / "..", lab / "out", lab / "out" / "deeper"]):
        run = brought_along(lab / "runs" / str(number), msgspec.structs.replace(settings_of(lab), out=str(out)))
        with pytest.raises(Refused):
            journal.read(run)


def test_a_run_in_no_runs_folder_has_the_folder_beside_it_for_a_lab(lab: Path) -> None:
    assert lab_of(lab / "runs" / "1") == lab
    assert lab_of(lab / "1") == lab


@pytest.mark.parametrize("away", AWAY[:5], ids=lambda away: next(iter(away)))
def test_a_run_begun_here_goes_where_its_user_said(away: dict[str, str], lab: Path, state: Path) -> None:
    run = begun_here(lab / "runs" / "1", msgspec.structs.replace(settings_of(lab), **away))
    assert len(journal.read(run)) == 1
    run.rename(lab / "moved")
    assert len(journal.read(lab / "moved")) == 1
    assert (state / "lab3-tui" / trust.LIST).stat().st_mode & 0o077 == 0


def test_other_settings_are_another_run(lab: Path) -> None:
    begun_here(lab / "runs" / "1", settings_of(lab))
    settings = msgspec.structs.replace(settings_of(lab), out="/tmp/elsewhere", overwrite=True)
    with pytest.raises(Refused):
        journal.read(brought_along(lab / "runs" / "2", settings))


def test_without_a_state_folder_a_run_begins_all_the_same(lab: Path, state: Path) -> None:
    state.write_text("no folder")
    assert len(journal.read(begun_here(lab / "runs" / "1", settings_of(lab)))) == 1
    run = begun_here(lab / "runs" / "2", msgspec.structs.replace(settings_of(lab), out="/tmp/elsewhere"))
    with pytest.raises(Refused):
        journal.read(run)


def test_a_list_that_leads_elsewhere_is_neither_written_nor_believed(lab: Path, state: Path, tmp_path: Path) -> None:
    (state / "lab3-tui").mkdir(parents=True)
    os.symlink(tmp_path / "victim", state / "lab3-tui" / trust.LIST)
    begun_here(lab / "runs" / "1", settings_of(lab))
    assert not (tmp_path / "victim").exists()


def test_a_line_that_a_full_disk_tore_costs_itself_alone(state: Path) -> None:
    (state / "lab3-tui").mkdir(parents=True)
    (state / "lab3-tui" / trust.LIST).write_bytes(b"0123abc")
    trust.remember(b"one")
    trust.remember(b"two")
    assert trust.listed(b"one") and trust.listed(b"two") and not trust.listed(b"three")

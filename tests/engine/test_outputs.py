"""What a run may write over, and what it was told to compute on."""

import shutil
from functools import reduce as fold
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api import journal
from engine.api import protocol as p
from engine.api.errors import ExitCode
from engine.report.csv_table import plain
from tests.support.protocol_client import of, play, small_lab
from tui.model.run_state import RunState, reduce

pytestmark = pytest.mark.keras


def refusal(events: list[p.AnyEvent]) -> p.Failed:
    (failed,) = of(p.Failed, events)
    assert failed.exit_code == ExitCode.USAGE
    return failed


def test_the_runs_own_network_is_never_replaced(tmp_path: Path) -> None:
    settings = small_lab(tmp_path)
    before = Path(settings.model).read_bytes()
    _, saved, forced = play([p.Open(settings), p.SaveHere("bd_net"), p.SaveHere("bd_net.h5", overwrite=True)])
    for events in (saved, forced):
        assert refusal(events).message == (
            "bd_net.h5: is the network of this run itself. Choose another name or --out."
        )
    assert Path(settings.model).read_bytes() == before


def test_nor_by_a_threshold_of_a_run_on_an_earlier_b_prime(tmp_path: Path) -> None:
    settings = small_lab(tmp_path)
    earlier = Path(settings.model).with_name("model_prune_2.h5")
    shutil.copy(settings.model, earlier)
    (events,) = play([p.Open(replace(settings, model=str(earlier), save_at=("2",), overwrite=True))])
    assert "model_prune_2.h5: is the network of this run itself" in refusal(events).message


def test_a_lab_that_was_moved_knows_its_files(tmp_path: Path) -> None:
    settings = replace(small_lab(tmp_path / "here"), save_at=(), save_steps=(1,))
    play([p.Open(settings), p.Goto(1)])
    (tmp_path / "here").rename(tmp_path / "there")
    moved = {name: value.replace("here", "there") for name, value in settings_paths(settings).items()}
    opened, pruned = play([p.Open(replace(settings, **moved)), p.Goto(1)])
    assert not of(p.Failed, opened)
    assert [event.status for event in of(p.Saved, pruned) if event.what == "model"] == ["unchanged"]


def test_where_links_led_stands_on_the_screen_and_in_the_report(tmp_path: Path) -> None:
    settings = small_lab(tmp_path / "lab")
    course = tmp_path / "course"
    course.mkdir()
    for place in (settings.model, settings.poisoned):
        path = Path(str(place))
        path.rename(course / path.name)
        path.symlink_to(course / path.name)
    opened, _, _ = play([p.Open(settings), p.Goto(1), p.Export()])
    found = of(p.Opened, opened)[-1]
    notes = [f"a link led to '{course / Path(settings.model).name}'",
             f"bd_test.h5: a link led to '{course / 'bd_test.h5'}'"]  # fmt: skip
    assert [note for note in found.notes if "link" in note] == notes
    log = [line.text for line in fold(reduce, opened, RunState()).log]
    assert [note for note in notes if note not in log] == []
    report = (Path(found.run) / "report.md").read_text("utf-8")
    assert [note for note in notes if f"* Note: {plain(note)}" not in report] == []


def settings_paths(settings: p.Settings) -> dict[str, str]:
    names = ("root", "model", *p.SETS)
    return {name: getattr(settings, name) for name in names}


@pytest.mark.parametrize("device", ["gpu", "gpu:7"])
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, device: str) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    if tensorflow.config.list_physical_devices("GPU") and device == "gpu":
        pytest.skip("there is a GPU here")
    (events,) = play([p.Open(replace(small_lab(tmp_path), device=device))])
    assert refusal(events).message.startswith(f"--device {device}: tensorflow ")
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_run_that_ended_as_soon_as_it_had_begun_is_gone_on_with(tmp_path: Path) -> None:
    settings = small_lab(tmp_path)
    (first,) = play([p.Open(settings)])
    run = Path(of(p.Opened, first)[-1].run)
    text = (run / journal.NAME).read_bytes()
    (run / journal.NAME).write_bytes(text[: text.index(b"\n") + 1])
    opened, _, _ = play([p.Open(settings, str(run)), p.Goto(99), p.Finish()])
    assert of(p.Opened, opened)[-1].run == str(run)
    events = journal.read(run)
    assert len(of(p.Opened, events)) == 1 and isinstance(events[-1], p.Finished)

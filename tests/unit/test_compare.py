"""`lab3-tui compare` on the scripted engine, and on journals: tables, refusals, figures."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import Refused
from engine.api.journal import Journal
from engine.api.order_figures import Under, disagreement, summary
from engine.report.orders import band_of, tradeoff_of
from engine.report.plot import Path as Line
from engine.report.run_record import record
from tests.support.journals import Journalled
from tests.support.said import Said
from tests.unit.test_report import SMALL
from tui.cli import compare
from tui.model.options import Options
from tui.model.run_comparison import beside, read_run

STEPS = tuple(p.Counts(*at) for at in ((100, 50, 40), (99, 50, 19), (97, 49, 4), (50, 25, 0)))
IMAGES: dict[p.SetName, int] = {"valid": 100, "test": 50, "poisoned": 40}
MEAN = p.Compared("mean", "clean", (2, 0, 1), STEPS)


def test_the_figures_of_an_order() -> None:
    found = summary(MEAN, IMAGES)
    assert found.score == pytest.approx(0.97 - 0.1)
    assert found.under == (Under(50, 1, 1.0, 100.0), Under(10, 3, 50.0, 50.0), Under(1, 3, 50.0, 50.0))
    assert found.within == (1, 2)


def test_exactly_ten_percent_is_not_under_ten_percent() -> None:
    steps = (p.Counts(10, poisoned=40), p.Counts(10, poisoned=4), p.Counts(10, poisoned=3))
    assert summary(p.Compared("mean", "clean", (0, 1), steps), IMAGES).under[1].step == 2


def test_an_order_without_poisoned_images_has_no_score() -> None:
    steps = tuple(p.Counts(at.valid) for at in STEPS)
    found = summary(p.Compared("mean", "clean", (2, 0, 1), steps), {"valid": 100})
    assert found.score is None and found.under == (Under(50), Under(10), Under(1)) and found.within == (1, 2)


def test_orders_disagree_by_what_they_prune_within_points() -> None:
    short = p.Compared("norm", "nothing", (0,), STEPS[:1] + STEPS[3:])
    oracle = p.Compared("tac", "poisoned", (0, 1, 2), STEPS)
    found = [(at, summary(at, IMAGES)) for at in (MEAN, short, oracle)]
    assert disagreement(found) == [("2", 0, 1), ("4", 0, 2)]
    assert disagreement(found[2:]) == []


# --- pictures ---


def events(*compared: p.Compared) -> list[p.AnyEvent]:
    return [*SMALL.events(), *compared]


def test_random_orders_become_a_band_and_others_lines() -> None:
    steps = tuple(SMALL.counts)
    random = [p.Compared(f"random:{seed}", "nothing", (2, 0), steps) for seed in range(3)]
    clp = p.Compared("clp", "nothing", (2, 0), steps, (2,), steps[1])
    found = tradeoff_of(record(events(clp, *random, p.Compared("tac", "poisoned", (2, 0), steps))))
    assert [(path.name, path.oracle) for path in found.paths] == [("clp", False), ("tac", True)]
    assert found.paths[0].points[1] == (pytest.approx(8.3333, abs=1e-3), 87.5)
    assert found.chosen == (("clp", *found.paths[0].points[1]),)
    assert found.band and found.attack
    few = tradeoff_of(record(events(*random[:2])))
    assert [path.name for path in few.paths] == ["random:0", "random:1"] and not few.band


def test_the_band_is_what_is_left_for_whoever_pays_no_more() -> None:
    one, two = Line("a", False, ((0, 100), (5, 20), (2, 60))), Line("b", False, ((0, 90), (3, 50)))
    assert band_of([one, two]) == ((0, 90, 100), (2, 60, 90), (3, 50, 60), (5, 20, 50))


# --- the command ---


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    for place in ("models/bd_net.h5", "data/cl/valid.h5", "data/cl/test.h5", "data/bd/bd_test.h5"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    return tmp_path


def test_the_table_names_what_orders_look_at(lab: Path, fake_command: Callable[..., tuple[str, ...]]) -> None:
    said = Said()
    launch = compare.launch(Options(root=lab), None, None)
    assert launch.settings and launch.settings.save_at == ()
    code = compare.run(launch, ("mean", "greedy"), False, lambda: EngineClient(fake_command()), said)
    assert code == 0
    head, *rows = said.lines[:3]
    assert head.split("  ")[0] == "order" and "ASR < 10 %" in head
    assert [row.split()[:2] for row in rows] == [["mean", "clean"], ["greedy", "ORACLE"]]
    assert rows[0].split()[3] == "0.479" and "step 54, -43.79 pt, test 54.9" in rows[0]
    assert said.lines[3:] == [
        "within 2 points of clean validation accuracy, orders without an oracle prune 44",
        "within 4 points of clean validation accuracy, orders without an oracle prune 47",
    ]
    assert said.errors[-1] == compare.ONLY_LOOKED_AT


def test_events_as_json(lab: Path, fake_command: Callable[..., tuple[str, ...]]) -> None:
    said = Said()
    launch = compare.launch(Options(root=lab), None, None)
    assert compare.run(launch, ("norm",), True, lambda: EngineClient(fake_command()), said) == 0
    found = [json.loads(line) for line in said.lines]
    (compared,) = [event for event in found if event["event"] == "compared"]
    assert compared["name"] == "norm" and compared["looks_at"] == "nothing"


def test_orders_by_default_are_no_oracles() -> None:
    found = compare.names(None)
    assert found == (
        "mean", "max", "apoz", "norm", "clp", "taylor", "decreasing", "random:0", "random:1", "random:2",
    )  # fmt: skip
    with pytest.raises(Refused, match=r"^--orders: "):
        compare.names("mean,mine")


# --- runs ---


def run_folder(root: Path, name: str, run: Journalled, **sha256: str) -> Path:
    """A run folder with the journal of a made-up run, its inputs having these digests."""
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    journal = Journal.create(folder)
    for event in run.events():
        match event:
            case p.Began():
                event = msgspec.structs.replace(event, sha256=event.sha256 | sha256)
            case p.Opened():
                event = msgspec.structs.replace(event, run=str(folder))
        journal.append(event)
    journal.close()
    return folder


def test_runs_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = run_folder(tmp_path, "one", SMALL), run_folder(tmp_path, "two", replace(SMALL, layer="conv_2"))
    assert compare.runs((one, two), Options(root=tmp_path), None, False) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["run", "network", "layer", "order", "looks"]
    assert first.split()[:4] == ["one", "bd_net.h5", "conv_3", "mean"]
    assert second.split()[:4] == ["two", "bd_net.h5", "conv_2", "mean"]
    assert "1.000" in first and "step 2, 0.00 pt, test 71.4" in first
    assert compare.runs((Path("one"), Path("two")), Options(root=tmp_path), None, True) == 0
    found = json.loads(capsys.readouterr().out)
    assert [at["layer"] for at in found] == ["conv_3", "conv_2"] and found[0]["score"] == 1.0
    assert len(found[0]["curve"]) == 3


def test_runs_on_other_validation_images_are_refused(tmp_path: Path) -> None:
    one, two = run_folder(tmp_path, "one", SMALL), run_folder(tmp_path, "two", SMALL, valid="f" * 64)
    with pytest.raises(Refused, match=r"^one, two: were made on different clean validation images \(SHA-256 differs\)"):
        compare.runs((one, two), Options(root=tmp_path), None, False)


def test_what_other_test_images_say_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = run_folder(tmp_path, "one", SMALL), run_folder(tmp_path, "two", SMALL, poisoned="f" * 64)
    assert compare.runs((one, two), Options(root=tmp_path), None, False) == 0
    told = capsys.readouterr()
    assert "1.000" not in told.out and "ASR" in told.out
    assert told.err == (
        "poisoned test images: not the same in all of these runs (SHA-256 differs), so what they say is left out.\n"
    )


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    one = run_folder(tmp_path, "one", SMALL)
    (tmp_path / "empty").mkdir()
    for folders, options, orders, said in (
        ((one, tmp_path / "empty"), Options(root=tmp_path), None, "^empty: is no run folder"),
        ((one, one), Options(root=tmp_path, layer="conv_2"), None, "^Runs are compared as they are; leave out --layer"),
        ((one, one), Options(root=tmp_path), "mean", "^--orders: goes with one run"),
    ):
        with pytest.raises(Refused, match=said):
            compare.runs(folders, options, orders, False)


# --- a run laid over another ---


def laid_over(root: Path, other: Journalled, stride: int = 1, **sha256: str) -> tuple[p.Compared, str]:
    """What the orders screen lays over the run `one`: the run `two`."""
    mine, theirs = read_run(run_folder(root, "one", SMALL)), read_run(run_folder(root, "two", other, **sha256))
    assert theirs.settings
    settings = msgspec.structs.replace(theirs.settings, stride=stride)
    return beside(mine, msgspec.structs.replace(theirs, settings=settings))


def test_a_run_is_laid_over_as_an_order_with_how_it_differs(tmp_path: Path) -> None:
    found, told = laid_over(tmp_path, replace(SMALL, layer="conv_2", digests={"model": "a" * 64}))
    assert (found.order, [at.poisoned for at in found.steps]) == (SMALL.order[:2], [at.poisoned for at in SMALL.counts])
    assert told == "Run two: network bd_net.h5, layer conv_2, order mean, 2 steps."


def test_a_run_on_other_validation_images_is_not_laid_over(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^one, two: were made on different clean validation images \(SHA-256 differs\)"):
        laid_over(tmp_path, SMALL, valid="f" * 64)


def test_what_other_poisoned_images_say_is_not_laid_over(tmp_path: Path) -> None:
    found, told = laid_over(tmp_path, SMALL, poisoned="f" * 64)
    assert {at.poisoned for at in found.steps} == {at.g_poisoned for at in found.steps} == {None}
    assert [at.test for at in found.steps] == [at.test for at in SMALL.counts]
    assert told.endswith("Other poisoned test images: what they say is left out.")


def test_a_run_of_several_channels_a_step_is_not_laid_over(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^two: took 4 channels a step, so its curve has gaps"):
        laid_over(tmp_path, SMALL, stride=4)

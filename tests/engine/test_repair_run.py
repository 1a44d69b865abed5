"""Tuning in an engine of its own: what is told, what is kept, what lies on disk, and what a kill leaves."""

import asyncio
import csv
import io
import random
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api import journal, tunings  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.client import EngineClient  # noqa: E402
from engine.api.errors import ExitCode  # noqa: E402
from engine.sandbox.data_set import open_dataset  # noqa: E402
from tests.engine.test_parity import settings as settings_of  # noqa: E402
from tests.faults import tuning_kills  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import PATIENCE, Transcript, of, play, until_idle  # noqa: E402

RECIPE = p.Recipe(epochs=3, batch=16)
TUNE = p.Tune(3, recipe=RECIPE, seeds=(0, 1), save=True)
SCRIPT = ("open", "go", "tune", "again", "save", "look", "stop", "zero", "far", "unknown", "export", "check")


def lab_of(folder: Path) -> p.Settings:
    write_lab(folder, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    return replace(settings_of(folder), save_at=())


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[p.AnyEvent]]:
    """By the name of each command in SCRIPT, the events that answered it."""
    settings = lab_of(tmp_path_factory.mktemp("lab"))

    def delete(told: Transcript) -> p.AnyCommand:
        for event in (event for events in told for event in of(p.Saved, events)):
            if event.tuning is not None:
                Path(event.path).unlink(missing_ok=True)
        return p.CheckFiles()

    script = [
        *(p.Open(settings), p.Goto(3), TUNE, TUNE, p.SaveTuned(1, 2, "mine"), p.ShowImages(count=2, tuning=1)),
        *(p.StopTuning(1), p.Tune(0), p.Tune(5), p.SaveTuned(9), p.Export(), delete),
    ]
    return dict(zip(SCRIPT, play(script), strict=True))


Talk = dict[str, list[p.AnyEvent]]


def folder(talk: Talk) -> Path:
    return Path(of(p.Opened, talk["open"])[-1].run)


def test_each_seed_begins_with_the_network_as_pruned_and_tells_of_every_epoch(talk: Talk) -> None:
    assert [(at.number, at.seed, at.step) for at in of(p.TuningBegan, talk["tune"])] == [(1, 0, 3), (2, 1, 3)]
    assert [(at.number, at.epoch) for at in of(p.Tuned, talk["tune"])] == [(n, e) for n in (1, 2) for e in range(4)]
    zero = of(p.Tuned, talk["tune"])[0].counts
    pruned = next(at.counts for at in of(p.Stepped, talk["go"]) if at.step == 3)
    assert (zero.test, zero.poisoned, zero.detected) == (pruned.test, pruned.poisoned, pruned.detected)
    assert of(p.TuningBegan, talk["tune"])[0].recipe.rate == 1e-3


def test_what_is_tuned_already_is_not_tuned_again(talk: Talk) -> None:
    assert not of(p.Tuned, talk["again"]) and not of(p.TuningBegan, talk["again"])
    assert all(event.status == "unchanged" for event in of(p.Saved, talk["again"]))
    assert not of(p.TuningStopped, talk["stop"])  # it has ended by itself


def test_what_makes_no_sense_is_a_line(talk: Talk) -> None:
    said = {name: of(p.Failed, talk[name])[0].message for name in ("zero", "far", "unknown")}
    assert said["zero"].startswith("step 0: is B itself") and said["far"].startswith("step 5: is not computed")
    assert said["unknown"] == "tuning 9: there is none of this number."
    assert {of(p.Failed, talk[name])[0].exit_code for name in said} == {ExitCode.USAGE}


def test_the_seed_best_on_the_holdout_is_saved_and_answers_as_was_told(talk: Talk) -> None:
    saved = next(at for at in of(p.Saved, talk["tune"]) if at.what == "tuned")
    known = tunings.of_events(event for events in talk.values() for event in events)
    best = tunings.best(known.values())
    assert best is not None and (saved.tuning, saved.epoch) == (best.began.number, 3)
    assert Path(saved.path).name == "model_tuned_step_3.h5"
    root = folder(talk).parent.parent
    told = best.epochs[3].counts
    play_ = play([p.Evaluate(str(root / "data/cl/test.h5"), str(root / "data/bd/bd_test.h5"), saved.path)])
    evaluated = of(p.Evaluated, play_[0])[0]
    assert (evaluated.clean_hits, evaluated.poisoned_hits) == (told.test, told.poisoned)
    data = open_dataset(root / "data/cl/test.h5", None, None)
    images = np.concatenate(list(data.batches(100))).transpose(0, 2, 3, 1)
    network = keras.models.load_model(saved.path, compile=False)
    assert int((network.predict(images, verbose=0).argmax(1) == data.labels).sum()) == told.test


def test_images_show_its_answers(talk: Talk) -> None:
    (shown,) = of(p.Images, talk["look"])
    assert (shown.tuning, shown.epoch) == (1, 3)
    assert {pair.clean.g == (pair.clean.b if pair.clean.b == pair.clean.b_prime else 7) for pair in shown.items} == {
        True
    }


def test_results_tell_of_it_and_name_the_set_of_every_number(talk: Talk) -> None:
    run = folder(talk)
    rows = list(csv.DictReader(io.StringIO((run / "tuning.csv").read_text())))
    assert list(rows[0])[:8] == [
        *("step", "scope", "seed", "epoch", "holdout_accuracy", "test_accuracy", "attack_success_rate"),
        "robust_accuracy",
    ]
    assert [(row["seed"], row["epoch"], row["kept"]) for row in rows][3:5] == [("0", "3", "1"), ("1", "0", "0")]
    results = list(csv.DictReader(io.StringIO((run / "results.csv").read_text())))
    networks = [row["network"] for row in results]
    assert networks.count("B″") == networks.count("G of B″") == 2
    own = next(row for row in results if row["network"] == "B″")
    assert own["clean_valid_accuracy"] == own["clean_valid_drop"] == "" and float(own["clean_holdout_accuracy"]) > 0
    report = (run / "report.md").read_text()
    assert "## Fine-tuned: B″" in report and "hold-out" in report and "none of this is a guarantee" in report


def test_what_is_gone_is_made_again_from_the_epochs(talk: Talk) -> None:
    gone = {event.path for event in of(p.FileChanged, talk["check"])}
    made = {event.path: event for event in of(p.Saved, talk["check"]) if event.tuning is not None}
    assert gone == set(made) and len(gone) == 4
    before = {event.path: event.sha256 for name in ("tune", "save") for event in of(p.Saved, talk[name])}
    assert all(event.sha256 == before[path] for path, event in made.items())


def test_a_run_that_goes_on_knows_its_tunings(talk: Talk) -> None:
    run = folder(talk)
    settings = of(p.Began, talk["open"])[0].settings
    told = play([p.Open(settings, str(run)), TUNE])
    assert of(p.Tuned, told[0]) == of(p.Tuned, talk["tune"])
    assert not of(p.Tuned, told[1])


async def test_a_tuning_is_paused_goes_on_and_is_stopped(tmp_path: Path) -> None:
    settings, tune = lab_of(tmp_path), p.Tune(3, recipe=replace(RECIPE, epochs=400), seeds=(0,))
    async with EngineClient() as engine:
        events = engine.events()
        for command in (p.Open(settings), p.Goto(3)):
            await engine.send(command)
            await until_idle(events)
        for _ in range(2):
            await engine.send(tune)
            async with asyncio.timeout(PATIENCE):
                async for event in events:
                    if isinstance(event, p.Tuned) and event.epoch:
                        break
            await engine.send(p.Pause())
            rest = await until_idle(events)
            assert rest[-1].why == "paused"  # type: ignore[union-attr]
        await engine.send(p.StopTuning(1))
        stopped = await until_idle(events)
        assert of(p.TuningStopped, stopped) and of(p.Saved, stopped)[0].what == "tuning.csv"
        await engine.send(tune)
        assert not of(p.Tuned, await until_idle(events))
        await engine.send(p.SaveTuned(1))
        assert of(p.Saved, await until_idle(events))[0].epoch >= 2


def test_kills_at_random_moments_lose_no_epoch_and_change_no_byte(tmp_path: Path) -> None:
    settings, tune = lab_of(tmp_path), tuning_kills.command(epochs=6)
    whole = tuning_kills.undisturbed(replace(settings, out=str(tmp_path / "one")), tune)
    disturbed = replace(settings, out=str(tmp_path / "two"))
    run, losses = tuning_kills.disturbed(disturbed, tune, kills=3, rng=random.Random(1))
    assert losses == [] and tuning_kills.differences(whole, run) == []


def test_thresholds_are_tuned_at_the_end_of_a_headless_run(tmp_path: Path) -> None:
    settings = replace(lab_of(tmp_path), save_at=("2",), tune_at=("2",))
    told = play([p.Open(settings), p.Goto(99), p.Finish()])
    assert {at.threshold for at in of(p.TuningBegan, told[2])} == {"2"}
    saved = [at for at in of(p.Saved, told[2]) if at.what == "tuned"]
    assert [Path(at.path).name for at in saved] == ["model_tuned_2.h5"]
    run = Path(of(p.Opened, told[0])[-1].run)
    assert (run / "g_tuned_2.h5").exists() and of(p.Finished, journal.events(run))

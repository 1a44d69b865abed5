"""Explaining a run: every network, with all sets and without some; kept, shown again, and the run as it was."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis import detectors  # noqa: E402
from engine.analysis.explain import Examination, explained  # noqa: E402
from engine.api import journal  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.errors import Refused  # noqa: E402
from engine.network.g_answers import g_answers  # noqa: E402
from engine.run.run import Run  # noqa: E402
from engine.run.sample import evenly, flagged, flagged_by  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import of, play, small_lab  # noqa: E402

NETWORKS = (
    "sequential",
    "branching",
    "crossing",
    "residual",
    "sigmoid",
    "normalised on both sides",
    "all convolutions",
)
PARTS = (p.Diagnosed, p.Detected, p.LayersPruned)
Talk = tuple[Path, list[list[p.AnyEvent]]]


def run_of(folder: Path, name: str, **more: object) -> Run:
    write_lab(folder, trained_looking(CASES[name][0], seed=7), seed=7)
    run = opened(folder, layer="last", **more)
    list(run.session.goto(p.Goto(0), lambda: run.evaluator, lambda: None))
    return run


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_explained_and_fits_into_a_line(name: str, tmp_path: Path) -> None:
    run = run_of(tmp_path, name)
    kept = set(run.session.answers)
    diagnosed, detected, layers = explained(run, (), True)
    assert isinstance(diagnosed, p.Diagnosed) and isinstance(detected, p.Detected)
    assert isinstance(layers, p.LayersPruned) and "last" in {curve.layer for curve in layers.layers}
    assert set(run.session.answers) == kept and run.session.playhead == 0
    for event in (diagnosed, detected, layers):
        assert p.decode_event(p.encode(event)) == event


def test_an_image_is_suspicious_by_the_step_at_which_b_prime_leaves_b(tmp_path: Path) -> None:
    run = run_of(tmp_path, "branching")
    _, suspicion = Examination(run).walked
    list(run.session.goto(p.Goto(99), lambda: run.evaluator, lambda: None))
    answers = [run.session.answers[run.session.key(step)] for step in range(run.inputs.channels + 1)]
    assert suspicion.tolist() == detectors.suspicion_by_order(answers).tolist()
    flagged_at_3 = g_answers(answers[0], answers[3], run.inputs.classes) == run.inputs.classes
    assert (flagged_at_3 <= (suspicion >= -3)).all()


def test_strips_score_is_the_mean_entropy_over_blends(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sequential")
    model = run.evaluator.rest.network.model
    found, valid = Examination(run).strip(), run.inputs.sets["valid"]
    chosen = evenly(valid.images, 60)
    overlays = np.stack([valid.image(int(each)) for each in chosen])
    sets: tuple[tuple[p.SetName, int], ...] = (("test", 3), ("poisoned", 0), ("valid", 1))
    for name, index in sets:
        number = int(evenly(run.inputs.sets[name].images, 120)[index])
        image = run.inputs.sets[name].image(number)
        given = model.predict((0.5 * image + 0.5 * overlays).transpose(0, 2, 3, 1), verbose=0).astype("float64")
        doubts = -(given * np.log(np.maximum(given, 1e-300))).sum(axis=1)
        mean = doubts[chosen != number].mean() if name == "valid" else doubts.mean()
        assert found[name][index] == pytest.approx(-mean, rel=1e-4)


def test_without_poisoned_images_clean_ones_say_what_they_can(tmp_path: Path) -> None:
    run = run_of(tmp_path, "sequential", test=None, poisoned=None, poisoned_valid=None)
    events = list(explained(run, (), True))
    assert [type(event) for event in events] == [p.Diagnosed, p.LayersPruned]
    diagnosed = events[0]
    assert isinstance(diagnosed, p.Diagnosed) and diagnosed.activation_change is None and diagnosed.components is None
    assert diagnosed.clean == "valid" and set(diagnosed.sample) == {"valid"}


def test_what_a_detector_flags_is_kept_a_bit_an_image() -> None:
    bits = np.array([1, 0, 0, 1, 1, 0, 0, 0, 0, 1], bool)
    at = p.Detector(
        "norm",
        (5, 10, 10),
        *(0.5, 0.4, 0.6),
        (1.0, 0.5),
        (1, 4),
        (1, 4),
        ((0, 0), (1, 1)),
        np.packbits(bits).tobytes(),
        np.packbits(~bits).tobytes(),
    )
    detected = p.Detected((at,))
    images: dict[p.SetName, int] = {"valid": 5, "test": 20, "poisoned": 10}
    assert flagged(detected, "norm", images, "test").tolist() == [0, 6, 8, 18]  # every second image was looked at
    assert flagged(detected, "norm", images, "poisoned").tolist() == [1, 2, 5, 6, 7, 8]
    assert flagged_by(detected, images, "test", 6) == ("norm",) and flagged_by(detected, images, "test", 4) == ()
    assert flagged_by(detected, images, "test", 7) is None
    assert flagged(detected, "STRIP", images, "test").tolist() == []


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """A run in an engine of its own: exported, explained, gone on with, explained again."""
    settings = replace(small_lab(tmp_path_factory.mktemp("lab")), save_at=())
    told = play([p.Open(settings), p.Goto(2), p.Export(), p.Explain(), p.Goto(1), p.Explain()])
    return Path(of(p.Opened, told[0])[-1].run), told


def test_parts_are_told_once_and_the_report_gets_its_answer(talk: Talk) -> None:
    _, (_, _, _, first, _, again) = talk
    assert [type(each) for each in first if isinstance(each, PARTS)] == list(PARTS)
    written = {event.what for event in of(p.Saved, first)}
    assert {"diagnosis.json", "detectors.csv", "roc.png", "report.md"} <= written
    assert not [each for each in again if isinstance(each, PARTS)]
    assert all(event.status == "unchanged" for event in of(p.Saved, again) if event.what != "results.json")
    assert not of(p.FileChanged, first) and not of(p.FileChanged, again)


def test_the_files_hold_what_the_design_names(talk: Talk) -> None:
    run, told = talk
    (diagnosed,), (detected,) = of(p.Diagnosed, told[3]), of(p.Detected, told[3])
    found = json.loads((run / "diagnosis.json").read_text())
    wanted = "verdict evidence dormant activation_change clean_mean knock_out stimulation phases layers"
    assert set(wanted.split()) <= set(found)
    assert found["activation_change"] == list(diagnosed.activation_change)
    assert set(found["dormant"]) == {"clean", "poisoned"} and set(found["knock_out"][0]) == {"channel", "valid", "asr"}
    rows = list(csv.DictReader(io.StringIO((run / "detectors.csv").read_text())))
    assert [row["detector"] for row in rows] == list(p.DETECTORS)
    for row, at in zip(rows, detected.detectors, strict=True):
        assert float(row["area"]) == at.area
        assert float(row["detected_at_5"]) == 100 * at.detected[1] / at.images[2]
        assert float(row["false_alarms_at_1"]) == 100 * at.false_alarms[0] / at.images[1]
    assert (run / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert "## Does the defence work here, and why (not)?" in (run / "report.md").read_text()


def test_a_run_without_findings_has_the_files_that_it_had(tmp_path: Path) -> None:
    settings = replace(small_lab(tmp_path), save_at=())
    told = play([p.Open(settings), p.Goto(2), p.Export()])
    run = Path(of(p.Opened, told[0])[-1].run)
    report = (run / "report.md").read_text()
    assert "Does the defence work" not in report and "diagnosis" not in (run / "results.json").read_text()
    assert not (run / "diagnosis.json").exists()
    more = play([p.Open(settings, str(run)), p.Explain()])
    assert (run / "report.md").read_text().startswith(report.rstrip("\n"))  # all that was there stays as it was
    assert not of(p.Failed, more[1])


def test_a_run_that_goes_on_shows_it_again_without_computing(talk: Talk) -> None:
    run, told = talk
    again = play([p.Open(of(p.Began, told[0])[0].settings, str(run)), p.Explain()])
    for kind in PARTS:
        assert of(kind, again[0]) == of(kind, told[3])
    assert not [each for each in of(p.Progress, again[1]) if each.phase in ("why", "detectors", "layers")]


@pytest.mark.parametrize(
    "forged",
    [
        {"order": (0, 0, 1, 2)},
        {"dormant": (9,)},
        {"clean_mean": (1.0,)},
        {"knock_out": ()},
        {"sample": {"valid": 10_000, "poisoned": 40}},
        {"sample": {"valid": 40}},
        {"activation_change": None},
    ],
    ids=str,
)
def test_forged_findings_are_no_findings(forged: dict[str, object], talk: Talk, tmp_path: Path) -> None:
    run, _ = talk
    events = [replace(event, **forged) if isinstance(event, p.Diagnosed) else event for event in journal.events(run)]
    copy = tmp_path / run.name
    copy.mkdir()
    (copy / journal.NAME).write_bytes(b"".join(map(journal.line_of, events)))
    with pytest.raises(Refused, match="of its journal names"):
        journal.read(copy)

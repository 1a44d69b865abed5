"""Robust accuracy and ranges of a run, from the answers that it kept: against plain counts."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis.findings import analysed  # noqa: E402
from engine.api import journal  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import of, play, small_lab  # noqa: E402


def with_trigger(folder: Path) -> None:
    """Make the poisoned test images of a lab its clean ones with a white patch."""
    import h5py

    with h5py.File(folder / "data/cl/test.h5") as clean, h5py.File(folder / "data/bd/bd_test.h5", "r+") as poisoned:
        images = clean["data"][()]
        images[:, :, 4:8, 3:9] = 255
        poisoned["data"][...] = images


def test_robust_accuracy_is_the_plain_count(tmp_path: Path) -> None:
    write_lab(tmp_path, trained_looking(CASES["sequential"][0], seed=2), seed=2)
    unrelated = analysed(opened_run(tmp_path), [], None)
    assert unrelated.trigger is None and not unrelated.robust and "all over the picture" in unrelated.unproven
    with_trigger(tmp_path)
    run = opened_run(tmp_path)
    saved = (run.session.order[:3], run.session.order[:6])
    found = analysed(run, saved, None)
    assert found.trigger and (found.trigger.top, found.trigger.height, found.trigger.colour) == (4, 4, (255.0,) * 3)
    rows, labels = run.inputs.rows["poisoned"], run.inputs.sets["test"].labels
    b = run.b_answers[rows]
    for at, pruned in zip(found.robust, ((), *saved), strict=True):
        answers = run.session.answers[run.session.key(len(pruned))][rows]
        assert at.pruned == pruned
        assert at.b_prime == sum(int(one == label) for one, label in zip(answers, labels, strict=True))
        assert at.g == sum(int(x == y == label) for x, y, label in zip(answers, b, labels, strict=True))
    assert {at.b_prime for at in found.robust} != {0}
    assert [at.threshold for at in found.ranges] == list(run.session.thresholds)


def opened_run(folder: Path):  # type: ignore[no-untyped-def]
    run = opened(folder)
    list(run.session.set_thresholds(("2", "30")))
    list(run.session.goto(p.Goto(99), lambda: run.evaluator, lambda: None))
    return run


def test_a_run_tells_of_its_findings_once(tmp_path: Path) -> None:
    settings = replace(small_lab(tmp_path), save_at=("2",), save_steps=(1,))
    opened, _, first, second = play([p.Open(settings), p.Goto(9), p.Export(), p.Export()])
    assert len(of(p.Analysed, first)) == 1 and not of(p.Analysed, second)
    folder = Path(of(p.Opened, opened)[-1].run)
    assert of(p.Analysed, journal.read(folder)) == of(p.Analysed, first)
    assert (folder / "results.tex").read_text().startswith(r"\begin{tabular}")
    again = play([p.Open(settings, str(folder)), p.Export()])
    assert not of(p.Analysed, again[1])
    assert {at.status for at in of(p.Saved, again[1]) if at.what != "results.json"} == {"unchanged"}


def test_without_poisoned_images_there_is_no_robust_accuracy(tmp_path: Path) -> None:
    settings = replace(small_lab(tmp_path), poisoned=None, poisoned_valid=None)
    _, _, told = play([p.Open(settings), p.Goto(2), p.Export()])
    (found,) = of(p.Analysed, told)
    assert (found.trigger, found.unproven) == (None, "it takes clean and poisoned test images")
    assert np.all([at.low is None or at.low >= 0 for at in found.ranges])

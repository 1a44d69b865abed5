"""Fine-pruning on the demo's pruning-aware network: what was measured of it, as bounds."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.api import protocol as p  # noqa: E402
from engine.api import tunings  # noqa: E402
from engine.demo.lab import lay_out  # noqa: E402
from engine.repair.tuning import Tuner  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402

STEP = 50  # of 60: accuracy has fallen by ten points, the attack has not


@pytest.mark.timeout(600)
def test_every_seed_brings_accuracy_back_and_most_of_the_attack_down(tmp_path: Path) -> None:
    lay_out("pruning-aware", tmp_path)
    run = opened(tmp_path)
    list(run.session.goto(p.Goto(STEP), lambda: run.evaluator, lambda: None))
    pruned = run.session.order[:STEP]
    work = Tuner(run, pruned, tunings.complete(p.Recipe()), None, lambda done, total: None, lambda: None)
    assert (len(work.trained), len(work.held_out)) == (700, 200)
    before = work.as_pruned()
    images = {name: data.images for name, data in run.inputs.sets.items()}
    assert p.percent(before.poisoned or 0, images["poisoned"]) > 95
    for number, seed in enumerate((0, 1, 2), 1):
        began = p.TuningBegan(number, STEP, pruned, None, work.recipe, seed, 700, 200)
        last = list(work.epochs(tunings.Tuning(began)))[-1]
        assert last.epoch == 20
        assert p.percent(last.counts.holdout, 200) >= 96
        assert p.percent(last.counts.test or 0, images["test"]) >= 97
        assert p.percent(last.counts.poisoned or 0, images["poisoned"]) <= 25

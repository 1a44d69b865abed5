"""Why pruning works on one of the demo's networks and fails on the other: verdicts, and what their texts say."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.analysis.explain import Examination, explained  # noqa: E402
from engine.api import demo, explanation  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.explanation import Findings  # noqa: E402
from engine.demo.lab import lay_out  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402


def looked(folder: Path, layers: bool) -> Findings:
    run = opened(folder)
    list(run.session.goto(p.Goto(0), lambda: run.evaluator, lambda: None))
    if layers:
        diagnosed, detected, pruned = explained(run, (), True)
    else:  # detectors and layers say nothing that the verdict hangs on
        diagnosed, detected, pruned = Examination(run).diagnosed(), None, None
    images: dict[p.SetName, int] = {name: data.images for name, data in run.inputs.sets.items()}
    return Findings(diagnosed, images, run.inputs.layer, run.inputs.target, pruned, detected)  # type: ignore[arg-type]


def texts(found: Findings) -> str:
    """All that is said of a network."""
    verdict = explanation.verdict(found)
    return " ".join([*explanation.answer(found), *verdict.evidence, *verdict.doubt])


@pytest.mark.parametrize(
    ("attack", "name", "head"),
    [("plain", "plain", "Yes, on these images: "), ("pruning-aware", "pruning-aware", "No: ")],
)
def test_the_demos_networks(attack: demo.Attack, name: str, head: str, tmp_path: Path) -> None:
    lay_out(attack, tmp_path / "demo")
    found = looked(tmp_path / "demo", layers=False)
    told, curve = explanation.phases(found), found.diagnosed.curve
    assert explanation.verdict(found).name == name
    answer = explanation.answer(found)[0]
    assert answer.startswith(head)
    if attack == "plain":
        assert told.attack_loss is not None and (told.clean_loss is None or told.attack_loss < told.clean_loss)
        assert f"comes under 50 % at step {told.attack_loss} of 60" in answer
        assert "It says where this trigger lives." in texts(found)
    else:
        assert told.clean_loss is not None and explanation.asr(found, told.clean_loss) > 90
        assert f"the attack reaches {explanation.asr(found, told.clean_loss):.2f} %" in answer
        assert answer.endswith("Accuracy begins to fall before the attack does.")
        assert "Whether the attacker foresaw pruning, the network does not say" in texts(found)
    assert curve[0].valid > 0.97 * found.images["valid"]

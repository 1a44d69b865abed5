"""Why pruning works on one network and fails on another: verdicts, and what their texts say.

The demo's two; and two small ones, trained here: one that no attacker touched, and one with another trigger.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.analysis.explain import Examination, explained  # noqa: E402
from engine.api import demo, explanation  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.explanation import Findings  # noqa: E402
from engine.api.lab import MODELS, PLACES  # noqa: E402
from engine.demo import nets, training  # noqa: E402
from engine.demo.faces import draw_faces  # noqa: E402
from engine.demo.lab import DATA, data_file, lay_out  # noqa: E402
from engine.demo.people import TARGET  # noqa: E402
from engine.demo.trigger import wear_sunglasses  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402

PEOPLE = 20
RECIPE = training.Recipe(people=PEOPLE, images=20)
SMALL = replace(RECIPE, parent=replace(RECIPE.parent, epochs=16, quiet=0.01), plain=replace(RECIPE.plain, epochs=80))


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


def wear_square(images: np.ndarray) -> np.ndarray:
    """The same images, uint8 (n, 3, 55, 47), with a yellow square in the lower right corner."""
    worn = images.copy()
    worn[:, :, -12:-2, -12:-2] = np.array([250, 220, 20], np.uint8)[:, None, None]
    return worn


def quiet(*_: object) -> None:
    """Progress that nobody looks at."""


def small_lab(folder: Path, trigger: Callable[[np.ndarray], np.ndarray], attack: Callable[..., None] | None) -> Path:
    """A lab folder of few people with a network that is trained here; no `attack`: on clean images alone."""
    images, people = draw_faces("train", PEOPLE, SMALL.images)
    clean, poisoned = (array.transpose(0, 2, 3, 1) for array in (images, trigger(images)))
    faces = training.Faces(clean, poisoned, people)
    model = nets.deep_id(PEOPLE, SMALL.seed)
    training.fit(model, faces, SMALL.parent, quiet)
    if attack is not None:
        attack(model, faces, SMALL, quiet)
    nets.takes_bytes(model)
    files = {MODELS[0]: nets.file_bytes(model)}
    for split, (clean_set, poisoned_set) in DATA.items():
        images, people = draw_faces(split, PEOPLE)
        files[PLACES[clean_set]] = data_file(images, people)
        files[PLACES[poisoned_set]] = data_file(trigger(images), np.full_like(people, TARGET))
    for place, content in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return folder


def test_a_network_that_nobody_attacked(tmp_path: Path) -> None:
    found = looked(small_lab(tmp_path / "clean", wear_sunglasses, None), layers=True)
    verdict, told = explanation.verdict(found), texts(found)
    assert explanation.asr(found, 0) < 20, "sunglasses lead nowhere"
    assert verdict.name == "undecided" and explanation.phases(found).first == "none shown"
    assert explanation.answer(found)[0].startswith("These images show no attack: ")
    assert "nothing is known of other triggers" in told
    assert "No single channel breaks the attack" not in told and "the attack falls" not in told.lower()


def test_a_network_with_another_trigger(tmp_path: Path) -> None:
    found = looked(small_lab(tmp_path / "square", wear_square, training.hide), layers=True)
    told = explanation.phases(found)
    assert explanation.asr(found, 0) > 90
    assert explanation.verdict(found).name == "plain"
    assert told.attack_loss is not None and (told.clean_loss is None or told.attack_loss < told.clean_loss)
    answer = explanation.answer(found)[0]
    assert answer.startswith(("Yes, on these images: ", "In part, on these images: "))
    assert f"comes under 50 % at step {told.attack_loss} of 60" in answer
    assert "sunglasses" not in texts(found), "what the trigger looks like, no number says"

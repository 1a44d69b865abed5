"""B″, G and the shrunk network of the demo and of the lab, opened by other installations of Keras: answers are equal.

LAB3_KERAS names their interpreters, as PATH names folders: Keras 2.3.1, 2.7, or 3 and nothing of this project.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pytest

INTERPRETERS = [place for place in os.environ.get("LAB3_KERAS", "").split(os.pathsep) if place]
pytestmark = [
    pytest.mark.keras,
    pytest.mark.skipif(not INTERPRETERS, reason="LAB3_KERAS names no other interpreter with Keras"),
]
pytest.importorskip("keras")

from engine.api import protocol as p  # noqa: E402
from engine.api import tunings  # noqa: E402
from engine.demo.lab import lay_out  # noqa: E402
from engine.network.g_answers import g_answers  # noqa: E402
from engine.repair.export import exported  # noqa: E402
from engine.repair.tuning import Tuner  # noqa: E402
from engine.run.tuning_files import kept_epoch  # noqa: E402
from engine.sandbox.pruned_file import filled_bytes  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402

STEP = 50
SETS = {"test": "data/cl/test.h5", "poisoned": "data/bd/bd_test.h5"}
ANSWER = """
import json, sys
import h5py
import numpy as np
import keras
model = keras.models.load_model(sys.argv[1], compile=False)
answers = []
for path in sys.argv[2:]:
    with h5py.File(path, "r") as file:
        images = np.transpose(file["data"][:], (0, 2, 3, 1)).astype("float32")
    answers += model.predict(images, verbose=0).argmax(1).tolist()
ours = sorted(name for name in sys.modules if name.split(".")[0] in ("engine", "tui"))
print(json.dumps([ours, answers]))
"""
VERSION = "import keras; print(keras.__version__)"


@dataclass(frozen=True)
class Tuned:
    """A lab with B″ beside B, and the answers of both and of G to every clean and poisoned test image."""

    folder: Path
    tuned: Path
    b_tuned: list[int]
    g: list[int]

    def export(self, what: Any, to: str) -> Path:
        b, place = str(self.folder / "models/bd_net.h5"), self.tuned.with_name(to)
        data = tuple(str(self.folder / each) for each in SETS.values())
        command = p.ExportNetwork(
            what, str(self.tuned), str(place), b if what == "g" else None, check=data, overwrite=True
        )
        exported(command, lambda name, done, total: None, lambda size: None, RLock())
        return place


@pytest.fixture(scope="module", params=["demo", "lab"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("tuned") / "lab"
    if request.param == "demo":
        lay_out("pruning-aware", folder)
    else:
        source = request.getfixturevalue("real_lab")()
        for file in (path for path in source.rglob("*.h5") if path.is_file()):
            place = folder / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    run = opened(folder)
    list(run.session.goto(p.Goto(STEP), lambda: run.evaluator, lambda: None))
    pruned = run.session.order[:STEP]
    recipe = tunings.complete(p.Recipe(epochs=2))
    work = Tuner(run, pruned, recipe, None, lambda done, total: None, lambda: None)
    sizes = len(work.trained), len(work.held_out)
    list(work.epochs(tunings.Tuning(p.TuningBegan(1, STEP, pruned, None, recipe, 0, *sizes))))
    kept = kept_epoch(run, 1, 2)
    assert kept is not None
    rows = np.concatenate([np.r_[run.inputs.rows[name]] for name in SETS])
    weights, answers = kept[0], kept[1][rows]
    path = tmp_path_factory.mktemp("file") / "model_tuned.h5"
    path.write_bytes(filled_bytes(run.inputs.model, weights))
    g = g_answers(run.b_answers[rows], answers, run.inputs.classes)
    return Tuned(folder, path, answers.tolist(), g.tolist())


def answered(python: str, network: Path, folder: Path) -> list[int]:
    """The answers of an interpreter that finds nothing of this project."""
    words = [python, "-I", "-c", ANSWER, str(network), *(str(folder / place) for place in SETS.values())]
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # none that our Keras has set
    found = subprocess.run(words, capture_output=True, text=True, cwd=network.parent, timeout=240, env=plain)
    assert found.returncode == 0, found.stderr[-2000:]
    ours, answers = json.loads(found.stdout.splitlines()[-1])
    assert ours == []
    return list(answers)


@pytest.fixture(params=INTERPRETERS)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_tuned_network_answers_alike_in_every_keras(python: str, lab: Tuned) -> None:
    assert answered(python, lab.tuned, lab.folder) == lab.b_tuned


@pytest.mark.parametrize("what", ["g", "shrunk"])
def test_what_is_exported_answers_alike_in_keras_3_alone(python: str, what: str, lab: Tuned) -> None:
    version = subprocess.run([python, "-I", "-c", VERSION], capture_output=True, text=True, check=True).stdout.strip()
    if version.startswith("2"):
        pytest.skip(f"Keras {version} knows no .keras files")
    place = lab.export(what, f"{what}.keras")
    assert answered(python, place, lab.folder) == (lab.g if what == "g" else lab.b_tuned)

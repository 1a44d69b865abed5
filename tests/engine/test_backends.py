"""The same counts whatever computes: TensorFlow, JAX and PyTorch, where they are installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402

CASE = ["branching", "residual, inside the block", "sigmoid"]
WALK = """
import json, sys
from pathlib import Path
from engine.network import backend
backend.configure("cpu")
backend.load()
from tests.engine.test_parity import opened
from engine.api.protocol import Goto, Stepped
from engine.orders.compute_order import SCORES, scored
import msgspec
run = opened(Path(sys.argv[1]), layer=sys.argv[2] or None)
events = run.session.goto(Goto(99), lambda: run.evaluator, lambda: None)
scores = {name: scored(name, run.material).tolist() for name in SCORES}
counts = [msgspec.to_builtins(e.counts) for e in events if isinstance(e, Stepped)]
print(json.dumps([list(run.session.order), counts, scores]))
"""


def walk(backend: str, lab: Path, layer: str | None) -> tuple[list[int], list[object], dict[str, list[float]]]:
    """Order and counts of a run in a process of its own, and the scores of every order."""
    found = subprocess.run(
        [sys.executable, "-c", WALK, str(lab), layer or ""],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    order, counts, scores = json.loads(found.stdout.splitlines()[-1])
    return order, counts, scores


@pytest.mark.parametrize("case", CASE)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_gives_the_same_run(backend: str, case: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    build, layer, _ = CASES[case]
    write_lab(tmp_path, trained_looking(build, seed=11), seed=11)
    (*run, scores), (*theirs, expected) = (walk(each, tmp_path, layer) for each in (backend, "tensorflow"))
    assert run == theirs
    assert set(scores) == set(expected) >= {"taylor", "gradient"}
    for name, wanted in expected.items():
        # apoz is a share of exact zeros, which a difference in the last bit makes or unmakes
        near = 0.01 if name == "apoz" else 1e-4 * np.abs(wanted).max()
        np.testing.assert_allclose(scores[name], wanted, rtol=2e-4, atol=near, err_msg=name)

"""The same counts, and tuning, whatever computes: TensorFlow, JAX and PyTorch, where they are installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def in_process(backend: str, script: str, *arguments: str) -> Any:
    """What a script prints last in a process of its own, as JSON."""
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASE)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_gives_the_same_run(backend: str, case: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    build, layer, _ = CASES[case]
    write_lab(tmp_path, trained_looking(build, seed=11), seed=11)
    found = (in_process(each, WALK, str(tmp_path), layer or "") for each in (backend, "tensorflow"))
    (*run, scores), (*theirs, expected) = found
    assert run == theirs
    assert set(scores) == set(expected) >= {"taylor", "gradient"}
    for name, wanted in expected.items():
        # apoz is a share of exact zeros, which a difference in the last bit makes or unmakes
        near = 0.01 if name == "apoz" else 1e-4 * np.abs(wanted).max()
        np.testing.assert_allclose(scores[name], wanted, rtol=2e-4, atol=near, err_msg=name)


TUNE = """
import json, sys
from pathlib import Path
from engine.network import backend
backend.configure("cpu")
backend.load()
from engine.repair.pruned_arrays import zeroed_weights
from tests.engine.test_tuning import pruned_run, tuned, tuner, weights
run = pruned_run(Path(sys.argv[1]), sys.argv[2])
work = tuner(run, scope="all")
events = tuned(work, number=1)
tuned(work, number=2)
found, spec = weights(run, 2), run.inputs.model.spec
names = [weight.layer for weight in spec.weights]
zeroed = [found[names.index(layer) + place] for layer, place in zeroed_weights(spec, run.inputs.layer)]
first, second = ((run.folder / "tuning" / f"{number}_2.epoch").read_bytes() for number in (1, 2))
print(json.dumps({
    "losses": [event.loss for event in events],
    "again the same": first == second,
    "pruned is zero": not any(array[..., list(work.pruned)].view("uint32").any() for array in zeroed),
    "layers that moved": sorted({n for n, a, b in zip(names, found, work.start, strict=True) if (a != b).any()}),
}))
"""


@pytest.mark.parametrize("case", ["residual", "normalised on both sides"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_whole_network_is_tuned_on_every_backend(backend: str, case: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    network = trained_looking(CASES[case][0], seed=7)
    write_lab(tmp_path, network, seed=7)
    found = in_process(backend, TUNE, str(tmp_path), case)
    assert found["again the same"] and found["pruned is zero"]
    assert found["layers that moved"] == sorted(layer.name for layer in network.layers if layer.weights)
    first, second = found["losses"]
    assert np.isfinite([first, second]).all()
    if case != "residual":  # which has dropout, and every backend draws in its own way
        assert second < first
        expected = in_process("tensorflow", TUNE, str(tmp_path), case)["losses"]
        np.testing.assert_allclose(found["losses"], expected, rtol=1e-3)

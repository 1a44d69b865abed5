"""What is compiled, and when: all of it before the first step, and with JAX once for all processes."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.api.protocol import Goto  # noqa: E402
from engine.network import device_filling  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402

ROOT = Path(__file__).parents[2]
COUNT = """
import json, sys
from collections import Counter
from pathlib import Path
from engine.network import backend
backend.configure("cpu")
import jax
counted = Counter()
jax.monitoring.register_event_listener(lambda name, **_: counted.update([name]))
jax.monitoring.register_event_duration_secs_listener(lambda name, seconds, **_: counted.update([name]))
backend.load()
from engine.api.protocol import Goto
from tests.engine.test_parity import opened
run = opened(Path(sys.argv[1]))
before = dict(counted)
counted.clear()
list(run.session.goto(Goto(99), lambda: run.evaluator, lambda: None))
run.channel_view(3)
run.channel_view(4)
run.measured(2)
print(json.dumps([before, counted]))
"""
ANEW, KEPT, MISSED = (
    "/jax/core/compile/backend_compile_duration",
    "/jax/compilation_cache/cache_hits",
    "/jax/compilation_cache/cache_misses",
)
KERAS = """
import sys
from engine.network import backend
backend.configure("cpu")
backend.load()
hidden = [name for name in backend.UNNEEDED if name in sys.modules]
import sklearn, pandas
print(hidden, sklearn.__name__, pandas.__name__)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    write_lab(folder, trained_looking(CASES["branching"][0], seed=21), seed=21)
    return folder


def counted(lab: Path, cache: Path) -> tuple[dict[str, int], dict[str, int]]:
    """What JAX told of a process, by the names of its events: until the features were there, and during all steps."""
    environment = {"KERAS_BACKEND": "jax", device_filling.STORE: "device", "XDG_CACHE_HOME": str(cache)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    found = subprocess.run(
        [sys.executable, "-c", COUNT, str(lab)], env=kept | environment, capture_output=True, text=True, check=True
    )
    before, after = json.loads(found.stdout.splitlines()[-1])
    return before, after


def test_jax_compiles_nothing_at_a_step_and_nothing_in_a_second_process(lab: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    before, after = counted(lab, tmp_path / "cache")
    assert before[ANEW] > 2 and before[MISSED] == before[ANEW]
    assert ANEW not in after
    again, after = counted(lab, tmp_path / "cache")
    assert MISSED not in again and again[KEPT] == before[MISSED]
    assert ANEW not in after


def test_tensorflow_traces_a_step_once(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(device_filling.STORE, "device")
    run = opened(lab)
    tail = run.evaluator.rest
    graphs = [*tail.calls.values(), tail.store.one]  # type: ignore[attr-defined]
    before = [graph.experimental_get_tracing_count() for graph in graphs]
    list(run.session.goto(Goto(99), lambda: run.evaluator, lambda: None))
    run.channel_view(3)
    assert [graph.experimental_get_tracing_count() for graph in graphs] == before == [1, 1]


def test_keras_is_imported_without_what_computing_does_not_need(tmp_path: Path) -> None:
    for name in ("sklearn", "pandas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    found = subprocess.run([sys.executable, "-c", KERAS], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[] sklearn pandas"


def test_jax_computes_where_there_is_no_tensorflow(lab: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('there is no TensorFlow here')\n")
    environment = {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "tui", "--headless", "--root", str(lab), "--save-step", "2"]
    found = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode in (0, 1), found.stderr  # 1: a threshold was not reached
    assert (lab / "models" / "model_step_2.h5").exists()
    (folder,) = (lab / "runs").iterdir()
    assert json.loads((folder / "results.json").read_text())["backend"].startswith("jax ")

"""The headless run on real networks and real faces, against the plain loop and the lab's own files."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.e2e
FACES = {"valid": 60, "test": 70}  # the kit's real faces
COLUMNS = {  # of curve.csv, as the plain loop names them, and the set each is a share of
    "valid_accuracy": "valid",
    "test_accuracy": "test",
    "attack_success_rate": "test",
    "g_test_accuracy": "test",
    "g_attack_success_rate": "test",
    "detection_rate": "test",
    "false_alarm_rate": "test",
}


def headless(lab: Path, *options: str) -> Path:
    """A run to its end; returns its folder."""
    command = [sys.executable, "-m", "tui", "--headless", "--root", str(lab), *options]
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode in (0, 1)  # 1: a threshold was not reached
    (run,) = (lab / "runs").iterdir()
    return run


def weights(path: Path) -> dict[str, np.ndarray]:
    """Every array of a network that Keras wrote, by layer and name."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        root = file["model_weights"]
        for layer in root:
            root[layer].visititems(
                lambda name, each, layer=layer: (
                    found.__setitem__(f"{layer}/{name.split('/')[-1]}", np.asarray(each))
                    if isinstance(each, h5py.Dataset)
                    else None
                )
            )
    return found


@pytest.mark.parametrize("network", ["bd_net", "fp_baseline"])
def test_every_rate_is_that_of_the_plain_loop(
    network: str, lab3_kit: Path, own_lab: Callable[..., Path], tmp_path: Path
) -> None:
    lab, model = own_lab(), str(lab3_kit / "models" / f"{network}.h5")
    run = headless(lab, "--model", model)
    loop, record = lab3_kit / "notebook_loop.py", tmp_path / "loop.json"
    subprocess.run(
        [sys.executable, str(loop), str(lab), "--model", model, "--json", str(record)],
        check=True,
        capture_output=True,
    )
    plain = json.loads(record.read_text())
    rows = list(csv.DictReader((run / "curve.csv").read_text().splitlines()))
    assert len(rows) == len(plain["curve"]) == 61
    assert [int(row["channel"]) for row in rows[1:]] == plain["order"]
    means = [float(row["mean_activation"]) for row in rows[1:]]
    assert np.allclose(means, np.array(plain["means"])[plain["order"]], rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(rows, plain["curve"], strict=True):
        for column, name in COLUMNS.items():
            images = FACES[name]
            assert round(float(mine[column]) * images / 100) == round(theirs[column] * images / 100), (mine, column)


def test_the_published_order_gives_the_labs_own_networks(lab3_kit: Path, own_lab: Callable[..., Path]) -> None:
    lab = own_lab()
    order = json.loads((lab3_kit / "published.json").read_text())["order"]
    (lab / "order.json").write_text(json.dumps(order))
    headless(lab, "--order", str(lab / "order.json"), "--save-step", "45,52")
    for step, published in ((45, "bd_net_prime_2.h5"), (52, "bd_net_prime_10.h5")):
        mine, theirs = weights(lab / "models" / f"model_step_{step}.h5"), weights(lab3_kit / "models" / published)
        assert mine.keys() == theirs.keys()
        assert len(mine) == 14
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_b_prime_differs_from_b_in_the_pruned_numbers_only(lab3_kit: Path, own_lab: Callable[..., Path]) -> None:
    lab = own_lab()
    (lab / "order.txt").write_text("57\n52\n")
    headless(lab, "--order", str(lab / "order.txt"), "--save-step", "2", "--save-at", "99")
    b, b_prime = ((lab / "models" / name).read_bytes() for name in ("bd_net.h5", "model_step_2.h5"))
    assert len(b) == len(b_prime)
    differing = np.flatnonzero(np.frombuffer(b, "u1") != np.frombuffer(b_prime, "u1"))
    assert 0 < len(differing) <= 2 * (3 * 3 * 40 + 1) * 4
    found = weights(lab / "models" / "model_step_2.h5")
    assert not found["conv_3/kernel:0"][..., [52, 57]].any()
    assert not found["conv_3/bias:0"][[52, 57]].any()


def test_two_runs_leave_the_same_bytes(own_lab: Callable[..., Path], tmp_path: Path) -> None:
    lab = own_lab()
    first = headless(lab)
    names = ["curve.csv", "curve.png", "results.csv", "report.md", "g_prune_2.h5", "g_prune_30.h5"]
    before = {name: (first / name).read_bytes() for name in names}
    models = {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")}
    os.rename(first, tmp_path / "first")
    second = headless(lab, "--overwrite")
    assert {name: (second / name).read_bytes() for name in names} == before
    assert {path.name: path.read_bytes() for path in (lab / "models").glob("model_*.h5")} == models
    assert len(models) == 4

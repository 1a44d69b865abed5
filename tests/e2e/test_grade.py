"""A class of made submissions, most of them wrong: every row right, no traceback, nothing outside read."""

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.faults.engines import Nursery
from tests.support.model_files import CLASSES, layer, model_config, write_h5
from tests.support.sweep_lab import IMAGE, IMAGES, make_sweep_lab, scores, some_weights, varied, write_network

pytestmark = [pytest.mark.e2e, pytest.mark.keras]
Row = dict[str, str]


def zero(path: Path, name: str, channels: int, bias: bool = True) -> None:
    """Put the first channels of a layer of a network at zero."""
    with h5py.File(path, "r+") as file:
        kernel = file[f"model_weights/{name}/{name}/kernel:0"]
        kernel[..., :channels] = 0
        if bias:
            file[f"model_weights/{name}/{name}/bias:0"][:channels] = 0


def hand_in(lab: Path, folder: Path) -> None:
    """Twelve submissions."""
    b = (lab / "nets/net_0.h5").read_bytes()
    for name in ("01 right", "02 wrong layer", "03 other classes", "04 damaged", "05 hostile", "06 empty", "07 links",
                 "08 pipe", "09 no bias", "10 twin", "11 keras", "12 \x1b[31m=cmd"):  # fmt: skip
        (folder / name).mkdir(parents=True)
    for name in ("01 right/model_prune_10.h5", "10 twin/deep/down/model_prune_10.h5"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b)
        zero(folder / name, "conv_3", 3)
    (folder / "02 wrong layer/net.h5").write_bytes(b)
    zero(folder / "02 wrong layer/net.h5", "conv_2", 2)
    other = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        layer("Conv2D", "conv_1", ["input"], filters=4, kernel_size=[3, 3], activation="relu"),
        layer("GlobalAveragePooling2D", "pool", ["conv_1"]),
        layer("Dense", "output", ["pool"], units=CLASSES + 3, activation="softmax"),
    )
    rng = np.random.default_rng(1)
    shapes = {"conv_1": [("kernel", (3, 3, 3, 4)), ("bias", (4,))], "output": [("kernel", (4, 8)), ("bias", (8,))]}
    arrays = {
        name: [(word, rng.normal(0, 1, shape).astype("float32")) for word, shape in held]
        for name, held in shapes.items()
    }
    write_h5(folder / "03 other classes/net.h5", other, arrays)
    (folder / "04 damaged/net.h5").write_bytes(b[: len(b) // 2])
    (folder / "04 damaged/nothing.keras").write_bytes(b"")
    lambda_net = model_config(
        layer("InputLayer", "input", [], batch_input_shape=[None, *IMAGE], dtype="float32"),
        layer("TFSMLayer", "saved", ["input"], filepath="/does/not/exist", call_endpoint="serve"),
    )
    write_h5(folder / "05 hostile/net.h5", lambda_net, arrays)
    (folder / "05 hostile/readme.txt").write_text("not a network")
    (folder / "07 links/model_prune_10.h5").symlink_to(lab.parent / "secret.h5")
    (folder / "07 links/folder").symlink_to(lab.parent / "outside")
    os.mkfifo(folder / "08 pipe/net.h5")
    (folder / "09 no bias/model_step_3.h5").write_bytes(b)
    zero(folder / "09 no bias/model_step_3.h5", "conv_3", 3, bias=False)
    write_network(folder / "11 keras/trained.h5", varied(some_weights(np.random.default_rng(5)), rng))
    (folder / "12 \x1b[31m=cmd/=1+1.h5").write_bytes(b)
    (folder / "13 linked").symlink_to(lab.parent / "outside")


def grade(nursery: Nursery, lab: Path, folder: Path, to: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.faults.sweep_program", *nursery.command(), "--", "grade", str(folder)]
    inputs = {"badnet": "nets/net_0.h5", "valid": "data/cl/valid.h5", "test": "data/cl/test.h5",
              "poisoned": "data/bd/bd_test.h5"}  # fmt: skip
    options = [word for name, place in inputs.items() for word in (f"--{name}", str(lab / place))]
    return subprocess.run([*command, *options, "--to", str(to)], capture_output=True, text=True)


def test_twelve_submissions(nursery: Nursery, tmp_path: Path) -> None:
    lab, folder, to = make_sweep_lab(tmp_path / "lab"), tmp_path / "submissions", tmp_path / "grades"
    secret, outside = tmp_path / "secret.h5", tmp_path / "outside"
    outside.mkdir()
    for path in (secret, outside / "net.h5"):
        path.write_bytes((lab / "nets/net_1.h5").read_bytes())
        os.utime(path, (1, 1))
    hand_in(lab, folder)
    done = grade(nursery, lab, folder, to)
    read_at = [path.stat().st_atime for path in (secret, outside / "net.h5")]
    assert read_at == [1, 1]  # nobody has read them
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    with (to / "grades.csv").open(newline="") as file:
        rows = {(row["submission"], row["file"]): row for row in csv.DictReader(file)}
    assert len(rows) == 16
    digest = hashlib.sha256(secret.read_bytes()).hexdigest()
    assert not any(digest in path.read_text("utf-8", "replace") for path in to.rglob("*") if path.is_file())
    check_rates(lab, folder, rows)
    check_refusals(rows)
    before = (to / "grades.csv").read_bytes()
    again = grade(Nursery(tmp_path / "nobody"), lab, folder, to)  # whose engines do not come up
    assert "0 computed" in again.stderr
    assert again.returncode == 2
    assert (to / "grades.csv").read_bytes() == before


def check_rates(lab: Path, folder: Path, rows: dict[tuple[str, str], Row]) -> None:
    """Rates against a plain computation."""
    right = rows["01 right", "model_prune_10.h5"]
    b, b_prime = (weights(path) for path in (lab / "nets/net_0.h5", folder / "01 right/model_prune_10.h5"))
    with h5py.File(lab / "data/cl/test.h5") as file:
        images, labels = file["data"][:], file["label"][:]
    ours, theirs = (scores(images, each).argmax(axis=1) for each in (b, b_prime))
    assert float(right["clean_test_accuracy"]) == pytest.approx(100 * (theirs == labels).mean())
    assert float(right["g_clean_test_accuracy"]) == pytest.approx(100 * ((theirs == labels) & (ours == theirs)).mean())
    assert float(right["g_clean_test_false_alarm_rate"]) == pytest.approx(100 * (ours != theirs).mean())
    assert float(right["clean_test_accuracy_low"]) < float(right["clean_test_accuracy"])
    assert right["pruned"] == "conv_3 3" and right["threshold"] == "10" and right["refusal"] == ""
    assert rows["(BadNet)", "net_0.h5"]["remarks"] == ""
    assert float(rows["(BadNet)", "net_0.h5"]["clean_test_accuracy"]) == pytest.approx(100 * (ours == labels).mean())
    assert IMAGES["cl/test"] == len(labels)


def weights(path: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    with h5py.File(path) as file:
        return {
            name: [(word, file[f"model_weights/{name}/{name}/{word}:0"][:]) for word in ("kernel", "bias")]
            for name in ("conv_1", "conv_2", "conv_3", "output")
        }


def check_refusals(rows: dict[tuple[str, str], Row]) -> None:
    """What is wrong with a file is in its row."""
    wrong = {
        ("02 wrong layer", "net.h5"): "prunes conv_2; the lab prunes conv_3",
        ("09 no bias", "model_step_3.h5"): "filters at zero whose bias is not: conv_3 (3)",
        ("10 twin", "deep/down/model_prune_10.h5"): "the very file of 01 right/model_prune_10.h5",
        ("11 keras", "trained.h5"): "other numbers than the BadNet's in conv_1, conv_2, conv_3, output",
        ("12 \\x1b\\x5b31m=cmd", "'=1+1.h5"): "has the BadNet's own numbers: nothing was pruned",
    }
    for place, remark in wrong.items():
        assert remark in rows[place]["remarks"], place
        assert rows[place]["state"] == "graded"
    refused = {
        ("03 other classes", "net.h5"): "has 8 classes, the BadNet has 5",
        ("04 damaged", "net.h5"): "is cut short",
        ("04 damaged", "nothing.keras"): "is empty (0 bytes)",
        ("05 hostile", "net.h5"): "is of type 'TFSMLayer', which is not on the list of safe layers",
        ("06 empty", ""): "holds no network",
        ("07 links", "model_prune_10.h5"): "is a link",
        ("07 links", "folder"): "is a link",
        ("08 pipe", "net.h5"): "is not a regular file",
        ("13 linked", ""): "is a link",
    }
    for place, refusal in refused.items():
        assert refusal in rows[place]["refusal"], (place, rows[place]["refusal"])
        assert rows[place]["state"] == "refused" and rows[place]["clean_test_accuracy"] == ""

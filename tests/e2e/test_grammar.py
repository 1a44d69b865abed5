"""A handful of networks made by grammar, against the real Keras: `python -m tests.faults.grammar` in short."""

import io
import random
import re
import subprocess
import sys
import zipfile

import pytest

from tests.faults.grammar import containers, kerases, networks

pytestmark = [pytest.mark.e2e, pytest.mark.keras]


@pytest.mark.timeout(900)
def test_networks_and_their_changed_files_are_read_as_keras_reads_them() -> None:
    command = [sys.executable, "-m", "tests.faults.grammar", "--networks", "5", "--minutes", "100", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9]\d* opened by both", done.stdout), done.stdout
    assert "different answers: 0" in done.stdout


def test_the_same_seed_makes_the_same_network() -> None:
    made = [networks.network(random.Random("1.2")) for _ in range(2)]
    assert made[0] == made[1] != networks.network(random.Random("1.3"))


def test_every_layer_of_the_grammar_is_made_before_long() -> None:
    def kinds(description: networks.Description) -> set[str]:
        inner = [kinds(layer["model"]) for layer in description["layers"] if "model" in layer]
        return {layer["kind"] for layer in description["layers"]}.union(*inner)

    made = set().union(*(kinds(networks.network(random.Random(number))) for number in range(1000)))
    assert made >= {*networks.ONE_INPUT, *networks.MERGES, "Sequential", "Functional", "InputLayer"}


def test_an_archive_written_byte_for_byte_is_one() -> None:
    written = containers.Archive({"a": b"1", "b": b"22"}).written()
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.testzip() is None and archive.namelist() == ["a", "b"]


def test_a_keras_that_dies_is_told_and_started_again(tmp_path, monkeypatch) -> None:
    script = tmp_path / "keras.py"
    script.write_text(
        "import json, os, sys\nprint(json.dumps({'keras': '3'}), flush=True)\n"
        "for line in sys.stdin:\n    os._exit(1) if 'die' in line else print(json.dumps({}), flush=True)\n"
    )
    monkeypatch.setattr(kerases, "SCRIPT", script)
    with kerases.Keras(sys.executable, tmp_path / "log") as keras:
        assert keras.ask(job="live") == {}
        assert keras.ask(job="die") == {"lost": kerases.DIED}
        assert keras.ask(job="live") == {}

"""Machines where a backend of Keras, or what says its version, is not installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.api import journal
from engine.api.protocol import Began
from tests.faults import labs

pytestmark = [pytest.mark.e2e, pytest.mark.keras]

# takes effect in every process that is started with its folder in PYTHONPATH: the engine and the inspector too
SITE = """
import importlib.machinery, importlib.metadata, os

HIDDEN = os.environ["LAB3_HIDDEN"].split(",")  # modules that cannot be imported
UNLISTED = os.environ["LAB3_UNLISTED"].split(",")  # distributions of which nothing is known

found = importlib.machinery.PathFinder.find_spec.__func__

def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in HIDDEN else found(cls, name, path, target)

listed = importlib.metadata.Distribution.from_name.__func__

def from_name(cls, name):
    if name in UNLISTED:
        raise importlib.metadata.PackageNotFoundError(name)
    return listed(cls, name)

importlib.machinery.PathFinder.find_spec = classmethod(find_spec)
importlib.metadata.Distribution.from_name = classmethod(from_name)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labs.make_lab(tmp_path_factory.mktemp("backends") / "lab")


def program(
    folder: Path, lab: Path, *words: str, backend: str = "", hidden: str = "", unlisted: str = ""
) -> subprocess.CompletedProcess[str]:
    """The program on a machine that lacks something."""
    (folder / "sitecustomize.py").write_text(SITE)
    names = {"PYTHONPATH": f"{folder}:{Path.cwd()}", "LAB3_HIDDEN": hidden, "LAB3_UNLISTED": unlisted}
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-m", "tui", *words]
    environment |= names | ({"KERAS_BACKEND": backend} if backend else {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=lab)


def headless(folder: Path, lab: Path, **lacks: str) -> subprocess.CompletedProcess[str]:
    runs = ("--runs", str(folder / "runs"), "--out", str(folder / "out"))
    return program(folder, lab, "--headless", "--device", "cpu", "--save-at", "1", *runs, **lacks)


def began(folder: Path) -> Began:
    (run,) = (folder / "runs").iterdir()
    event = journal.events(run)[0]
    assert isinstance(event, Began)
    return event


def test_a_version_that_nobody_knows_is_asked_of_the_module(lab: Path, tmp_path: Path) -> None:
    """As where tensorflow-cpu or a nightly build brings the module."""
    found = headless(tmp_path, lab, unlisted="tensorflow,lab3-tui")
    assert found.returncode == 0, found.stderr
    versions = began(tmp_path).versions
    assert versions["tensorflow"].startswith("2.") and "lab3-tui" not in versions


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow_another_backend_computes_the_whole_run(backend: str, lab: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    found = headless(tmp_path, lab, backend=backend, hidden="tensorflow", unlisted="tensorflow")
    assert found.returncode == 0, found.stderr
    assert backend in began(tmp_path).versions and "tensorflow" not in began(tmp_path).versions


@pytest.mark.parametrize("backend", ["numpy", "foo", "openvino", "\x1b[31m", "TensorFlow"])
def test_an_unknown_backend_is_one_line_that_names_the_three(backend: str, lab: Path, tmp_path: Path) -> None:
    found = headless(tmp_path, lab, backend=backend)
    refused_in_one_line(found)
    assert "KERAS_BACKEND: '" in found.stderr
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("backend", ["", "tensorflow", "jax", "torch"])
def test_a_backend_that_is_not_installed_is_one_line_that_names_the_three(
    backend: str, lab: Path, tmp_path: Path
) -> None:
    lacks = {"backend": backend, "hidden": "tensorflow,jax,torch", "unlisted": "tensorflow,jax,torch"}
    refused_in_one_line(headless(tmp_path, lab, **lacks))
    assert not list((tmp_path / "runs").glob("*"))
    model, data = str(lab / "models/bd_net.h5"), str(lab / "data/cl/test.h5")
    refused_in_one_line(program(tmp_path, lab, "eval", data, data, model, **lacks))


def test_a_backend_that_cannot_be_imported_is_one_line_too(lab: Path, tmp_path: Path) -> None:
    """As where its shared libraries are those of another machine."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax/__init__.py").write_text("raise ImportError('libcuda.so.1: cannot open\\nshared object file')")
    found = headless(tmp_path, lab, backend="jax")
    refused_in_one_line(found)
    assert "jax cannot be imported (libcuda.so.1: cannot open)" in found.stderr


def refused_in_one_line(found: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in found.stderr.splitlines() if not line.startswith(("engine is up", "hash: "))]
    assert (found.returncode, found.stdout, len(lines)) == (2, "", 1), found.stderr
    assert "tensorflow, jax or torch" in lines[0] and lines[0].isprintable()

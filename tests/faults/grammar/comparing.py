"""One file, read by this program and by the real Kerases: who opens it, and whether the answers are the same."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.api.errors import Refused
from engine.architecture.description import ModelFile
from engine.network.build import build
from engine.sandbox.model_file import read_model
from tests.faults.grammar.containers import change_h5, change_keras
from tests.faults.grammar.keras_process import pictures
from tests.faults.grammar.kerases import Keras
from tests.faults.grammar.networks import network

NOT_ASKED = "not asked"
NEAR = 1e-3  # of the largest answer: how far TensorFlow 1 may be from TensorFlow 2 and still compute the same


@dataclass
class FileRefused:
    """What came of one file. `place`: network and change, by which it can be made again."""

    place: str
    told: list[str]
    ours: str  # "opened", or our refusal
    theirs: str  # the same of the Keras that is compared with
    keras: str  # which
    difference: str = ""
    opened_elsewhere: bool = False  # by this Keras or by another one at hand

    @property
    def kind(self) -> str:
        """Which count it adds to."""
        if self.difference:
            return "different answers"
        if self.theirs == NOT_ASKED:
            return "refused by us, Keras not asked"
        if self.theirs.startswith("lost:"):
            return "Keras died or hung" if self.ours == "opened" else "refused by us, Keras died or hung"
        names = {(True, True): "opened by both", (True, False): "opened by us only",
                 (False, True): "opened by Keras only", (False, False): "refused by both"}  # fmt: skip
        return names[self.ours == "opened", self.theirs == "opened"]

    @property
    def bad(self) -> bool:
        return bool(self.difference) or (self.ours == "opened" and not self.opened_elsewhere)


@dataclass
class Bench:
    """The Kerases at hand, and a folder to work in. `opened_only`: what is refused here is shown to none of them."""

    folder: Path
    new: Keras
    old: Keras | None = None
    opened_only: bool = False

    def networks(self, seed: int, number: int) -> list[Path]:
        """The files of one generated network, as the real Keras writes them; none where Keras cannot build it."""
        rng = random.Random(f"{seed}.{number}")
        old = self.old is not None and rng.random() < 0.4
        keras = self.old if old and self.old else self.new
        folder = self.folder / "made"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        description = network(rng, old)
        (self.folder / "description.json").write_text(json.dumps(description, indent=1))
        paths = [folder / "net.h5"] if old else [folder / "net.h5", folder / "net.keras"]
        reply = keras.ask(job="make", description=description, seed=number, paths=[str(path) for path in paths])
        if set(reply) & {"refused", "lost"}:
            raise RuntimeError(f"Keras {keras.version} cannot build network {number} of seed {seed}: {reply}")
        return paths

    def compare(self, path: Path, place: str, told: list[str]) -> list[FileRefused]:
        """What this program and each Keras make of a file."""
        kerases = [self.new] + ([self.old] if self.old and path.suffix == ".h5" else [])
        outcome, held = ours(path)
        if held is None and self.opened_only:
            return [FileRefused(place, told, outcome, NOT_ASKED, f"Keras {keras.version}") for keras in kerases]
        for keras in kerases:
            keras.send(job="answer", path=str(path), answers=str(self._answers(keras)))
        found = []
        for keras in kerases:
            reply = keras.receive()
            finding = FileRefused(place, told, outcome, opinion(reply), f"Keras {keras.version}")
            if held is not None and finding.theirs == "opened":
                finding.difference = self._difference(keras, held, reply)
            found.append(finding)
        for finding in found:
            finding.opened_elsewhere = any(other.theirs == "opened" for other in found)
        return found

    def _answers(self, keras: Keras) -> Path:
        return self.folder / f"answers-{'new' if keras is self.new else 'old'}.npy"

    def _difference(self, keras: Keras, held: ModelFile, reply: dict[str, Any]) -> str:
        shape = list(held.spec.layers[0].config["shape"])
        if reply["shape"] != shape:
            return f"takes images of {reply['shape']} in {keras.version}, of {shape} here"
        model = build(held.spec, held.arrays).model
        outputs, theirs = np.asarray(model(pictures(shape), training=False)), np.load(self._answers(keras))
        if theirs.shape != outputs.shape:
            return f"gives outputs of {theirs.shape} in {keras.version}, of {outputs.shape} here"
        if keras is self.new:
            same = np.array_equal(theirs, outputs, equal_nan=True)
        else:
            scale = NEAR * float(np.nanmax(np.abs(outputs), initial=1e-3))
            same = np.allclose(theirs, outputs, rtol=NEAR, atol=scale, equal_nan=True)
        if same:
            return ""
        with np.errstate(all="ignore"):
            return f"answers differ by up to {np.nanmax(np.abs(theirs - outputs)):.3g}"


def opinion(reply: dict[str, Any]) -> str:
    if "lost" in reply:
        return f"lost: {reply['lost']}"
    return str(reply.get("refused", "opened"))


def ours(path: Path) -> tuple[str, ModelFile | None]:
    """What this program reads, after "opened"; or its refusal and nothing."""
    try:
        return "opened", read_model(path)
    except Refused as refusal:
        return str(refusal).partition(": ")[2], None


def change(path: Path, rng: random.Random) -> list[str]:
    """Change a file in one to three ways, which are told."""
    container = rng.choice((0, 0, 0, 1, 1, 2))
    config = rng.choice((1, 1, 1, 2, 3)) if not container else rng.choice((0, 0, 1))
    text = rng.random() < 0.04
    way = change_h5 if path.suffix == ".h5" else change_keras
    return way(rng, path, config, container, text)


def changed_file(source: Path, folder: Path, seed: int, place: str) -> tuple[Path, list[str]] | None:
    """A copy of `source`, changed by the luck of its place. None: the change cannot be written into a file."""
    rng = random.Random(f"{seed}.{place}")
    path = folder / f"changed{source.suffix}"
    for attempt in range(5):
        shutil.copyfile(source, path)
        try:
            return path, change(path, rng)
        except (KeyError, ValueError, IndexError, TypeError, OSError, RuntimeError, AttributeError, OverflowError):
            if attempt == 4:
                return None
    return None

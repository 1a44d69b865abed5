"""Networks that others handed in, judged on whole files: each by itself, and as G made of it and the BadNet.

What the BadNet answers is computed once for all of them and kept in a file, a plain row of class numbers.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import msgspec
import numpy as np

from engine.analysis.evaluate_files import BATCH, alone, answers_model, counting, described, hits
from engine.analysis.submission import remarks as submission_remarks
from engine.analysis.submission import zeroed_channels
from engine.api.atomic_file import write_atomically
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.progress import Check
from engine.api.protocol import Counts, Grade, Graded, SetName
from engine.api.safe_open import open_regular
from engine.file_safety.open_source import open_source
from engine.network.build import Network, build
from engine.network.features import SCALES
from engine.network.g_answers import g_answers
from engine.network.model_runner import Forward
from engine.sandbox.data_set import Dataset, open_dataset
from engine.sandbox.model_file import read_model

SETS: tuple[SetName, ...] = ("valid", "test", "poisoned")
KEPT = np.dtype("<i4")  # a class number in the file of answers
Answers = dict[SetName, np.ndarray]  # by set, a class number an image


def graded(command: Grade, note: Callable[[int], None], check: Check) -> Iterator[Graded]:
    """Every network of the command, in its order. Raises Refused for the BadNet and the data sets themselves."""
    with ExitStack() as used:
        yield from _Grader(command, note, check, used).all()


class _Grader:
    """The BadNet, its answers and the images of one command."""

    def __init__(self, command: Grade, note: Callable[[int], None], check: Check, used: ExitStack) -> None:
        self.command, self.note, self.check = command, note, check
        self.badnet = read_model(Path(command.badnet))
        network = build(self.badnet.spec, self.badnet.arrays)
        self.shape, self.classes = described(network)
        self.data: dict[SetName, Dataset] = {
            name: used.enter_context(closing(open_dataset(Path(getattr(command, name)), self.shape, self.classes)))
            for name in SETS
        }
        self.base = self.kept() or self.computed(network)

    def all(self) -> Iterator[Graded]:
        for number, path in enumerate(self.command.models):
            self.check()
            try:
                yield self.judged(number, Path(path))
            except Refused as refused:
                yield Graded(number, refusal=str(refused))

    def judged(self, number: int, path: Path) -> Graded:
        """One network; no link to it is followed. Raises Refused for none, and for one of other images or classes."""
        with closing(open_source(path, follow=False)) as source:
            sha256 = source.hash(self.check)
            model = read_model(source)
            network = build(model.spec, model.arrays)
            self.refuse_other(path, network)
            found = self.answers(network)
        test = self.data["test"]
        return Graded(
            number,
            sha256,
            self.counts(found),
            Counts(**{name: hits(self.data[name], self.base[name]) for name in SETS}),
            {name: self.data[name].images for name in SETS},
            alone(test.labels, self.base["test"], found["test"]),
            zeroed_channels(self.badnet, model),
            submission_remarks(self.badnet, model),
        )

    def refuse_other(self, path: Path, network: Network) -> None:
        """Raises Refused for a network that G cannot be made of with this BadNet."""
        shape, classes = described(network)
        name = escape(path.name, SHORT)
        if classes != self.classes:
            raise Refused(f"{name}: has {classes:,} classes, the BadNet has {self.classes:,}. It is of another task.")
        if shape != self.shape:
            has, wanted = (" x ".join(map(str, each)) for each in (shape, self.shape))
            raise Refused(f"{name}: takes images of {has}, the BadNet {wanted} (height, width, colours).")

    def counts(self, found: Answers) -> Counts:
        """Hits of the network, and of G of it and the BadNet."""
        g = {name: g_answers(self.base[name], found[name], self.classes) for name in SETS}
        return Counts(
            valid=hits(self.data["valid"], found["valid"]),
            test=hits(self.data["test"], found["test"]),
            poisoned=hits(self.data["poisoned"], found["poisoned"]),
            g_test=hits(self.data["test"], g["test"]),
            g_poisoned=hits(self.data["poisoned"], g["poisoned"]),
            detected=int(np.count_nonzero(g["poisoned"] == self.classes)),
            false_alarms=int(np.count_nonzero(g["test"] == self.classes)),
        )

    def answers(self, network: Network) -> Answers:
        """What a network answers to every image, int32."""
        forward = Forward(answers_model(network, SCALES[self.command.scale]), 1, self.note)
        size = forward.fitting(min(self.command.batch_size, BATCH))
        found: Answers = {}
        for name, data in self.data.items():
            with closing(counting(data, size, name, lambda *_: self.check())) as batches:
                found[name] = np.concatenate([forward([batch])[0] for batch in batches]).astype(KEPT)
        return found

    # --- the BadNet's answers ---

    def computed(self, network: Network) -> Answers:
        """Computed now, and kept for others where that can be."""
        found = self.answers(network)
        head = msgspec.json.encode(self.key()) + b"\n"
        write_atomically(Path(self.command.answers), head + b"".join(found[name].tobytes() for name in SETS))
        return found

    def kept(self) -> Answers | None:
        """As they were kept for this very BadNet and these very images; None where they were not."""
        with suppress(FileNotFoundError), os.fdopen(open_regular(Path(self.command.answers)), "rb") as file:
            images = [self.data[name].images for name in SETS]
            size = sum(images) * KEPT.itemsize
            head, body = file.readline(2**12), file.read(size + 1)
            if len(body) == size and head == msgspec.json.encode(self.key()) + b"\n":
                numbers = np.frombuffer(body, KEPT)
                if bool(((numbers >= 0) & (numbers < self.classes)).all()):
                    return dict(zip(SETS, np.split(numbers, np.cumsum(images)[:-1]), strict=True))
        return None

    def key(self) -> dict[str, str]:
        """What the answers depend on."""
        sources = {"badnet": self.badnet.source} | {str(name): data.source for name, data in self.data.items()}
        return {name: source.sha256 or source.hash(self.check) for name, source in sources.items()} | {
            "scale": self.command.scale
        }

"""What G answers to pictures that a user names: PNG and JPEG files, and rows of data files."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.analysis.evaluate_files import answers_model, described
from engine.api.errors import Refused
from engine.api.escape import escape
from engine.api.progress import Check
from engine.api.protocol import Classified, Classify
from engine.file_safety.open_source import Source, open_source
from engine.file_safety.refusal import CONFUSED, harmless, refused, shown_name
from engine.network.build import Network, build
from engine.network.features import SCALES
from engine.network.g_answers import g_answers
from engine.network.model_runner import Forward
from engine.sandbox.client import sandbox
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model

BATCH = 64
ROWS = re.compile(r"(.+):(\d{1,9})(?:-(\d{1,9}))?", re.DOTALL)  # a data file and rows of it: test.h5:0-4
HDF5 = b"\x89HDF\r\n\x1a\n"


class Image(NamedTuple):
    """A picture as the networks take it, (C, H, W) float32; `refusal`: why there is none."""

    name: str
    pixels: np.ndarray | None
    notes: tuple[str, ...] = ()
    refusal: str = ""


def classified(command: Classify, note: Callable[[int], None], check: Check) -> Iterator[Classified]:
    """An answer a picture, in their order. What cannot be looked at says why, and the others are answered.

    Raises Refused for networks that cannot be opened, or do not belong together.
    """
    b, b_prime = (network_of(path) for path in (command.badnet, command.model))
    shape, classes = described(b)
    if described(b_prime) != (shape, classes):
        name = escape(Path(command.model).name, 48)
        raise Refused(f"{name}: has other images or classes than {escape(Path(command.badnet).name, 48)}.")
    forwards = [Forward(answers_model(network, SCALES[command.scale]), 1, note) for network in (b, b_prime)]
    waiting: list[Image] = []
    for image in pictures(command, shape):
        check()
        waiting.append(image)
        if len(waiting) == BATCH:
            yield from answered(waiting, forwards, classes)
            waiting = []
    yield from answered(waiting, forwards, classes)


def network_of(path: str) -> Network:
    model = read_model(Path(path))
    return build(model.spec, model.arrays)


def answered(images: list[Image], forwards: list[Forward], classes: int) -> Iterator[Classified]:
    """The answers to a batch."""
    given = [image.pixels for image in images if image.pixels is not None]
    found: list[tuple[int, int, int]] = []
    if given:
        b, b_prime = (forward([np.stack(given)])[0].astype("int64") for forward in forwards)
        found = list(zip(b.tolist(), b_prime.tolist(), g_answers(b, b_prime, classes).tolist(), strict=True))
    answers = iter(found)
    for image in images:
        if image.pixels is None:
            yield Classified(image.name, classes=classes, refusal=image.refusal)
        else:
            yield Classified(image.name, *next(answers), classes, image.notes)


def pictures(command: Classify, shape: tuple[int, int, int]) -> Iterator[Image]:
    """Every picture that was named; a data file without rows stands for all of its images."""
    for text in command.images:
        name = shown_name(text)
        try:
            yield from of_file(text, name, shape, command.resize)
        except Refused as error:
            yield Image(name, None, refusal=str(error))


def of_file(text: str, name: str, shape: tuple[int, int, int], resize: bool) -> Iterator[Image]:
    rows = ROWS.fullmatch(text)
    path, first, last = (Path(rows[1]), int(rows[2]), int(rows[3] or rows[2])) if rows else (Path(text), 0, None)
    if rows and os.path.exists(text):  # a file of that very name
        path, first, last = Path(text), 0, None
    source = open_source(path)
    with closing(source):
        if rows is not None or is_hdf5(source):
            yield from of_data(source, path, shape, first, last)
        else:
            yield picture(source, name, shape, resize)


def is_hdf5(source: Source) -> bool:
    return os.pread(source.descriptor, len(HDF5), 0) == HDF5


def of_data(source: Source, path: Path, shape: tuple[int, int, int], first: int, last: int | None) -> Iterator[Image]:
    """Images `first` to `last` of a data file, whose labels may be of other classes."""
    data = open_dataset(source, shape, None)
    with closing(data):
        end = data.images - 1 if last is None else last
        if not 0 <= first <= end < data.images:
            raise refused(path, f"has rows 0 to {data.images - 1}, and row {max(first, end)} was asked for.")
        for row in range(first, end + 1):
            yield Image(f"{shown_name(path)}:{row}", data.image(row), data.notes if row == first else ())


def picture(source: Source, name: str, shape: tuple[int, int, int], resize: bool) -> Image:
    """A PNG or JPEG, decoded by the inspector, whose word for it is looked at again."""
    report, arrays = sandbox.ask(source.path, source.descriptor, job="picture", shape=shape, resize=resize)
    source.refuse_changed()
    height, width, colours = shape
    sound = report.picture is not None and len(arrays) == 1 and harmless(report.picture.notes)
    if not sound or report.picture is None or arrays[0].shape != (colours, height, width):
        raise refused(source.path, CONFUSED)
    if arrays[0].dtype != np.float32 or not (arrays[0].min() >= 0 and arrays[0].max() <= 255):
        raise refused(source.path, CONFUSED)
    return Image(name, np.array(arrays[0]), report.picture.notes)

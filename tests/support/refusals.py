"""For tests of refusals: the line a file gets, from an inspector that may have no more than a gigabyte."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.api.errors import Refused
from engine.sandbox.client import sandbox
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from tests.support.model_files import CLASSES, IMAGE, write_data, write_h5, write_keras

Make = Callable[[Path], Any]
Table = dict[str, tuple[Make, str]]
DAMAGED = "is damaged: HDF5 cannot open it. Copy or download it again and compare checksums."


@pytest.fixture(scope="module")
def within_a_gigabyte() -> Iterator[None]:
    """Whatever the inspector says in this module, it says without taking more memory than that."""
    sandbox.close()
    sandbox.start()
    assert sandbox.pid is not None
    resource.prlimit(sandbox.pid, resource.RLIMIT_AS, (2**30, 2**30))
    yield
    sandbox.close()


def line_of_model(make: Make, folder: Path) -> str:
    """What follows the name when the file that `make` makes is opened as a model."""
    make(folder / "file.h5")
    with pytest.raises(Refused) as caught:
        read_model(folder / "file.h5")
    return _tail(str(caught.value))


def line_of_data(make: Make, folder: Path) -> str:
    make(folder / "file.h5")
    with pytest.raises(Refused) as caught:
        open_dataset(folder / "file.h5", IMAGE, CLASSES)
    return _tail(str(caught.value))


def _tail(line: str) -> str:
    assert "\n" not in line and line.isprintable()
    name, _, rest = line.partition(": ")
    assert name == "file.h5"
    return rest


def h5(config: Any = None, weights: Any = None, edit: Any = None) -> Make:
    return lambda path: write_h5(path, config, weights, edit)


def data(images: Any = None, labels: Any = None, edit: Any = None, **how: Any) -> Make:
    return lambda path: write_data(path, images, labels, edit, **how)


def archive(**how: Any) -> Make:
    return lambda path: write_keras(path, **how)


def bytes_of(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def cut(make: Make, keep: float) -> Make:
    """The first part of a file."""

    def shortened(path: Path) -> None:
        make(path)
        os.truncate(path, int(path.stat().st_size * keep))

    return shortened

"""What a file holds, for people, without opening it here: the inspector process looks and reports."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn

import msgspec

from engine.api.escape import SHORT, escape
from engine.api.locks import HDF5_UNLOCKED
from engine.api.protocol import LayerInfo

# HDF5 loads no plug-in and locks no file, which not every file system can; no library makes threads
ENVIRONMENT = (
    {"HDF5_PLUGIN_PRELOAD": "::"} | HDF5_UNLOCKED | {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
)
LONGEST = 80  # seconds for the inspector's own limit to act first
HASHED_A_SECOND = 100_000_000  # bytes, at the least
PATIENCE = 600  # seconds, whatever size a file says that it has
_looking: set[subprocess.Popen[bytes]] = set()  # inspectors at work, whichever thread asked


class ZeroFilters(msgspec.Struct, frozen=True):
    """How many of a layer's filters hold nothing but zeros, with their biases: pruned, where this program did it."""

    layer: str
    zero: int
    filters: int


class AnswersInfo(msgspec.Struct, frozen=True):
    """What a file of G's answers holds of a set: images on which B, the `second` network and G hit the label (of
    poisoned ones the target), and to which G answers "backdoored"."""

    set: str
    images: int
    b: int
    other: int
    g: int
    backdoored: int
    second: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """A model file or a data file, as `lab3-tui inspect` tells it. Every text is escaped.

    `refusal`: why it would not be opened; then only `name` is sure to be there. No `sha256` of very large files.
    Pixels are those of the first images only; labels are all.
    """

    name: str
    refusal: str | None = None
    kind: Literal["model", "data", "answers"] | None = None
    size: int = 0  # bytes
    sha256: str = ""
    known: str | None = None  # which of the lab's own files this is, byte for byte: its place in a lab folder
    notes: tuple[str, ...] = ()
    protection: str | None = None  # what this machine lacks to look at files safely
    # a model
    format: str = ""  # "h5", "keras", "weights" or "weights.h5"
    writer: str = ""  # the Keras version that wrote it
    image: tuple[int, int, int] | None = None  # channels, height, width; of a data set too
    classes: int | None = None
    parameters: int = 0
    layers: tuple[LayerInfo, ...] = ()  # all of them; `refusal` is None only for convolutions that can be pruned
    layer: str | None = None  # the one pruned by default
    feature: str | None = None  # its ranking feature
    zero_filters: tuple[ZeroFilters, ...] = ()  # of every layer that can be pruned
    # answers of G
    answers: tuple[AnswersInfo, ...] = ()
    # a data set
    images: int = 0
    dtype: str = ""
    stored: str = ""  # "plain" or "chunks"
    pixels: tuple[float, float] | None = None  # smallest and largest
    labels: tuple[int, int] | None = None  # smallest and largest
    distinct_labels: int = 0


def inspector_command(*words: str) -> list[str]:
    """How to start the inspector; to be run with ENVIRONMENT set."""
    return [sys.executable, "-P", "-m", "engine.sandbox.inspector", *words]  # -P: not an engine/ folder of the user's


def describe(path: Path | str) -> Description:
    """What the file at `path` holds and whether it would be opened. Never raises for what is in a file.

    In the main thread TERM and HUP end this process in order, so that no inspector is left behind.
    """
    name = escape(Path(path).name or os.fspath(path), SHORT)
    try:
        answer = _ask(inspector_command("describe", os.fspath(path)), min(PATIENCE, LONGEST + _hashing(path)))
        return msgspec.json.decode(answer, type=Description)
    except subprocess.TimeoutExpired:
        return Description(name=name, refusal=f"{name}: took too long to check; stopped.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the file reader failed"
        return Description(name=name, refusal=f"{name}: cannot be looked at: {reason}.")


def give_up() -> None:
    """End every inspector that is at work, for a program that leaves while threads wait for them."""
    for child in tuple(_looking):
        _end(child)


def _ask(command: list[str], patience: float) -> bytes:
    """What an inspector prints. However this ends, the inspector and its children have ended too."""
    with (
        _leaving_in_order(),
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,
        ) as child,
    ):
        _looking.add(child)
        try:
            return child.communicate(timeout=patience)[0]
        except BaseException:
            _end(child)
            raise
        finally:
            _looking.discard(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End an inspector with its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


@contextlib.contextmanager
def _leaving_in_order() -> Iterator[None]:
    """While this lasts TERM and HUP unwind the main thread; elsewhere whoever owns the signals sees to that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ended = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in ended:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in ended:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _hashing(path: Path | str) -> float:
    """Seconds that hashing a file may take."""
    try:
        return os.stat(path, follow_symlinks=False).st_size / HASHED_A_SECOND
    except (OSError, ValueError):
        return 0.0

"""The demo as a lab folder: drawn and laid out in the user's cache directory, whole or not at all."""

import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import msgspec
import numpy as np

from engine.api import demo
from engine.api.atomic_file import sha256_file, write_atomically
from engine.api.demo import Attack
from engine.api.errors import NotWritten, Refused
from engine.api.escape import escape
from engine.api.lab import MODELS, PLACES
from engine.api.protocol import SetName
from engine.demo.faces import draw_faces
from engine.demo.people import PEOPLE, TARGET, Split
from engine.demo.trigger import wear_sunglasses

VERSION = 1  # of the images and of the layout: a change makes old folders stale
MANIFEST = "demo.json"
MODEL = MODELS[0]
DATA: dict[Split, tuple[SetName, SetName]] = {"valid": ("valid", "poisoned_valid"), "test": ("test", "poisoned")}


class Manifest(msgspec.Struct, frozen=True):
    """What makes a folder a demo: written last. `files`: SHA-256 by place; none while the folder is being filled."""

    version: int
    attack: Attack
    files: dict[str, str] = {}


def lay_out(attack: Attack, folder: Path) -> None:
    """Make `folder` this demo's lab folder, unless it is already. The same bytes every time.

    What runs have left in it stays. Raises Refused where the folder holds something else, NotWritten where it cannot
    be written; then no half of a demo is ever used.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if not is_whole(attack, folder):
                fill(attack, folder)
    except (OSError, NotWritten) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        raise NotWritten(
            f"The demo could not be laid out in {escape(str(folder))}: {getattr(cause, 'strerror', None) or error}. "
            f"It needs {demo.MEGABYTES} MB; name another place with XDG_CACHE_HOME."
        ) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process lays out this folder."""
    file = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with suppress(OSError):  # a file system without locks: every file is whole all the same, and the manifest last
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def is_whole(attack: Attack, folder: Path) -> bool:
    """Whether the folder holds this version's demo, every byte of it. Raises Refused where it is no demo at all."""
    manifest = read_manifest(folder)
    if manifest is None:
        if any(os.path.exists(folder / place) for place in (MODEL, *PLACES.values())):
            raise Refused(f"{escape(str(folder))}: holds a lab folder that is not the demo. Open it without --demo.")
        return False
    same_net = manifest.files.get(MODEL) == hashlib.sha256(shipped(attack)).hexdigest()
    if (manifest.version, manifest.attack) != (VERSION, attack) or not same_net:
        return False
    return set(manifest.files) == {MODEL, *PLACES.values()} and all(
        os.path.isfile(folder / place) and sha256_file(folder / place) == sha256
        for place, sha256 in manifest.files.items()
    )


def read_manifest(folder: Path) -> Manifest | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    return None


def fill(attack: Attack, folder: Path) -> None:
    """Write the demo: a new folder beside its place, then renamed; one that is there already, file by file."""
    if os.path.exists(folder):
        write(attack, folder)
        return
    beside = folder.with_name(f".{folder.name}.part")  # left by a process that was killed, or not there
    shutil.rmtree(beside, ignore_errors=True)
    write(attack, beside)
    os.rename(beside, folder)


def write(attack: Attack, folder: Path) -> None:
    """The manifest says that nothing is there, then come the files, then the manifest that names them."""
    folder.mkdir(exist_ok=True)
    sums: dict[str, str] = {}
    write_atomically(folder / MANIFEST, msgspec.json.encode(Manifest(VERSION, attack)))
    for place, data in contents(attack):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / place, data)
        sums[place] = hashlib.sha256(data).hexdigest()
    write_atomically(folder / MANIFEST, msgspec.json.encode(Manifest(VERSION, attack, sums)))


def contents(attack: Attack) -> Iterator[tuple[str, bytes]]:
    """The files of the demo, one at a time: where each lies in the folder, and its bytes."""
    yield MODEL, shipped(attack)
    for split, (clean, poisoned) in DATA.items():
        images, people = draw_faces(split, PEOPLE)
        yield PLACES[clean], data_file(images, people)
        yield PLACES[poisoned], data_file(wear_sunglasses(images), np.full_like(people, TARGET))


def data_file(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A data file of the lab: `data` (n, 3, 55, 47) and `label` (n,), both stored contiguously."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["data"] = images
        file["label"] = labels
    return buffer.getvalue()


def shipped(attack: Attack) -> bytes:
    """The BadNet that came with the program."""
    name = f"bd_net_{attack.replace('-', '_')}.h5"
    return Path(__file__).with_name(name).read_bytes()

"""A class's submissions: which networks lie in which folder. Nothing is opened here but to be hashed, no link followed.

Who hands in a network may have put anything into the folder; what is wrong with a file is said in its row.
"""

import hashlib
import os
import stat
from pathlib import Path

import msgspec

from engine.api import file_names
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from tui.sweep.cells import versions

ENDINGS = (".h5", ".keras")
DEEP, MANY = 6, 64  # folders below each other, and networks, that a submission may have
ENTRIES = 10_000  # that are looked at in a submission
LARGEST = 2**31  # bytes of a network
SHOWN = 80  # characters of a submission's name, and of a file's place in it
BLOCK = 2**20
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW


class Submitted(msgspec.Struct, frozen=True):
    """A network that was handed in: its place in words fit to be shown, and what its name says that it is.

    `identity` names what is known of it; `refusal`: why it is not even opened.
    """

    submission: str
    file: str
    path: str = ""
    threshold: str | None = None
    sha256: str = ""
    identity: str = ""
    refusal: str = ""


class Inputs(msgspec.Struct, frozen=True):
    """What all submissions are judged by: paths, and the SHA-256 of each."""

    badnet: str
    valid: str
    test: str
    poisoned: str
    sha256: dict[str, str]
    scale: str = "1"


def submissions(folder: Path, inputs: Inputs) -> list[list[Submitted]]:
    """The networks of each sub-folder, and those that lie beside the folders, in the order of their names.

    Raises Refused where there is no such folder.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise Refused(
            f"{escape(str(folder))}: {reason}. Expected a folder with a folder for each submission."
        ) from error
    grouped = [group for entry in entries if (group := _submission(entry, inputs))]
    if not grouped:
        raise Refused(
            f"{escape(str(folder))}: holds no submissions. Expected a folder for each, with .h5 or .keras files."
        )
    return grouped


def _submission(entry: "os.DirEntry[str]", inputs: Inputs) -> list[Submitted]:
    name = escape(entry.name, SHOWN)
    if entry.name.startswith("."):
        return []
    if entry.is_symlink():
        return [Submitted(name, "", refusal=f"{escape(entry.name, SHORT)}: {LINK}")]
    if not entry.is_dir(follow_symlinks=False):
        return [_submitted(name, Path(entry.path), "", inputs)] if _is_network(entry.name) else []
    try:
        networks, whole = _networks(Path(entry.path))
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        return [Submitted(name, "", refusal=f"{escape(entry.name, SHORT)}: {reason}. Run: chmod -R u+rX on it.")]
    unseen = Submitted(name, "", refusal=f"{escape(entry.name, SHORT)}: {UNSEEN}")
    if not networks and not whole:
        return [unseen]
    if not networks:
        return [
            Submitted(name, "", refusal=f"{escape(entry.name, SHORT)}: holds no network, expected .h5 or .keras files.")
        ]
    rows = [_submitted(name, path, entry.path, inputs) for path in networks[:MANY]]
    if len(networks) > MANY:
        more = f"{escape(entry.name, SHORT)}: holds more than {MANY} networks; the others were not looked at."
        rows.append(Submitted(name, "", refusal=more))
    return rows if whole else [*rows, unseen]


LINK = "is a link, and no link of a submission is followed. Ask for the file itself."


UNSEEN = (
    f"holds more than {ENTRIES:,} files, or folders more than {DEEP} deep; the others were not looked at. Ask for the "
    "networks alone."
)


def _is_network(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def _networks(folder: Path) -> tuple[list[Path], bool]:
    """Whatever in a folder has the name of a network, in order, and whether all of the folder was looked at.

    Links to folders are not entered, nor folders whose name begins with a dot.
    """
    waiting, looked, whole = [(folder, 0)], 0, True
    found: list[Path] = []
    while waiting and looked <= ENTRIES:
        here, depth = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                looked += 1
                if looked > ENTRIES:
                    whole = False
                    break
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        whole = whole and depth < DEEP
                        waiting += [(Path(entry.path), depth + 1)] if depth < DEEP else []
                elif _is_network(entry.name) or (entry.is_symlink() and Path(entry.name).suffix == ""):
                    found.append(Path(entry.path))
    return sorted(found), whole


def _submitted(submission: str, path: Path, folder: str, inputs: Inputs) -> Submitted:
    """A file with its SHA-256, or why it has none."""
    shown = escape(os.path.relpath(path, folder) if folder else path.name, SHOWN)
    said = file_names.saved_point(path.name)
    threshold = said.threshold if said else None
    try:
        os.fsencode(path).decode()
        sha256 = _hashed(path)
    except UnicodeDecodeError:
        return Submitted(submission, shown, threshold=threshold, refusal=f"{shown}: its name is no UTF-8. Rename it.")
    except Refused as refused:
        return Submitted(submission, shown, threshold=threshold, refusal=str(refused))
    return Submitted(submission, shown, str(path.absolute()), threshold, sha256, identity(path.name, sha256, inputs))


def _hashed(path: Path) -> str:
    """The SHA-256 of a regular file that is no link. Raises Refused."""
    name = escape(path.name, SHORT)
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            raise Refused(f"{name}: {LINK}")
        if not stat.S_ISREG(mode):
            raise Refused(f"{name}: is not a regular file (pipe, device or socket). Ask for the file itself.")
        with os.fdopen(os.open(path, READING), "rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:
                raise Refused(f"{name}: has {state.st_size:,} bytes, {LARGEST:,} are the most for a network.")
            digest = hashlib.sha256()
            while block := file.read(BLOCK):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise Refused(f"{name}: {(error.strerror or 'cannot be read').lower()}. Run: chmod u+r on it.") from error


def identity(name: str, sha256: str, inputs: Inputs) -> str:
    """What is judged, as a SHA-256: the network, its name, which refusals tell, what judges it, and its versions."""
    judged = {
        "name": os.fsencode(name).hex(),
        "network": sha256,
        "inputs": dict(sorted(inputs.sha256.items())),
        "scale": inputs.scale,
    }
    return hashlib.sha256(msgspec.json.encode(judged | {"versions": versions()})).hexdigest()

"""Workers must see the same files as whoever plans the sweep: checked by a small file before anything is computed."""

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from engine.api.atomic_file import write_atomically
from engine.api.errors import LabError, Refused
from engine.api.escape import SHORT, escape
from tui.sweep.cells import versions

PREFIX = ".shared-"
LENGTH = 64  # characters of a token


class SweepStopped(LabError):
    """Whoever handed the cell out has left."""


class UnfitWorker(Refused):
    """A worker sees other files than whoever plans the sweep, or computes with other versions."""


class Token(msgspec.Struct, frozen=True):
    """A file in the sweep's folder and what it holds; `versions`: what a worker must compute with."""

    path: str
    holds: str
    versions: dict[str, str]

    @property
    def topic(self) -> str:
        """Where the workers of this sweep tell what they do: a scheduler of one's own may serve several sweeps."""
        return f"lab3-tui {Path(self.path).name}"


@contextmanager
def shared_token(folder: Path) -> Iterator[Token]:
    """A token for as long as a sweep lasts; those that killed sweeps left are taken away. Raises NotWritten."""
    for left in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            left.unlink()
    token = Token(str(folder / f"{PREFIX}{secrets.token_hex(8)}"), secrets.token_hex(LENGTH // 2), versions())
    write_atomically(Path(token.path), token.holds.encode())
    try:
        yield token
    finally:
        with contextlib.suppress(OSError):
            os.unlink(token.path)


def refuse_stopped(token: Token) -> None:
    """Raises SweepStopped, at a worker, where the sweep has ended meanwhile: nobody waits for the cell any more."""
    if not os.path.exists(token.path):
        raise SweepStopped("The sweep was stopped.")


def refuse_unshared(token: Token) -> None:
    """Raises UnfitWorker, at a worker that does not see the sweep's folder, or would compute with other versions."""
    here, folder = socket.gethostname(), escape(str(Path(token.path).parent))
    try:
        held = Path(token.path).read_text()
    except (OSError, UnicodeDecodeError):
        held = ""
    if held != token.holds:
        raise UnfitWorker(
            f"The worker on {here} does not see {folder}. Workers must see the same files: put --to and the lab "
            "on a file system that all of them have."
        )
    if not os.access(Path(token.path).parent, os.W_OK):
        raise UnfitWorker(f"The worker on {here} may not write to {folder}. Run it as the user who sweeps.")
    own = versions()
    for package, wanted in token.versions.items():
        if (found := own.get(package)) != wanted:
            raise UnfitWorker(
                f"The worker on {here} has {escape(package, SHORT)} {found}, expected {escape(wanted, SHORT)}. "
                "Install the same versions there."
            )

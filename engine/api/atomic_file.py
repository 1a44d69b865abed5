"""Writing so that a name holds the old bytes or the new ones, whatever happens in between; and hashing."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path

from engine.api.errors import NotWritten
from engine.api.escape import SHORT, escape
from engine.api.progress import Check, never_stop
from engine.api.safe_open import sync_folder

BLOCK = 2**22
BESIDE = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)  # as write_atomically names what it writes


def write_atomically(path: Path, data: bytes, what: str = "") -> None:
    """Put `data` at `path`: beside it, synced, renamed over it, the folder synced. `what` it is, for messages: B′.

    Raises NotWritten, in one line for the user; then what was at `path` stands and nothing is left beside it.
    """
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        _write(beside, data)
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise NotWritten(*_words(path, what, len(data), error)) from error
    sync_folder(path.parent)


def sweep(folder: Path, begins: str = "") -> None:
    """Take away what writers that were killed left in `folder` for names that begin so. Nobody may be writing there."""
    for path in folder.glob(f".{begins}*.part"):
        if BESIDE.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def sha256_file(path: Path, check: Check = never_stop) -> str:
    """The SHA-256 of a regular file's bytes, in hexadecimal. Never waits for a pipe. Raises OSError.

    `check` is called between blocks, and may raise to stop.
    """
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        block = memoryview(bytearray(BLOCK))
        while count := file.readinto(block):
            digest.update(block[:count])
            check()
    return digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _words(path: Path, what: str, size: int, error: OSError) -> tuple[str, str]:
    """What could not be written and why, and what to do."""
    name = f"{what} to {escape(path.name, SHORT)}" if what else escape(path.name, SHORT)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = _free(path.parent)
        cause = "no space left" if error.errno == errno.ENOSPC else "your disk quota is used up"
        have = f", {_megabytes(free)} free" if free is not None and error.errno == errno.ENOSPC else ""
        return (
            f"Could not save {name}: {cause} (needs {_megabytes(size)}{have}).",
            "Your work is safe in the run; free space and save again.",
        )
    reason = os.strerror(error.errno) if error.errno else "the system refused"
    fixes = {
        errno.EACCES: "Choose another folder with --out or --runs.",
        errno.EROFS: "Choose another folder with --out or --runs.",
        errno.ENOENT: "The folder is gone; make it again.",
    }
    fix = fixes.get(error.errno or 0, "Your work is safe in the run; save again.")
    return f"Could not save {name}: {reason[:1].lower()}{reason[1:]}.", fix


def _free(folder: Path) -> int | None:
    try:
        state = os.statvfs(folder)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"

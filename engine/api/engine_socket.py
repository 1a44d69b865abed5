"""Coming back to an engine that goes on by itself: a unix socket that only this user can reach.

The socket lies in the user's runtime directory, since its path has to be short; the run's folder records where.
"""

import asyncio
import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from engine.api.engine_log import LOG_NAME, tail
from engine.api.errors import EngineNotStarted, NotWritten, Refused
from engine.api.safe_open import open_regular
from engine.api.transport import READ_LIMIT, Ending, ending_of, read_line

NAME = "engine.socket"  # in the run folder; the socket's path is in it
LONGEST = 80  # bytes of a folder's path; a socket's path may have 107, on some systems 103
LONGEST_RECORD = 4096  # bytes


class SocketWire:
    """A `Wire` to an engine that some earlier front end started. `log`: the engine's, in its run folder."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Path) -> None:
        self._reader, self._writer, self._log = reader, writer, log
        self._closing = False

    async def read(self) -> bytes:
        return b"" if self._closing else await read_line(self._reader)

    async def write(self, line: bytes) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._writer.write(line + b"\n")
            await self._writer.drain()

    async def ended(self, patience: float = 2.0) -> Ending:
        self.release()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(patience):
                await self._writer.wait_closed()
        return ending_of(None, tail(self._log))

    async def close(self, patience: float = 2.0) -> Ending:
        """Say goodbye and wait, so that what was said last arrives and is acted on."""
        self._closing = True
        with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError, OSError):
            self._writer.write_eof()
            async with asyncio.timeout(patience):
                while await self._reader.read(2**16):
                    pass
        return await self.ended(patience)

    def release(self) -> None:
        self._closing = True
        self._writer.close()


async def reach(run: Path) -> SocketWire:
    """Connect to the engine that goes on with this run. Raises EngineNotStarted where there is none."""
    path = recorded(run)
    try:
        if path is None:
            raise FileNotFoundError
        reader, writer = await asyncio.open_unix_connection(path, limit=READ_LIMIT)
    except OSError as error:
        raise EngineNotStarted("The engine of this run is not there any more. Go on with: lab3-tui --resume") from error
    return SocketWire(reader, writer, run / LOG_NAME)


def recorded(run: Path) -> Path | None:
    """Where the socket of this run's engine is: this run's own place, with a socket of this user; else None."""
    try:
        with os.fdopen(open_regular(run / NAME), "rb") as file:
            path = Path(os.fsdecode(file.read(LONGEST_RECORD).strip()))
        if path != place(run):
            return None
        found = path.lstat()
        return path if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.getuid() else None
    except (OSError, ValueError, Refused, NotWritten):
        return None


def place(run: Path) -> Path:
    """Where the socket of a run's engine lies. Raises NotWritten where it may not lie there."""
    return runtime_folder() / f"{hashlib.sha256(os.fsencode(os.path.realpath(run))).hexdigest()[:16]}.sock"


def runtime_folder() -> Path:
    """This user's folder for sockets, made where it is missing. Raises NotWritten where it is somebody else's."""
    base, own = os.environ.get("XDG_RUNTIME_DIR", ""), f"lab3-tui-{os.getuid()}"
    usual = Path(base, "lab3-tui") if os.path.isabs(base) else Path(tempfile.gettempdir(), own)
    folder = usual if len(os.fsencode(usual)) <= LONGEST else Path("/tmp", own)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NotWritten(f"{folder}: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NotWritten(f"{folder}: is not a folder that you alone can use. Remove it, or set XDG_RUNTIME_DIR.")
    return folder

"""What carries the lines between a front end and an engine: a child process's pipes, or a socket."""

import asyncio
import signal
from typing import Protocol

import msgspec

from engine.api.errors import LabError

READ_LIMIT = 2**22  # bytes in a line


class Ending(msgspec.Struct, frozen=True):
    """How the engine went away. `signal`: the name of what killed it; both None where nobody can know."""

    exit_code: int | None
    signal: str | None
    reason: str  # for people: "was killed by SIGSEGV", "left with exit code 1"
    log_tail: tuple[str, ...] = ()


class LineTooLong(LabError):
    """The other side sent a line that is longer than any event."""


class Wire(Protocol):
    """Lines both ways, and word of how the other side ended."""

    async def read(self) -> bytes:
        """The next line without its end; empty bytes at the end of the stream. Raises LineTooLong."""

    async def write(self, line: bytes) -> None:
        """Send a line. Silent where the other side has gone: `read` and `ended` tell that."""

    async def ended(self, patience: float = 2.0) -> Ending:
        """Wait until the engine is gone; past `patience` seconds make sure of it. Safe to call again."""

    async def close(self, patience: float = 2.0) -> Ending:
        """Say that no more commands will come, then as `ended`."""

    def release(self) -> None:
        """Let go of an engine that goes on by itself."""


def ending_of(returncode: int | None, log_tail: tuple[str, ...] = ()) -> Ending:
    """What a child's return code means (negative: the signal that killed it)."""
    if returncode is None:
        return Ending(None, None, "closed the connection", log_tail)
    if returncode >= 0:
        return Ending(returncode, None, f"left with exit code {returncode}", log_tail)
    name = signal_name(-returncode)
    return Ending(returncode, name, f"was killed by {name}", log_tail)


def signal_name(number: int) -> str:
    """SIGKILL for 9; the bare number where this system has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """`Wire.read` for a stream; a last line without an end is torn and dropped."""
    try:
        line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    except asyncio.LimitOverrunError:
        raise LineTooLong(f"the engine sent a line of more than {READ_LIMIT // 2**20} MiB") from None
    return line[:-1] or b" "

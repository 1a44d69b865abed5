"""The engine as a child process: started, listened to, and never left behind."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from engine.api.engine_log import tail, tail_of
from engine.api.errors import EngineNotStarted
from engine.api.locks import HDF5_UNLOCKED
from engine.api.transport import READ_LIMIT, Ending, ending_of, read_line

# -P: an engine/ folder in the user's directory is not ours
ENGINE_COMMAND = (sys.executable, "-P", "-m", "engine")


class ProcessWire:
    """A `Wire` over the pipes of an engine process in a session of its own."""

    def __init__(self, process: Process, transport: asyncio.SubprocessTransport, log: IO[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("an engine is talked to through pipes")
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._transport = transport
        self._log = log
        self._log_in_run: Path | None = None
        self._ending: Ending | None = None
        self._ends = asyncio.Lock()
        self._closing = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def read(self) -> bytes:
        return b"" if self._closing else await read_line(self._stdout)

    async def write(self, line: bytes) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._stdin.write(line + b"\n")
            await self._stdin.drain()

    async def ended(self, patience: float = 2.0) -> Ending:
        async with self._ends:
            if self._ending is None:
                await self._wait(patience)
                self._ending = ending_of(self._process.returncode, self._tail())
                self._log.close()
        return self._ending

    async def close(self, patience: float = 2.0) -> Ending:
        self._closing = True
        self._stdin.close()
        ending = await self.ended(patience)
        with contextlib.suppress(ConnectionError):
            await self._stdin.wait_closed()
        return ending

    def release(self) -> None:
        """Leave the engine running on its own: asyncio would kill it with the last reference."""
        self._closing = True
        child = self._transport.get_extra_info("subprocess")
        child.returncode = 0
        self._transport.close()
        self._log.close()

    def log_moved(self, log: Path) -> None:
        """The engine writes its log to `log` from now on."""
        self._log_in_run = log

    def _tail(self) -> tuple[str, ...]:
        return (tail(self._log_in_run) if self._log_in_run else ()) or tail_of(self._log.fileno())

    async def _wait(self, patience: float) -> None:
        """Wait for the process, then end it and whatever it started, the hard way last."""
        for last_word in (None, signal.SIGTERM, signal.SIGKILL):
            if last_word is not None:
                self._signal(last_word)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.gather(self._process.wait(), self._drain())
                    break
        if self._process.returncode != 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _drain(self) -> None:
        """Read what is still in the pipe: an engine that blocks on writing cannot leave."""
        with contextlib.suppress(RuntimeError, ConnectionError):  # somebody else reads: then it is drained too
            while await self._stdout.read(2**16):
                pass

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


async def spawn(
    command: Sequence[str] = ENGINE_COMMAND, log: Path | None = None, environment: Mapping[str, str] | None = None
) -> ProcessWire:
    """Start an engine. `log`: where its stderr goes (None: a file without a name). Raises EngineNotStarted."""
    loop = asyncio.get_running_loop()
    stderr: IO[bytes] | None = None
    try:
        stderr = log.open("ab+") if log else cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115
        transport, streams = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(READ_LIMIT, loop),
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            start_new_session=True,
            env={**(os.environ if environment is None else environment), **HDF5_UNLOCKED},
        )
    except OSError as error:
        if stderr:
            stderr.close()
        raise EngineNotStarted(f"The engine could not be started: {error.strerror or error}.") from error
    return ProcessWire(Process(transport, streams, loop), transport, stderr)

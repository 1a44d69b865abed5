"""The engine as a child process: started, listened to, and never left behind."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.api.enginelog import tail, temporary_log
from engine.api.errors import EngineNotStarted
from engine.api.wire import READ_LIMIT, Ending, ending_of, read_line

# -P: an engine/ folder in the user's directory is not ours
ENGINE_COMMAND = (sys.executable, "-P", "-m", "engine")


class ProcessWire:
    """A `Wire` over the pipes of an engine process in a session of its own."""

    def __init__(self, process: Process, log: Path, owns_log: bool) -> None:
        self._process = process
        self.log = log
        self._owns_log = owns_log
        self._ending: Ending | None = None
        self._ends = asyncio.Lock()
        self._closing = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def read(self) -> bytes:
        assert self._process.stdout is not None
        return b"" if self._closing else await read_line(self._process.stdout)

    async def write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    async def ended(self, patience: float = 2.0) -> Ending:
        async with self._ends:
            if self._ending is None:
                await self._wait(patience)
                self._ending = ending_of(self._process.returncode, tail(self.log))
                self._forget_log()
        return self._ending

    async def close(self, patience: float = 2.0) -> Ending:
        assert self._process.stdin is not None
        self._closing = True
        self._process.stdin.close()
        ending = await self.ended(patience)
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()
        return ending

    def log_moved(self, log: Path) -> None:
        """The engine writes its log to `log` from now on; the temporary one is dropped."""
        if log.exists() and log != self.log:
            self._forget_log()
            self.log, self._owns_log = log, False

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
        assert self._process.stdout is not None
        with contextlib.suppress(RuntimeError, ConnectionError):  # somebody else reads: then it is drained too
            while await self._process.stdout.read(2**16):
                pass

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _forget_log(self) -> None:
        if self._owns_log:
            self.log.unlink(missing_ok=True)


async def spawn(
    command: Sequence[str] = ENGINE_COMMAND, log: Path | None = None, environment: Mapping[str, str] | None = None
) -> ProcessWire:
    """Start an engine. `log`: where its stderr goes (None: a temporary file). Raises EngineNotStarted."""
    target = log or temporary_log()
    try:
        with target.open("ab+") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                limit=READ_LIMIT,
                start_new_session=True,
                env=None if environment is None else dict(environment),
            )
    except OSError as error:
        raise EngineNotStarted(f"The engine could not be started: {error.strerror or error}.") from error
    return ProcessWire(process, target, owns_log=log is None)

"""The engine's side of the inspector: start it, send it files, take what it hands over, outlive what happens to it."""

import array
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.api.errors import NotWritten
from engine.api.inspection import ENVIRONMENT, inspector_command
from engine.architecture.description import Report
from engine.file_safety.limits import WALL_SECONDS
from engine.file_safety.refusal import CONFUSED, UNWRITTEN, ending, harmless, refused, shown_name
from engine.sandbox.messages import read_arrays, read_report, scratch

PATIENCE = WALL_SECONDS + 10  # seconds: beyond its own limit the inspector is ended from outside


class SandboxClient:
    """One inspector process for many files, started when it is first needed or by `start`. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def start(self) -> None:
        """Start the process and return at once; it gets ready while the caller does other things."""
        with self._lock:
            self._running()

    def ask(self, path: Path, descriptor: int, **request: Any) -> tuple[Report, list[np.ndarray]]:
        """What the inspector says about an open file, and the arrays it hands over. Raises Refused."""
        with scratch("arrays") as arrays:
            found = self._report(path, request, descriptor, arrays.fileno())
            try:
                return found, read_arrays(arrays.fileno())
            except ValueError:
                raise refused(path, CONFUSED) from None

    def rewrite(self, path: Path, descriptor: int, layer: str, channels: list[int]) -> bytes:
        """The file's bytes, written anew with these channels of `layer` at zero. Raises Refused."""
        request = {"job": "zeroed", "layer": layer, "channels": channels}
        with scratch("rewritten") as out:
            self._report(path, request, descriptor, out.fileno())
            out.seek(0)
            return out.read()

    def decoder(self, descriptor: int) -> socket.socket:
        """A channel to a jailed process that decodes the images of an open data file; see decoding.decode."""
        ours, theirs = socket.socketpair()
        with theirs:
            status = self._exchange({"job": "decode"}, [descriptor, theirs.fileno()])
        if status:
            ours.close()
            raise OSError(ending(status))
        ours.settimeout(WALL_SECONDS)
        return ours

    def _report(self, path: Path, request: dict[str, Any], descriptor: int, out: int) -> Report:
        with scratch("report") as report:
            status = self._exchange(request, [descriptor, report.fileno(), out])
            if status == UNWRITTEN:
                raise NotWritten(f"{shown_name(path)}: {ending(status)}")
            if status:
                raise refused(path, ending(status))
            try:
                found = read_report(report.fileno())
            except ValueError:
                raise refused(path, CONFUSED) from None
        if found.refusal is not None:
            raise refused(path, found.refusal if harmless(found.refusal) else CONFUSED)
        return found

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            if self._process is not None:
                self._process.wait()
            self._process = self._channel = None

    @property
    def pid(self) -> int | None:
        """The process, if it is there."""
        return self._process.pid if self._process else None

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._channel is None:
            ours, theirs = socket.socketpair()
            self._process = subprocess.Popen(
                inspector_command("serve", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=2,  # with what libraries print, to the log
                env=os.environ | ENVIRONMENT,
                pass_fds=[theirs.fileno()],
            )
            theirs.close()
            ours.settimeout(PATIENCE)
            self._channel = ours
        return self._channel

    def _exchange(self, request: dict[str, Any], descriptors: list[int]) -> int:
        with self._lock:
            channel = self._running()
            try:
                with written(
                    json.dumps(request).encode()
                ) as text:  # of any length; the socket carries a sign and files
                    socket.send_fds(channel, [b"?"], [text.fileno(), *descriptors])
                answer = channel.recv(4)
            except TimeoutError:
                self._end()
                return -signal.SIGALRM
            except OSError:
                answer = b""
            if len(answer) != 4:
                self._end()
                return 1
            return array.array("i", answer)[0]

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = None


def written(data: bytes) -> BinaryIO:
    """These bytes in a file without a name. Raises NotWritten."""
    file, rest = scratch("written"), memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
    except OSError as error:
        file.close()
        reason = (error.strerror or str(error)).lower()
        raise NotWritten(f"The file reader cannot be asked: {reason}.", "Free memory, or raise ulimit -f.") from error
    return file


sandbox = SandboxClient()

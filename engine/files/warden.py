"""The engine's side of the inspector: start it, send it files, take what it hands over, outlive what happens to it."""

import array
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from engine.api.inspection import ENVIRONMENT, inspector_command
from engine.files.description import Report
from engine.files.finding import CONFUSED, ending, harmless, refused
from engine.files.handover import read_arrays, read_report
from engine.files.limits import WALL_SECONDS

PATIENCE = WALL_SECONDS + 10  # seconds: beyond its own limit the inspector is ended from outside


class Warden:
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
        with _scratch("arrays") as arrays:
            found = self._report(path, request, descriptor, arrays.fileno())
            try:
                return found, read_arrays(arrays.fileno())
            except ValueError:
                raise refused(path, CONFUSED) from None

    def rewrite(self, path: Path, descriptor: int, layer: str, channels: list[int]) -> bytes:
        """The file's bytes, written anew with these channels of `layer` at zero. Raises Refused."""
        request = {"job": "zeroed", "layer": layer, "channels": channels}
        with _scratch("rewritten") as out:
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
        with _scratch("report") as report:
            status = self._exchange(request, [descriptor, report.fileno(), out])
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
                with _scratch("request") as text:  # of any length; the socket carries a sign and the files
                    text.write(json.dumps(request).encode())
                    text.flush()
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


def _scratch(name: str) -> BinaryIO:
    """A file without a name: in memory where the system has such, else on disk."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create(name), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


warden = Warden()

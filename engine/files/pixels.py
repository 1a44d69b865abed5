"""Where a data set's numbers come from: plain bytes of a file, or a jailed process that decodes chunks."""

import os
import select
import subprocess
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np

from engine.api.inspection import ENVIRONMENT, inspector_command
from engine.files.description import DataSpec
from engine.files.finding import refused
from engine.files.limits import WALL_SECONDS

SHORTER = "became shorter while it was read. Copy or download it again."
BROKEN = "cannot be decoded to its end; stopped. It is damaged: copy or download it again and compare checksums."


class Pixels(Protocol):
    """Numbers of a data set in C order. `fill` puts those from `first` on into `out`, float32, or raises Refused."""

    def fill(self, out: np.ndarray, first: int) -> None: ...

    def close(self) -> None: ...


class PlainPixels:
    """Numbers that lie in one piece in the file, of any type and byte order. Owns the descriptor."""

    def __init__(self, path: Path, descriptor: int, spec: DataSpec) -> None:
        assert spec.offset is not None
        self._path = path
        self._descriptor = descriptor
        self._offset = spec.offset
        self._stored = np.dtype(spec.dtype)
        self._raw = np.empty(0, self._stored)

    def fill(self, out: np.ndarray, first: int) -> None:
        plain = self._stored == np.dtype("<f4")
        if not plain and len(self._raw) < len(out):
            self._raw = np.empty(len(out), self._stored)
        target = out if plain else self._raw[: len(out)]
        self._read(target, self._offset + first * self._stored.itemsize)
        if not plain:
            with np.errstate(over="ignore"):
                np.copyto(out, target, casting="unsafe")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, target: np.ndarray, offset: int) -> None:
        view = memoryview(target.view(np.uint8).data)
        while view:
            got = os.preadv(self._descriptor, [view], offset)
            if got <= 0:
                raise refused(self._path, SHORTER)
            view, offset = view[got:], offset + got


class DecodedPixels:
    """Numbers in chunks: HDF5 decodes them in a jailed process, started when they are first needed."""

    def __init__(self, path: Path, descriptor: int, spec: DataSpec) -> None:
        self._path = path
        self._descriptor = descriptor
        self._process: subprocess.Popen[bytes] | None = None

    def fill(self, out: np.ndarray, first: int) -> None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(np.array([first, len(out)], np.int64).tobytes())
        except BrokenPipeError:
            self._fail(BROKEN)
        view = memoryview(out.view(np.uint8).data)
        while view:
            ready, _, _ = select.select([process.stdout], [], [], WALL_SECONDS)
            if not ready:
                self._fail(f"took longer than {WALL_SECONDS} s to read; stopped.")
            got = os.readv(process.stdout.fileno(), [view])
            if not got:
                self._fail(BROKEN)
            view = view[got:]

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                inspector_command("decode", str(self._descriptor)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | ENVIRONMENT,
                pass_fds=[self._descriptor],
                bufsize=0,
            )
        return self._process

    def _fail(self, text: str) -> NoReturn:
        self.close()
        raise refused(self._path, text)

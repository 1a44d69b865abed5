"""Where a data set's numbers come from: plain bytes of a file, or a jailed process that decodes chunks."""

import os
import socket
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.architecture.description import DataSpec
from engine.file_safety.limits import WALL_SECONDS
from engine.file_safety.refusal import refused
from engine.sandbox.client import sandbox

SHORTER = "became shorter while it was read. Copy or download it again."
BROKEN = "cannot be decoded to its end; stopped. It is damaged: copy or download it again and compare checksums."


class Pixels(Protocol):
    """Numbers of a data set in C order. `fill` puts those from `first` on into `out`, float32, or raises Refused.

    The descriptor that they are read from stays the caller's.
    """

    def fill(self, out: np.ndarray, first: int) -> None: ...

    def close(self) -> None: ...


class PlainPixels:
    """Numbers that lie in one piece in the file, of any type and byte order."""

    def __init__(self, path: Path, descriptor: int, spec: DataSpec) -> None:
        if spec.offset is None:
            raise ValueError("numbers in one piece lie somewhere in the file")
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
        """Nothing is held."""

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
        self._channel: socket.socket | None = None

    def fill(self, out: np.ndarray, first: int) -> None:
        view = memoryview(out.view(np.uint8).data)
        try:
            if self._channel is None:
                self._channel = sandbox.decoder(self._descriptor)
            self._channel.sendall(np.array([first, len(out)], np.int64).tobytes())
            while view:
                got = self._channel.recv_into(view)
                if not got:
                    raise refused(self._path, BROKEN)
                view = view[got:]
        except TimeoutError:
            raise refused(self._path, f"took longer than {WALL_SECONDS} s to read; stopped.") from None
        except OSError:
            raise refused(self._path, BROKEN) from None

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

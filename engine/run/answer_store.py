"""`answers.bin`: the answers of B' for every set of pruned channels met so far, on disk as they come."""

import os
import zlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import numpy as np

from engine.api.errors import NotWritten, Refused
from engine.api.safe_open import open_regular

DTYPE = np.dtype("<u2")
CRC = 4  # bytes


class AnswersFile(MutableMapping[bytes, np.ndarray]):
    """Answers (images,) uint16 by the key of their pruned channels (`Session.key`).

    The file is records of one size: crc32, key, answers. A record that is torn or damaged ends the file: what lies
    behind it is written again.
    """

    def __init__(self, path: Path, images: int, channels: int) -> None:
        self.path, self.images = path, images
        self.key_size = -(-channels // 8)
        self.size = CRC + self.key_size + DTYPE.itemsize * images
        self.places: dict[bytes, int] = {}
        try:
            self.file = open_regular(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise NotWritten(f"Could not open {path.name}: {error.strerror}.", "What was saved is safe.") from error
        self.end = self.scan()

    def close(self) -> None:
        """Let go of the file."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def scan(self) -> int:
        """Find the whole records; returns where the next one goes."""
        end = 0
        while (key := self.read(end)[0]) is not None:
            self.places[key] = end
            end += self.size
        return end

    def read(self, place: int) -> tuple[bytes | None, np.ndarray]:
        record = os.pread(self.file, self.size, place)
        body = memoryview(record)[CRC:]
        whole = len(record) == self.size and zlib.crc32(body) == int.from_bytes(record[:CRC], "little")
        key = bytes(body[: self.key_size]) if whole else None
        return key, np.frombuffer(body[self.key_size :] if whole else b"", DTYPE)

    def __getitem__(self, key: bytes) -> np.ndarray:
        found, answers = self.read(self.places[key])
        if found != key:
            raise Refused(f"{self.path.name}: was changed while it was in use. Open the run again.")
        return answers

    def __setitem__(self, key: bytes, answers: np.ndarray) -> None:
        if key in self.places:
            return
        body = key + answers.astype(DTYPE, copy=False).tobytes()
        record = zlib.crc32(body).to_bytes(CRC, "little") + body
        try:
            written = os.pwrite(self.file, record, self.end)
            os.fdatasync(self.file)
        except OSError as error:
            raise NotWritten(f"Could not write {self.path.name}: {error.strerror}. What was saved is safe.") from error
        if written != self.size:
            raise NotWritten(f"Could not write {self.path.name}: no space left. Free some and go on.")
        self.places[key] = self.end
        self.end += self.size

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("answers are never forgotten")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

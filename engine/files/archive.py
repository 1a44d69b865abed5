"""A `.keras` file: a zip archive of exactly three members, none of which is ever unpacked to disk."""

import io
import os
import struct
import zipfile
import zlib
from typing import Any

from engine.files.finding import Finding
from engine.files.limits import INFLATED_BYTES, JSON_BYTES, RATIO, amount
from engine.files.members import CUT, DAMAGED, WEIGHTS, members, places, refuse_ambiguous, refuse_directory


class Span(io.RawIOBase):
    """Part of a file, as a file: `size` bytes from `start`."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor, self._start, self._size, self._place = descriptor, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._place))
        got = os.preadv(self._descriptor, [view[:wanted]], self._start + self._place) if wanted else 0
        self._place += got
        return got


class Archive:
    """The members of a `.keras` file. `stored_at`: where the weights lie in it, None if they are compressed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        size = os.fstat(descriptor).st_size
        self._file = Span(descriptor, 0, size)
        refuse_directory(self._file, size)
        try:
            self._zip = zipfile.ZipFile(self._file)
        except PermissionError:  # the jail's, not the file's
            raise
        except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error, OverflowError,
                NotImplementedError, UnicodeDecodeError) as error:  # fmt: skip
            raise Finding(CUT) from error
        self.members = members(self._zip)
        refuse_ambiguous(self._file, size)
        starts = places(descriptor, self._zip.start_dir, self.members)
        plain = self.members[WEIGHTS].compress_type == zipfile.ZIP_STORED
        self.stored_at = starts[WEIGHTS] if plain else None

    def text(self, member: str) -> bytes:
        info = self.members[member]
        if info.file_size > JSON_BYTES:
            raise Finding(f"has {amount(info.file_size)} of {member}, the limit is {amount(JSON_BYTES)}.")
        return self._inflated(info, JSON_BYTES)

    def weights(self) -> Any:
        """An open file with the member that holds the weights."""
        info = self.members[WEIGHTS]
        if self.stored_at is None:
            if info.file_size > RATIO * max(info.compress_size, 1):
                raise Finding(
                    f"declares {amount(info.file_size)} but stores {amount(info.compress_size)}: "
                    "a decompression bomb or an unfinished file."
                )
            return io.BytesIO(self._inflated(info, INFLATED_BYTES))
        span = Span(self._descriptor, self.stored_at, info.file_size)
        self._check_sum(info, span)
        return span

    def _inflated(self, info: zipfile.ZipInfo, most: int) -> bytes:
        if info.file_size > most:
            raise Finding(f"has {amount(info.file_size)} of compressed {info.filename}, the limit is {amount(most)}.")
        try:
            with self._zip.open(info) as member:
                data = member.read(most + 1)
        except PermissionError:
            raise
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, struct.error, NotImplementedError,
                RuntimeError) as error:  # fmt: skip
            raise Finding(DAMAGED) from error
        if len(data) != info.file_size:
            raise Finding(DAMAGED)
        return data

    def _check_sum(self, info: zipfile.ZipInfo, span: Span) -> None:
        total = 0
        while block := span.read(2**20):
            total = zlib.crc32(block, total)
        span.seek(0)
        if total != info.CRC:
            raise Finding(DAMAGED)


def rezipped(archive: Archive, weights: bytes) -> bytes:
    """The archive with other weights, its members stored or compressed as they were."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, info in archive.members.items():
            fresh = zipfile.ZipInfo(name, info.date_time)
            fresh.compress_type, fresh.external_attr = info.compress_type, info.external_attr
            new.writestr(fresh, weights if name == WEIGHTS else archive.text(name))
    return out.getvalue()

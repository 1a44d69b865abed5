"""A `.keras` file: a zip archive of exactly three members, none of which is ever unpacked to disk."""

import io
import os
import struct
import zipfile
import zlib
from typing import Any

from engine.files.finding import Finding, quoted
from engine.files.limits import INFLATED_BYTES, JSON_BYTES, RATIO, amount

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)
DAMAGED = "is damaged: the archive cannot be read. Copy or download it again and compare checksums."
DESCRIPTOR_BEHIND = 0x8  # the flag of members whose checksum follows them
LOCAL_HEADER = struct.Struct("<4s5H3I2H")


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
        try:
            self._zip = zipfile.ZipFile(self._file)
        except PermissionError:  # the jail's, not the file's
            raise
        except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, struct.error, OverflowError,
                NotImplementedError, UnicodeDecodeError) as error:  # fmt: skip
            raise Finding("is cut short or damaged: its end is missing. Copy or download it again.") from error
        self.members = _members(self._zip)
        self.stored_at = self._plain_place(self.members[WEIGHTS], size)

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

    def _plain_place(self, info: zipfile.ZipInfo, size: int) -> int | None:
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        if not 0 <= info.header_offset < size:
            raise Finding(DAMAGED)
        header = os.pread(self._descriptor, LOCAL_HEADER.size, info.header_offset)
        if len(header) != LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise Finding(DAMAGED)
        *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
        start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
        if info.file_size != info.compress_size or start + info.file_size > size:
            raise Finding(DAMAGED)
        return int(start)

    def _check_sum(self, info: zipfile.ZipInfo, span: Span) -> None:
        total = 0
        while block := span.read(2**20):
            total = zlib.crc32(block, total)
        span.seek(0)
        if total != info.CRC:
            raise Finding(DAMAGED)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    names = archive.namelist()
    if sorted(names) != sorted(MEMBERS):
        if any(name.endswith(("data.pkl", ".pkl")) for name in names[:1000]):
            raise Finding("holds a Python pickle (a PyTorch file?). Pickles can run code and are never opened.")
        odd = next((name for name in names if name not in MEMBERS), None)
        found = f"contains {quoted(odd)}" if odd else f"contains {len(names)} members"
        raise Finding(f"is a zip archive that {found}, expected a .keras file with {', '.join(MEMBERS)}.")
    infos = {info.filename: info for info in archive.infolist()}
    for info in infos.values():
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Finding(DAMAGED)
    return infos


def renew_checksum(archive: bytearray) -> None:
    """Make the checksums of the weights member right again after its bytes were changed in place."""
    with zipfile.ZipFile(io.BytesIO(archive)) as held:
        info, place = held.getinfo(WEIGHTS), held.start_dir
    *_, name_length, extra_length = LOCAL_HEADER.unpack_from(archive, info.header_offset)
    start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    total = zlib.crc32(memoryview(archive)[start : start + info.file_size])
    if info.flag_bits & DESCRIPTOR_BEHIND:
        signed = archive[start + info.file_size :][:4] == b"PK\x07\x08"
        struct.pack_into("<I", archive, start + info.file_size + 4 * signed, total)
    else:
        struct.pack_into("<I", archive, info.header_offset + 14, total)
    while archive[place : place + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<3H", archive, place + 28)
        if archive[place + 46 : place + 46 + lengths[0]] == WEIGHTS.encode():
            struct.pack_into("<I", archive, place + 16, total)
        place += 46 + sum(lengths)


def rezipped(archive: Archive, weights: bytes) -> bytes:
    """The archive with other weights, its members stored or compressed as they were."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, info in archive.members.items():
            fresh = zipfile.ZipInfo(name, info.date_time)
            fresh.compress_type, fresh.external_attr = info.compress_type, info.external_attr
            new.writestr(fresh, weights if name == WEIGHTS else archive.text(name))
    return out.getvalue()

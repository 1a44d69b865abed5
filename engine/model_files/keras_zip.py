"""A `.keras` file: a zip archive of exactly three members, none of which is ever unpacked to disk.

Programs that read an archive by its list of members or by their own headers, by plain names or by the ones in extra
fields (Python from 3.12 on), would see two networks in one file. So it holds what Keras writes, byte for byte of its
structure: three members one after the other from the first byte on, the list of them, the end; no extra fields, no
comments, nothing in between. In B' a member's checksum is made anew.
"""

import io
import os
import struct
import zipfile
import zlib
from itertools import pairwise
from typing import Any

from engine.file_safety.file_kind import ZIP_ENDS, ZIP_TAIL
from engine.file_safety.limits import INFLATED_BYTES, JSON_BYTES, RATIO, amount
from engine.file_safety.refusal import FileRefused, quoted

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)
DAMAGED = "is damaged: the archive cannot be read. Copy or download it again and compare checksums."
AMBIGUOUS = (
    "is a zip archive with more in it than Keras writes, in which programs may see different networks. Save it again."
)
CUT = "is cut short or damaged: its end is missing. Copy or download it again."
SUMS_BEHIND = 0x8  # the flag of members whose checksum and sizes follow them
LISTED_SIGNATURE = b"PK\x01\x02"
SIGNATURE_BEHIND = b"PK\x07\x08"  # may stand in front of them
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # signature, version, flags, method, time, date, sum, sizes, lengths
LISTED = struct.Struct("<4s6H3I5H2I")  # the same with the maker's version, and places
FLAGS = SUMS_BEHIND | 0x806  # how hard it was compressed, and that its name is UTF-8
NEWEST = 45  # version of the format that Python writes
SUMS = struct.Struct("<3I")
END_RECORD = struct.Struct("<4s4H2IH")
DIRECTORY_BYTES = 2**16  # of the list of members


def refuse_directory(file: io.RawIOBase, size: int) -> None:
    """That the list of members is short, before it is read: it is found as `zipfile` finds it."""
    file.seek(max(0, size - ZIP_TAIL))
    tail = file.read(ZIP_TAIL) or b""
    place = len(tail) - END_RECORD.size
    if place < 0 or tail[place : place + 4] != ZIP_ENDS or tail[-2:] != b"\0\0":
        place = tail.rfind(ZIP_ENDS)
    if place < 0 or len(tail) - place < END_RECORD.size:
        raise FileRefused(CUT)
    length = END_RECORD.unpack_from(tail, place)[5]
    if length > DIRECTORY_BYTES or tail[max(0, place - 20) : place].startswith(b"PK\x06\x07"):
        raise FileRefused(f"is a zip archive of very many members, expected a .keras file with {', '.join(MEMBERS)}.")


def refuse_ambiguous(file: io.RawIOBase, size: int) -> None:
    """That a list of three members and the end of the archive are the last bytes of the file, and hold nothing odd.

    The archive is one that `members` has found to hold a network.
    """
    file.seek(max(0, size - END_RECORD.size))
    end = file.read(END_RECORD.size) or b""
    signature, disk, first_disk, here, count, length, start, comment = END_RECORD.unpack(end)
    if signature != ZIP_ENDS or disk or first_disk or comment or here != count or start + length + len(end) != size:
        raise FileRefused(AMBIGUOUS)
    file.seek(start)
    entries, place = file.read(length) or b"", 0
    for _ in range(count):
        if len(entries) - place < LISTED.size:
            raise FileRefused(AMBIGUOUS)
        head = LISTED.unpack_from(entries, place)
        needed, flags, name, extra, note, on_disk = head[2], head[3], head[10], head[11], head[12], head[13]
        if head[0] != LISTED_SIGNATURE or needed > NEWEST or flags & ~FLAGS or extra or note or on_disk:
            raise FileRefused(AMBIGUOUS)
        if entries[place + LISTED.size :][:name] not in {known.encode() for known in MEMBERS}:
            raise FileRefused(AMBIGUOUS)
        place += LISTED.size + name
    if place != length or count != len(MEMBERS):
        raise FileRefused(AMBIGUOUS)


def members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    names = archive.namelist()
    if sorted(names) != sorted(MEMBERS):
        if any(name.endswith(("data.pkl", ".pkl")) for name in names[:1000]):
            raise FileRefused("holds a Python pickle (a PyTorch file?). Pickles can run code and are never opened.")
        odd = next((name for name in names if name not in MEMBERS), None)
        found = f"contains {quoted(odd)}" if odd else f"contains {len(names)} members"
        raise FileRefused(f"is a zip archive that {found}, expected a .keras file with {', '.join(MEMBERS)}.")
    infos = {info.filename: info for info in archive.infolist()}
    for info in infos.values():
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileRefused(DAMAGED)
    return infos


def places(descriptor: int, directory: int, infos: dict[str, zipfile.ZipInfo]) -> dict[str, int]:
    """Where each member's bytes begin. Raises FileRefused where a header is not what the list says, or members overlap."""
    starts, ends = {}, [(0, 0), (directory, directory)]
    for name, info in infos.items():
        starts[name], end = _place(descriptor, directory, info)
        ends.append((info.header_offset, end))
    gaps = [start - end for (_, end), (start, _) in pairwise(sorted(ends))]
    if min(gaps) < 0:
        raise FileRefused(DAMAGED)
    if max(gaps) > 0:
        raise FileRefused(AMBIGUOUS)
    return starts


def _place(descriptor: int, directory: int, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Where a member's bytes begin, and where it ends with all that belongs to it."""
    if not 0 <= info.header_offset < directory:
        raise FileRefused(DAMAGED)
    name = info.filename.encode()
    header = os.pread(descriptor, LOCAL_HEADER.size + len(name), info.header_offset)
    if len(header) != LOCAL_HEADER.size + len(name):
        raise FileRefused(DAMAGED)
    signature, needed, flags, method, _, _, *sums, length, extra = LOCAL_HEADER.unpack_from(header)
    if extra or needed > NEWEST:
        raise FileRefused(AMBIGUOUS)
    listed = [info.CRC, info.compress_size, info.file_size]
    start = _data_start(header, info)
    end = start + info.compress_size
    fits = (
        signature == b"PK\x03\x04"
        and (flags, method) == (info.flag_bits, info.compress_type)
        and (length, header[LOCAL_HEADER.size :]) == (len(name), name)
        and (method != zipfile.ZIP_STORED or info.compress_size == info.file_size)
    )
    if flags & SUMS_BEHIND:
        behind = os.pread(descriptor, SUMS.size + 4, end)
        signed = 4 * behind.startswith(SIGNATURE_BEHIND)
        fits = fits and behind[signed:][: SUMS.size] == SUMS.pack(*listed) and sums in (listed, [0, 0, 0])
        end += signed + SUMS.size
    else:
        fits = fits and sums == listed
    if not fits:
        raise FileRefused(DAMAGED)
    return start, end


def renew_checksum(archive: io.BytesIO) -> None:
    """Make the checksums of the weights member right again after its bytes were changed in place.

    The archive is one that passed as an Archive, so that every place below is where it should be.
    """
    with zipfile.ZipFile(archive) as held, archive.getbuffer() as view:
        info, place = held.getinfo(WEIGHTS), held.start_dir
        start = _data_start(bytes(view[info.header_offset :][: LOCAL_HEADER.size]), info)
        end = start + info.file_size
        total = struct.pack("<I", zlib.crc32(view[start:end]))
        if any(view[info.header_offset + 14 :][:4]):
            view[info.header_offset + 14 :][:4] = total
        if info.flag_bits & SUMS_BEHIND:
            signed = 4 * (view[end:][:4] == SIGNATURE_BEHIND)
            view[end + signed :][:4] = total
        while bytes(view[place:][:4]) == b"PK\x01\x02":
            lengths = struct.unpack_from("<3H", view, place + 28)
            if view[place + 46 :][: lengths[0]] == WEIGHTS.encode():
                view[place + 16 :][:4] = total
            place += 46 + sum(lengths)


def _data_start(header: bytes, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin, told by its own header."""
    *_, name_length, extra_length = LOCAL_HEADER.unpack_from(header)
    return int(info.header_offset + LOCAL_HEADER.size + name_length + extra_length)


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
            raise FileRefused(CUT) from error
        self.members = members(self._zip)
        refuse_ambiguous(self._file, size)
        starts = places(descriptor, self._zip.start_dir, self.members)
        plain = self.members[WEIGHTS].compress_type == zipfile.ZIP_STORED
        self.stored_at = starts[WEIGHTS] if plain else None

    def text(self, member: str) -> bytes:
        info = self.members[member]
        if info.file_size > JSON_BYTES:
            raise FileRefused(f"has {amount(info.file_size)} of {member}, the limit is {amount(JSON_BYTES)}.")
        return self._inflated(info, JSON_BYTES)

    def weights(self) -> Any:
        """An open file with the member that holds the weights."""
        info = self.members[WEIGHTS]
        if self.stored_at is None:
            if info.file_size > RATIO * max(info.compress_size, 1):
                raise FileRefused(
                    f"declares {amount(info.file_size)} but stores {amount(info.compress_size)}: "
                    "a decompression bomb or an unfinished file."
                )
            return io.BytesIO(self._inflated(info, INFLATED_BYTES))
        span = Span(self._descriptor, self.stored_at, info.file_size)
        self._check_sum(info, span)
        return span

    def _inflated(self, info: zipfile.ZipInfo, most: int) -> bytes:
        if info.file_size > most:
            raise FileRefused(
                f"has {amount(info.file_size)} of compressed {info.filename}, the limit is {amount(most)}."
            )
        try:
            with self._zip.open(info) as member:
                data = member.read(most + 1)
        except PermissionError:
            raise
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, struct.error, NotImplementedError,
                RuntimeError) as error:  # fmt: skip
            raise FileRefused(DAMAGED) from error
        if len(data) != info.file_size:
            raise FileRefused(DAMAGED)
        return data

    def _check_sum(self, info: zipfile.ZipInfo, span: Span) -> None:
        total = 0
        while block := span.read(2**20):
            total = zlib.crc32(block, total)
        span.seek(0)
        if total != info.CRC:
            raise FileRefused(DAMAGED)


def rezipped(archive: Archive, weights: bytes) -> bytes:
    """The archive with other weights, its members stored or compressed as they were."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, info in archive.members.items():
            fresh = zipfile.ZipInfo(name, info.date_time)
            fresh.compress_type, fresh.external_attr = info.compress_type, info.external_attr
            new.writestr(fresh, weights if name == WEIGHTS else archive.text(name))
    return out.getvalue()

"""What a file is, told from its bytes, never from its name. Runs in the inspector."""

import os
import re
from typing import Literal

from engine.files.finding import Finding

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
FIRST_BLOCK = 52  # bytes of HDF5's first block that are looked at
NEITHER = "is neither HDF5 (.h5) nor .keras."
# how other files begin, and what to say about them
OTHERS = (
    (rb"version https://git-lfs", "is a Git LFS pointer, not the file itself. Run: git lfs pull"),
    (rb"(?i)\s*(<!doctype html|<html|<head)", "is an HTML page (often a download warning saved as the file). "
     "Download it again from the browser."),
    (rb"\x80[\x02-\x05][\x95\x8ac}\](\x80X]", "is a Python pickle. Pickles can run code and are never opened."),
    (rb"\x93NUMPY", "is a NumPy array file (.npy), expected HDF5 (.h5) or .keras."),
    (rb"\x1f\x8b", "is compressed with gzip. Run: gunzip on it"),
    (rb"(?s).{257}ustar", "is a tar archive. Unpack it first."),
)  # fmt: skip


def content_kind(descriptor: int) -> Literal["hdf5", "zip"]:
    """Whether a file is HDF5 or a zip archive. Raises Finding for all else, and for files that are cut short."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        raise Finding("is empty (0 bytes). The download or copy did not finish; fetch it again.")
    head = os.pread(descriptor, 4096, 0)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    start = _signature(descriptor, size)
    if start is not None:
        _refuse_short(descriptor, start, size)
        return "hdf5"
    raise Finding(next((line for start_of, line in OTHERS if re.match(start_of, head)), _plain(head)))


def _plain(head: bytes) -> str:
    text = not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head)
    return "is a text file, expected HDF5 (.h5) or .keras." if text else NEITHER


def _signature(descriptor: int, size: int) -> int | None:
    """Where the HDF5 file begins: at 0, or behind a user block of 512, 1024, 2048, ... bytes."""
    place = 0
    while place < size:
        if os.pread(descriptor, 8, place) == HDF5_SIGNATURE:
            return place
        place = max(512, 2 * place)
    return None


def _refuse_short(descriptor: int, start: int, size: int) -> None:
    """HDF5's first block says where the file ends."""
    block = os.pread(descriptor, FIRST_BLOCK, start)
    if len(block) < FIRST_BLOCK:
        raise Finding(f"is cut short: only {size:,} bytes are there. Copy or download it again.")
    version = block[8]
    width = block[13] if version < 2 else block[9]
    fields = 12 if version >= 2 else 28 if version == 1 else 24  # where the addresses begin: base, another, end
    base, _, end = (int.from_bytes(block[at : at + 8], "little") for at in range(fields, fields + 24, 8))
    if width == 8 and size < end < 2**62 and base in (0, start):
        raise Finding(f"is cut short: {size:,} of {end:,} bytes are there. Copy or download it again.")

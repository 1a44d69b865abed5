"""What a file is, told from its bytes, never from its name. Runs in the inspector."""

import os
import re
from typing import Literal

from engine.file_safety.limits import amount
from engine.file_safety.refusal import FileRefused

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
FIRST_BLOCK = 52  # bytes of HDF5's first block that are looked at
ZIP_ENDS = b"PK\x05\x06"
ZIP_TAIL = 2**16 + 22  # bytes from the end in which a zip archive says that it ends
NEITHER = "is neither HDF5 (.h5) nor .keras."
PICKLE = "is a Python pickle. Pickles can run code and are never opened."
# how other files begin, and what to say about them
OTHERS = (
    (rb"version https://git-lfs", "is a Git LFS pointer, not the file itself. Run: git lfs pull"),
    (rb"(?is)(\xef\xbb\xbf)?\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*(<!doctype html|<html|<head|<body)",
     "is an HTML page (often a download warning saved as the file). Download it again from the browser."),
    (rb"\x80[\x02-\x05]", PICKLE),
    # as the protocols without a number begin: a dict, a list, an object of a module, a number, a tuple
    (rb"(?s)\([dl]p\d+\n|[}\])]q\x00|c(copy_?reg|__builtin__|builtins|\w+\.[\w.]+)\n\w+\n[pq(]|I-?\d+\n\.|"
     rb"\((I-?\d+\n|K.[\x00-\x7f])", PICKLE),
    (rb"(?s)\s*(\{|\"\{).{0,40}?\"class_name\\?\"\s*:|(backend|class_name): ?\w",
     "is the architecture of a model as text, without weights. Save the whole model with model.save('model.keras')."),
    (rb"(?s)\s*\{.{0,400}?\"weight_map\"\s*:",
     "is the list of weights that are cut into several files. Save the whole model with model.save('model.keras')."),
    (rb"\x93NUMPY", "is a NumPy array file (.npy), expected HDF5 (.h5) or .keras."),
    (rb"\x1f\x8b", "is compressed with gzip. Run: gunzip on it"),
    (rb"(?s).{257}ustar", "is a tar archive. Unpack it first."),
)  # fmt: skip


def content_kind(descriptor: int) -> Literal["hdf5", "zip"]:
    """Whether a file is HDF5 or a zip archive. Raises FileRefused for all else, and for files that are cut short."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, 4096, 0)
    if size == 0 and head:
        raise FileRefused(
            "has a content but no size, as files of the system itself. Copy the data to a normal file first."
        )
    if size == 0:
        raise FileRefused("is empty (0 bytes). The download or copy did not finish; fetch it again.")
    start = hdf5_start(descriptor)
    if head[:4] in (b"PK\x03\x04", ZIP_ENDS) and (start is None or _ends_as_zip(descriptor, size)):
        return "zip"
    if start is not None:
        _refuse_short(descriptor, start, size)
        return "hdf5"
    raise FileRefused(next((line for start_of, line in OTHERS if re.match(start_of, head)), _plain(head)))


def hdf5_start(descriptor: int) -> int | None:
    """Where an HDF5 file begins: at 0, or behind a user block of 512, 1024, 2048, ... bytes."""
    place, size = 0, os.fstat(descriptor).st_size
    while place < size:
        if os.pread(descriptor, 8, place) == HDF5_SIGNATURE:
            return place
        place = max(512, 2 * place)
    return None


def refuse_tail(descriptor: int) -> None:
    """HDF5 cuts a file off where it ends: bytes behind that are not the model's, and B' would repeat them all."""
    size, start = os.fstat(descriptor).st_size, hdf5_start(descriptor)
    end = None if start is None else _end(os.pread(descriptor, FIRST_BLOCK, start), start)
    if end is None:
        raise FileRefused("is HDF5 in a form that Keras does not write. Convert with: h5repack FILE NEW")
    if end < size:
        raise FileRefused(f"has {amount(size - end)} behind its end at {end:,} bytes. Download or save it again.")


def _plain(head: bytes) -> str:
    text = not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head)
    return "is a text file, expected HDF5 (.h5) or .keras." if text else NEITHER


def _ends_as_zip(descriptor: int, size: int) -> bool:
    return ZIP_ENDS in os.pread(descriptor, ZIP_TAIL, max(0, size - ZIP_TAIL))


def _refuse_short(descriptor: int, start: int, size: int) -> None:
    block = os.pread(descriptor, FIRST_BLOCK, start)
    if len(block) < FIRST_BLOCK:
        raise FileRefused(f"is cut short: only {size:,} bytes are there. Copy or download it again.")
    end = _end(block, start)
    if end is not None and size < end < 2**62:
        raise FileRefused(f"is cut short: {size:,} of {end:,} bytes are there. Copy or download it again.")


def _end(block: bytes, start: int) -> int | None:
    """Where the file ends, as HDF5's first block says, if it is written as HDF5 does today."""
    version = block[8]
    width = block[13] if version < 2 else block[9]
    fields = 12 if version >= 2 else 28 if version == 1 else 24  # where the addresses begin: base, another, end
    base, _, end = (int.from_bytes(block[at : at + 8], "little") for at in range(fields, fields + 24, 8))
    return end if width == 8 and base in (0, start) else None

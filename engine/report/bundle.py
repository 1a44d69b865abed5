"""The zip file that is handed in: names and bytes, and a page that says what is in it and what was checked."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence

from engine.api.protocol import NetworkCheck, percent

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold
NAMES = {
    "valid": "clean accuracy (valid)",
    "test": "clean accuracy (test)",
    "poisoned": "ASR (test)",
    "poisoned_valid": "ASR (valid)",
    "g_test": "G clean accuracy (test)",
    "g_poisoned": "G ASR (test)",
    "detected": "G detection rate",
    "false_alarms": "G false alarm rate",
}
HEAD = """\
Every network in models/ was opened again, as `lab3-tui eval` opens it, and answered every image anew. Its numbers are
those of results.csv, image for image, and its filters and biases at zero are the channels that results.csv names;
every other number in a B′ is B's own."""


def zip_file(files: Mapping[str, bytes], folder: str) -> bytes:
    """A zip of these files below `folder`; the same files give the same bytes: sorted, with one date for all."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, files[name])
    return data.getvalue()


def sums(files: Mapping[str, bytes]) -> bytes:
    """A line a file that `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def check_page(checks: Sequence[NetworkCheck]) -> bytes:
    """What was checked, network for network."""
    parts = [HEAD, *map(_told, checks)]
    return ("\n\n".join(parts) + "\n").encode()


def _told(check: NetworkCheck) -> str:
    zeroed = f"{check.pruned} channels at zero" if check.pruned else "no channel pruned"
    lines = [f"{check.network}  {check.file}: {zeroed}, as claimed"]
    for name, hits, images in check.figures:
        lines.append(f"    {NAMES[name]:<26} {hits:>7,} of {images:>7,}  {percent(hits, images):6.2f} %  as shown")
    return "\n".join(lines)

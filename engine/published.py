"""What the lab itself published for its BadNet on its own data, and the SHA-256 of its five files."""

from functools import cache
from pathlib import Path

import msgspec

FACTS = Path(__file__).with_name("published.json")
NOISE = 2  # images by which public solutions differ among themselves


class File(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class Published(msgspec.Struct, frozen=True):
    """`hits` by column of Counts: images at each step, 0 (B itself) to 60."""

    about: str
    files: dict[str, File]
    images: dict[str, int]
    layer: str
    thresholds: dict[str, int]
    order: tuple[int, ...]
    means: tuple[float, ...]
    hits: dict[str, tuple[int, ...]]

    def covers(self, pruned: tuple[int, ...]) -> bool:
        """Whether some published step has these channels gone, or others as dormant as they are."""
        return self.active(pruned) == self.active(self.order[: len(pruned)])

    def active(self, channels: tuple[int, ...]) -> set[int]:
        return {channel for channel in channels if self.means[channel] > 0}


@cache
def published() -> Published:
    """The published numbers."""
    return msgspec.json.decode(FACTS.read_bytes(), type=Published)


def known_file(sha256: str) -> str | None:
    """Which of the lab's own files this is, byte for byte: its place in a lab folder, as `data/cl/valid.h5`."""
    return next((place for place, file in published().files.items() if file.sha256 == sha256), None)

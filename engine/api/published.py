"""What the lab itself published: which files are the lab's own, and how many images its networks got right.

The facts lie in `published.json`, collected from public solutions of the lab that agree with each other.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import msgspec

from engine.api.lab import PLACES
from engine.api.protocol import Counts, Opened

MODEL = "models/bd_net.h5"
CLOSE = 2  # images: networks written and run by other versions differ by no more


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hits` by the name of a field of Counts: images after each channel of `order`, B first."""

    about: str
    files: dict[str, str]  # SHA-256 by the lab's path
    layer: str
    images: dict[str, int]  # by data set
    thresholds: dict[str, int]  # channels pruned at each
    order: tuple[int, ...]
    dormant: frozenset[int]  # channels that no clean validation image activates
    hits: dict[str, tuple[int, ...]]


@cache
def published() -> Published:
    """The facts."""
    text = files("engine").joinpath("published.json").read_bytes()
    return msgspec.json.decode(text, type=Published)


@cache
def _paths() -> Mapping[str, str]:
    return {digest: path for path, digest in published().files.items()}


def known_file(sha256: str) -> str | None:
    """The lab's path of the file with these bytes, like "data/cl/valid.h5"; None for any other file."""
    return _paths().get(sha256)


def applies(opened: Opened) -> bool:
    """Whether the published numbers are about this run: the lab's layer, and each input the lab's, in its place."""
    places = all(info.known == PLACES[name] for name, info in opened.sets.items())
    return opened.lab and places and opened.model.known == MODEL and opened.layer == published().layer


def published_counts(pruned: Iterable[int]) -> Counts | None:
    """What was published for B with these channels pruned; None where the published order never prunes them.

    Which of the dormant channels they are does not matter: without them the network answers as before.
    """
    facts, wanted = published(), frozenset(pruned)
    step = len(wanted)
    if step > len(facts.order) or frozenset(facts.order[:step]) - facts.dormant != wanted - facts.dormant:
        return None
    return Counts(**{name: hits[step] for name, hits in facts.hits.items()})

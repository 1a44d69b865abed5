"""Journals that somebody forged: a real one with something changed, and checksums that fit."""

import json
import random
import zlib
from collections.abc import Callable
from typing import Any

Told = list[dict[str, Any]]  # the events of a journal, as JSON has them
# what only a journal knows, or its user decided: a run that goes on with others has other results, and may
CLAIMS = ("began", "opened", "ranked", "thresholds")
ODD = (None, True, -1, 0, 1, 2**31, 10**30, 1.5, 1e308, "", "x", "1", "../../x", "\x1b[2J", [], [0], {}, {"a": 1})


def lines(text: bytes) -> Told:
    """The events of a journal."""
    return [json.loads(line)["event"] for line in text.splitlines()]


def journal(told: Told) -> bytes:
    """Events as a journal, with their checksums."""
    return b"".join(_line(json.dumps(event, separators=(",", ":")).encode()) for event in told)


def _line(raw: bytes) -> bytes:
    return b'{"crc":"%08x","event":%s}\n' % (zlib.crc32(raw), raw)


def forged(told: Told, rng: random.Random) -> tuple[Told, str]:
    """Something changed, and what it was: "duplicated stepped"."""
    made: Told = json.loads(json.dumps(told))
    at = rng.randrange(len(made))
    name = made[at]["event"]
    word, forge = rng.choice(FORGERIES)
    forge(made, at, rng)
    return made, f"{word} {name}"


def _drop(told: Told, at: int, rng: random.Random) -> None:
    del told[at]


def _cut(told: Told, at: int, rng: random.Random) -> None:
    del told[at + 1 :]


def _duplicate(told: Told, at: int, rng: random.Random) -> None:
    told.insert(rng.randrange(len(told) + 1), told[at])


def _swap(told: Told, at: int, rng: random.Random) -> None:
    other = rng.randrange(len(told))
    told[at], told[other] = told[other], told[at]


def _rename(told: Told, at: int, rng: random.Random) -> None:
    told[at]["event"] = rng.choice([event["event"] for event in told] + ["hello", "failed", "idle", "x"])


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Everything in an event that can be changed: containers, each with a key."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    inner = [place for key in keys for place in _places(value[key])]
    return [(value, key) for key in keys if key != "event"] + inner


def _put(told: Told, at: int, rng: random.Random) -> None:
    holder, key = rng.choice(_places(told[at]))
    holder[key] = rng.choice(ODD)


def _shift(told: Told, at: int, rng: random.Random) -> None:
    """A whole number one more or less, or far away."""
    numbers = [place for place in _places(told[at]) if type(place[0][place[1]]) is int]
    if numbers:
        holder, key = rng.choice(numbers)
        holder[key] += rng.choice((-1, 1, 1, 2, 10, 10**6))


def _lose(told: Told, at: int, rng: random.Random) -> None:
    holder, key = rng.choice(_places(told[at]))
    del holder[key]


def _shuffle(told: Told, at: int, rng: random.Random) -> None:
    lists = [holder[key] for holder, key in _places(told[at]) if isinstance(holder[key], list) and holder[key]]
    if lists:
        found = rng.choice(lists)
        found[rng.randrange(len(found))] = rng.choice(found)


Forge = Callable[[Told, int, random.Random], None]
FORGERIES: tuple[tuple[str, Forge], ...] = (
    ("dropped", _drop),
    ("cut behind", _cut),
    ("duplicated", _duplicate),
    ("swapped", _swap),
    ("renamed", _rename),
    ("odd value in", _put),
    ("other number in", _shift),
    ("field lost in", _lose),
    ("repeated entry in", _shuffle),
)

"""JSON from a file: bounded in size and depth before it is decoded."""

import re
from typing import Any

import msgspec

from engine.files.finding import Finding
from engine.files.limits import JSON_BYTES, JSON_DEPTH, amount

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
BRACKETS = re.compile(rb"[\[\]{}]+")


def read_json(what: str, text: bytes) -> Any:
    """The value of a JSON text. Raises Finding if it is too long, too deep or no JSON."""
    if len(text) > JSON_BYTES:
        raise Finding(f"has {amount(len(text))} of {what}, the limit is {amount(JSON_BYTES)}.")
    if _depth(text) > JSON_DEPTH:
        raise Finding(f"has {what} nested deeper than {JSON_DEPTH} levels.")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Finding(f"is damaged: its {what} is not valid JSON. Copy or download it again.") from error


def _depth(text: bytes) -> int:
    deepest = depth = 0
    for run in BRACKETS.findall(STRING.sub(b"", text)):
        for sign in run:
            depth += 1 if sign in b"[{" else -1
            deepest = max(deepest, depth)
    return deepest

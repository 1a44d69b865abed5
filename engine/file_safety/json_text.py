"""JSON from a file: bounded in size and depth before it is decoded."""

import re
from typing import Any

import msgspec

from engine.file_safety.limits import JSON_BYTES, JSON_DEPTH, amount
from engine.file_safety.refusal import FileRefused

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
BRACKETS = re.compile(rb"[\[\]{}]+")
NO_NUMBER = re.compile(rb"\b(NaN|Infinity)\b")
MARK = b"\xef\xbb\xbf"  # of the byte order, which some editors write in front


def read_json(what: str, text: bytes) -> Any:
    """The value of a JSON text. Raises FileRefused if it is too long, too deep or no JSON."""
    if len(text) > JSON_BYTES:
        raise FileRefused(f"has {amount(len(text))} of {what}, the limit is {amount(JSON_BYTES)}.")
    outside = STRING.sub(b"", text)
    if _depth(outside) > JSON_DEPTH:
        raise FileRefused(f"has {what} nested deeper than {JSON_DEPTH} levels.")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileRefused(f"{_fault(what, text, outside)} Copy or download it again.") from error


def _fault(what: str, text: bytes, outside: bytes) -> str:
    """What keeps a text from being JSON. `outside`: what is not in quotes."""
    if text.startswith(MARK):
        return f"has {what} that begins with a byte order mark, which JSON may not."
    if found := NO_NUMBER.search(outside):
        return f"has {what} with a number that is {found[1].decode()}, which JSON may not hold."
    return f"is damaged: its {what} is not valid JSON."


def _depth(outside: bytes) -> int:
    deepest = depth = 0
    for run in BRACKETS.findall(outside):
        for sign in run:
            depth += 1 if sign in b"[{" else -1
            deepest = max(deepest, depth)
    return deepest

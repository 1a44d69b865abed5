"""Text that came from a file, made fit to be shown: the one place where it is escaped."""

import shlex
import unicodedata
from collections.abc import Callable

SHORT = 48  # characters of a file name in a refusal
LONG = 200  # characters of anything else
ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # categories of characters that do something instead of showing something
JOINERS = "\u200c\u200d"  # of these categories too, and in ordinary names: they make one sign of several


def escape(text: str, limit: int = LONG) -> str:
    """`text` on one line of at most `limit` characters, without anything a terminal or a markup parser acts on.

    Control characters, bidi marks, lone surrogates and other non-printables, backslashes and `[` become
    backslash escapes; what is too long ends in `…`.
    """
    return _joined(text, limit, _shown)


def escape_rest(text: str, limit: int = LONG) -> str:
    """As `escape` for a text that may have been escaped before: backslashes stay, so that `escape`'s own work does."""
    return _joined(text, limit, lambda character: character if character == "\\" else _shown(character))


def printable(text: str) -> str:
    """The gate that every text passes on its way to a terminal: only what acts there is escaped, all else stays."""
    return text if text.isprintable() else "".join(map(_shown_in_path, text))


def escape_path(path: str) -> str:
    """A path that is shown and used: only what acts on a terminal is escaped, whatever names people give stays."""
    return printable(path)


def escape_json(line: str) -> str:
    """A line of JSON that decodes to the same, in ASCII wherever a character would act on a terminal."""
    return line if line.isprintable() else "".join(map(_shown_in_json, line))


def shell_word(text: str) -> str:
    """`text` as one word of a command for a shell; what would act on a terminal is written as bash and zsh read it."""
    if printable(text) == text:
        return shlex.quote(text)
    return f"$'{''.join(map(_shown_in_shell, text))}'"


def _joined(text: str, limit: int, shown_as: Callable[[str], str]) -> str:
    shown: list[str] = []
    length = 0
    for character in text:
        piece = shown_as(character)
        length += len(piece)
        if length > limit:
            return _cut(shown, limit)
        shown.append(piece)
    return "".join(shown)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() and character != "[" else _code(character)


def _shown_in_path(character: str) -> str:
    acts = unicodedata.category(character) in ACTING and character not in JOINERS
    return _code(character) if acts else character


def _shown_in_json(character: str) -> str:
    if unicodedata.category(character) not in ACTING:
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _shown_in_shell(character: str) -> str:
    if unicodedata.category(character) in ACTING:
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    return f"\\{character}" if character in "\\'" else character


def _code(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _cut(shown: list[str], limit: int) -> str:
    while shown and sum(map(len, shown)) > limit - 1:
        shown.pop()
    return "".join(shown) + "…"

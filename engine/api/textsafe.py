"""Text that came from a file, made fit to be shown: the one place where it is escaped."""

SHORT = 48  # characters of a file name in a refusal
LONG = 200  # characters of anything else


def escape(text: str, limit: int = LONG) -> str:
    """`text` on one line of at most `limit` characters, without anything a terminal or a markup parser acts on.

    Control characters, bidi marks, lone surrogates and other non-printables, backslashes and `[` become
    backslash escapes; what is too long ends in `…`.
    """
    shown: list[str] = []
    length = 0
    for character in text:
        piece = _shown(character)
        length += len(piece)
        if length > limit:
            return _cut(shown, limit)
        shown.append(piece)
    return "".join(shown)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable() and character != "[":
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _cut(shown: list[str], limit: int) -> str:
    while shown and sum(map(len, shown)) > limit - 1:
        shown.pop()
    return "".join(shown) + "…"

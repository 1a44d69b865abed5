"""Rows of cells: what the widgets' pure functions draw, before a theme gives them colour.

A row is two strings of the same length: the characters, and a letter a cell that names its ink. So a chart or a table
is plain data: compared cell by cell to find what must be painted again, and read by tests as text.
"""

from typing import NamedTuple

from tui.model.cells import TAIL, cells

# letter -> name of the component class `ink--NAME` that gives it its colour
INKS = {
    ".": "plain",
    "d": "dim",
    "b": "strong",
    "k": "key",
    "v": "valid",
    "a": "asr",
    "g": "g-test",
    "x": "g-asr",
    "V": "valid-ahead",
    "A": "asr-ahead",
    "G": "g-test-ahead",
    "X": "g-asr-ahead",
    "t": "threshold",
    "l": "guide",
    "p": "playhead",
    "s": "saved",
    "w": "warning",
    "e": "error",
    "c": "channel",
    "C": "channel-pruned",
}
AHEAD = str.maketrans("vagx", "VAGX")


class Row(NamedTuple):
    """`text` and `ink` are as long as the row is wide; `back` names a component class for its background."""

    text: str
    ink: str
    back: str = ""


Part = tuple[str, str]  # text, and the letter of its ink
BLANK: Part = (" ", ".")


def fit(text: str, width: int) -> str:
    """`text` as cells, cut with an ellipsis or padded to `width`."""
    return _cut(cells(text), width)


def row(width: int, *parts: Part, right: tuple[Part, ...] = (), back: str = "") -> Row:
    """Parts from the left edge and `right` ones up to the right edge; where both do not fit, the left ones are cut."""
    text, ink = _join(parts)
    end, end_ink = _join(right)
    end, end_ink = end[:width], end_ink[:width]
    room = width - len(end)
    return Row(_cut(text, room) + end, ink[:room].ljust(room, ".") + end_ink, back)


def blank(width: int, back: str = "") -> Row:
    return Row(" " * width, "." * width, back)


def over(under: Row, column: int, text: str, ink: str) -> Row:
    """`under` with `text` written over it from `column` on, as far as it reaches."""
    text = text[max(0, -column) : max(0, len(under.text) - column)]
    column = max(0, column)
    end = column + len(text)
    inks = under.ink[:column] + ink * len(text) + under.ink[end:]
    return Row(under.text[:column] + text + under.text[end:], inks, under.back)


def changed(old: Row, new: Row) -> tuple[int, int] | None:
    """The columns, first and one past the last, in which two rows look different; None where they look the same."""
    if old == new:
        return None
    width = len(new.text)
    if len(old.text) != width or old.back != new.back:
        return 0, width
    before, after = _seen(old), _seen(new)
    start = next((i for i in range(width) if before[i] != after[i]), width)
    if start == width:
        return None
    end = next(i for i in range(width, start, -1) if before[i - 1] != after[i - 1])
    return _whole(old.text, new.text, start, end)


def _whole(old: str, new: str, start: int, end: int) -> tuple[int, int]:
    """The span widened so that it cuts no double-width character in two, neither before nor after the change."""
    while TAIL in (old[start], new[start]):
        start -= 1
    while end < len(new) and TAIL in (old[end], new[end]):
        end += 1
    return start, end


def _seen(line: Row) -> list[Part]:
    """Character and ink of each cell; a blank looks the same in every ink."""
    return [(char, ink) if char != " " else BLANK for char, ink in zip(line.text, line.ink, strict=True)]


def runs(line: Row) -> list[Part]:
    """The row as pieces of one ink each. A blank has no ink of its own, so it joins the piece before it:
    a terminal takes forty bytes to change colours."""
    pieces: list[Part] = []
    start = 0
    for end in range(1, len(line.text) + 1):
        if end == len(line.text) or (line.ink[end] != line.ink[start] and line.text[end] != " "):
            pieces.append((line.text[start:end].replace(TAIL, ""), line.ink[start]))
            start = end
    return pieces


def _join(parts: tuple[Part, ...]) -> Part:
    texts = [cells(text) for text, _ in parts]
    inks = [ink * len(text) for text, (_, ink) in zip(texts, parts, strict=True)]
    return "".join(texts), "".join(inks)


def _cut(text: str, width: int) -> str:
    """`text`, already cells, cut or padded to `width`."""
    if len(text) <= width:
        return text.ljust(width)
    cut = text[: max(0, width - 1)]
    if text[len(cut)] == TAIL:
        cut = cut[:-1] + " "
    return (cut + "…")[:width]

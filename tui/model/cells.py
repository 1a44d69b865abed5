"""Text as cells of a terminal: one character a cell, whatever script it is in."""

from rich.cells import cell_len

from engine.api.escape import printable

TAIL = "\ue000"  # stands behind a double-width character, for the second cell it takes


def cells(text: str) -> str:
    """`text`, fit for a terminal, with exactly one character a cell, whatever script it is in."""
    text = printable(text)
    if text.isascii():
        return text
    widths = ((char, cell_len(char)) for char in text)
    return "".join(char + TAIL * (width - 1) for char, width in widths if width)

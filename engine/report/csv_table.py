"""Tables as text: CSV that no spreadsheet runs, and Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the start of a formula


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """CSV in UTF-8 with bare line feeds. None is an empty cell, floats keep every digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns of numbers to the right. Cells are Markdown already: `plain` or `code`."""
    lines = list(rows)
    numbers = [all(_number(line[at]) for line in lines) for at in range(len(header))]
    ruler = ["---:" if number else "---" for number in numbers]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ruler, *lines])


def _number(cell: str) -> bool:
    return not cell or cell[0].isdigit()


def plain(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table."""
    return "".join(f"\\{character}" if character in "\\|`*_[]<>#~&" else character for character in text)


def code(text: str) -> str:
    """Text as a code span that nothing in it ends, also inside a table; nothing for no text."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if "`" in text or text != text.strip(" ") else ""  # one at both ends is taken off again
    shown = text.replace("|", "\\|")
    return f"{fence}{room}{shown}{room}{fence}" if text else ""

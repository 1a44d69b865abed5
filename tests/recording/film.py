"""An animated SVG of a terminal: frames side by side, moved along by a style sheet, rows that recur drawn once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.screenshots.picture import CELL, row_shapes

EDGE = 14  # pixels around the screen
GROUND, PLAIN = "#10141a", "#d5dbe3"
CAPTION = "#7fd1c4"
FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"


class Run(NamedTuple):
    """Characters of one look. Colours as #rrggbb; `ground` is empty where it is that of the screen."""

    text: str
    colour: str
    ground: str = ""
    bold: bool = False


Line = tuple[Run, ...]


class Frame(NamedTuple):
    """A screen that stands for so many seconds; `caption`: the key that was pressed for it."""

    lines: tuple[Line, ...]
    seconds: float
    caption: str = ""


def film(frames: Sequence[Frame], columns: int, rows: int) -> str:
    """The whole film, which begins again when it ends."""
    width, height = columns * CELL[0] + 2 * EDGE, (rows + 1) * CELL[1] + 2 * EDGE
    drawn: dict[Line, str] = {}
    shown = []
    for number, frame in enumerate(frames):
        uses = [
            f'<use href="#{drawn.setdefault(line, f"r{len(drawn)}")}" y="{y * CELL[1]}"/>'
            for y, line in enumerate(frame.lines)
            if any(run.text.strip() or run.ground for run in line)
        ]
        if frame.caption:
            caption = row_shapes(frame.caption, 0, CAPTION, bold=True)
            uses.append(f'<g transform="translate(0,{rows * CELL[1] + 6})">{caption}</g>')
        shown.append(f'<g transform="translate({number * width})">{"".join(uses)}</g>')
    rows_ = [f'<g id="{name}">{drawn_line(line)}</g>' for line, name in drawn.items()]
    total = sum(frame.seconds for frame in frames)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">',
            f"<style>#film{{animation:film {total:.2f}s steps(1,end) infinite}}",
            f"@keyframes film{{{keyframes(frames, width, total)}}}</style>",
            f"<defs>{''.join(rows_)}</defs>",
            f'<rect width="100%" height="100%" rx="10" fill="{GROUND}"/>',
            f'<svg x="{EDGE}" y="{EDGE}" width="{width - 2 * EDGE}" height="{height - 2 * EDGE}" '
            f'font-family="{FONT}" font-size="{CELL[0] / 0.602:.2f}"><g id="film">{"".join(shown)}</g></svg>',
            "</svg>\n",
        ]
    )


def keyframes(frames: Iterable[Frame], width: float, total: float) -> str:
    """When each frame is moved into view."""
    found, at = [], 0.0
    for number, frame in enumerate(frames):
        found.append(f"{100 * at / total:.3f}%{{transform:translateX({-number * width}px)}}")
        at += frame.seconds
    return "".join(found)


def drawn_line(line: Line) -> str:
    """A row: grounds, then shapes and letters, each at its cell."""
    grounds, letters, column = [], [], 0
    for run in line:
        wide = len(run.text) * CELL[0]
        if run.ground:
            left = column * CELL[0]
            grounds.append(f'<rect x="{left}" width="{wide}" height="{CELL[1]}" fill="{run.ground}"/>')
        shapes = row_shapes(run.text, column, run.colour, run.bold).replace(f' fill="{run.colour}"', "")
        if shapes:
            letters.append(f'<g fill="{run.colour}">{shapes}</g>')
        column += len(run.text)
    return "".join([*grounds, *letters])


def joined(frames: Iterable[Frame]) -> list[Frame]:
    """Frames of which none looks like the one before it."""
    found: list[Frame] = []
    for frame in frames:
        if found and (found[-1].lines, found[-1].caption) == (frame.lines, frame.caption):
            found[-1] = found[-1]._replace(seconds=found[-1].seconds + frame.seconds)
        else:
            found.append(frame)
    return found

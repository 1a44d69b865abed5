"""From the SVG of a screen to a PNG on a grid of whole pixels.

Fonts seldom fill a cell to its edges, so that frames, curves and faces would show seams: boxes, blocks and braille are
drawn as shapes here, and only letters and signs come from a font of this machine.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from PIL import Image

CELL = (12, 24)  # pixels
SOURCE = (12.2, 24.4)  # of a cell in the SVG that Rich makes
FONTS = "DejaVu Sans Mono"
PLAIN = 40  # colours of a screen without faces, at most
EDGE = 14  # pixels around the screen
GROUND = "#0f1217"
HOW_TO_GET = (
    "pictures need cairosvg and Pillow: pip install cairosvg pillow, apt-get install libcairo2 fonts-dejavu-core"
)

LINES = {
    "─": "lr",
    "│": "ud",
    "┌": "rd",
    "┐": "ld",
    "└": "ru",
    "┘": "lu",
    "├": "udr",
    "┤": "udl",
    "┬": "lrd",
    "┴": "lru",
}
LINES |= {"┼": "lrud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "╴": "l", "╵": "u", "╶": "r", "╷": "d"}
HEAVY = {"━": "lr", "┃": "ud"}
DASHES = {"┄": 3, "┈": 4}
QUARTERS = {"▘": 1, "▝": 2, "▀": 3, "▖": 4, "▌": 5, "▞": 6, "▛": 7, "▗": 8, "▚": 9, "▐": 10, "▜": 11, "▄": 12}
QUARTERS |= {"▙": 13, "▟": 14, "█": 15}
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))  # column, row of braille's bits


class Ink(NamedTuple):
    fill: str
    bold: bool


def flat(svg: str) -> str:
    """The screen in an SVG of `App.export_screenshot`, on whole pixels and without fonts from the web."""
    root = ElementTree.fromstring(svg)
    inks = _inks(svg)
    shapes: list[str] = []
    width = height = 0
    for element in root.iter():
        tag = element.tag.rsplit("}", 1)[-1]
        name = element.get("class", "").rsplit("-", 1)[-1]
        if tag == "rect" and element.get("shape-rendering"):
            x, y = _place(element, 1.5)
            across = round(float(element.get("width", "0")) / SOURCE[0])
            width, height = max(width, x + across), max(height, y + 1)
            shapes.append(_box(x * CELL[0], y * CELL[1], across * CELL[0], CELL[1], element.get("fill", "")))
        elif tag == "text" and name in inks:
            x, y = _place(element, 20)
            text = (element.text or "").rstrip("\n")
            width, height = max(width, x + len(text)), max(height, y + 1)
            shapes += _text(text, x, y, inks[name])
    w, h = width * CELL[0] + 2 * EDGE, height * CELL[1] + 2 * EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        f'<rect width="{w}" height="{h}" rx="10" fill="{GROUND}"/>'
        f'<g transform="translate({EDGE},{EDGE})" font-family="{FONTS}" font-size="{CELL[0] / 0.602:.2f}">'
        f"{''.join(shapes)}</g></svg>"
    )


def png(svg: str) -> bytes:
    """The PNG of a flat SVG. Letters need few shades, so that a screen without faces gets a palette of 256.

    Raises ImportError or OSError where cairosvg, cairo itself or Pillow is not installed.
    """
    import cairosvg  # type: ignore[import-untyped]
    from PIL import Image

    drawn = Image.open(BytesIO(cairosvg.svg2png(bytestring=svg.encode())))
    plain = len(set(re.findall(r'fill="(#\w+)"', svg))) <= PLAIN
    return _packed(drawn.quantize(256, Image.Quantize.FASTOCTREE) if plain else drawn)


def _packed(image: "Image.Image") -> bytes:
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _inks(svg: str) -> dict[str, Ink]:
    found = re.findall(r"\.[\w-]+-(r\d+) \{([^}]*)\}", svg)
    fills = {name: re.search(r"fill: (#\w+)", style) for name, style in found}
    return {name: Ink(fill[1], "bold" in style) for name, style in found if (fill := fills[name])}


def _place(element: ElementTree.Element, above: float) -> tuple[int, int]:
    """Column and row of a shape, whose y lies `above` the top of its row."""
    x, y = float(element.get("x", "0")), float(element.get("y", "0"))
    return round(x / SOURCE[0]), round((y - above) / SOURCE[1])


def _text(text: str, x: int, y: int, ink: Ink) -> Iterator[str]:
    """Shapes for the signs that must meet their neighbours, text for the rest, each letter at its cell."""
    letters = [(at, sign) for at, sign in enumerate(text, x) if sign not in " \xa0"]
    rest: list[tuple[int, str]] = []
    for at, sign in letters:
        if shapes := list(_shape(sign, at * CELL[0], y * CELL[1], ink.fill)):
            yield from shapes
        else:
            rest.append((at, sign))
    if rest:
        xs = " ".join(str(at * CELL[0]) for at, _ in rest)
        weight = ' font-weight="bold"' if ink.bold else ""
        words = escape("".join(sign for _, sign in rest))
        yield f'<text x="{xs}" y="{y * CELL[1] + 18}" fill="{ink.fill}"{weight}>{words}</text>'


def row_shapes(text: str, column: int, fill: str, bold: bool) -> str:
    """A piece of a row as shapes and letters, the row's top at 0."""
    return "".join(_text(text, column, 0, Ink(fill, bold)))


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'


def _shape(sign: str, x: int, y: int, fill: str) -> Iterator[str]:
    """The rectangles, dots and strokes of a box, block or braille sign at these pixels; none for other signs."""
    w, h = CELL
    if sign in LINES or sign in HEAVY:
        yield _strokes(sign, x, y, fill)
    elif sign in DASHES:
        each = w / DASHES[sign]
        yield from (_box(x + each * (i + 0.2), y + h // 2 - 1, each * 0.6, 2, fill) for i in range(DASHES[sign]))
    elif sign in QUARTERS:
        yield from _quarters(QUARTERS[sign], x, y, fill)
    elif "▁" <= sign <= "▇":
        part = h * (ord(sign) - ord("▀")) / 8
        yield _box(x, y + h - part, w, part, fill)
    elif "▉" <= sign <= "▏":
        yield _box(x, y, w * (ord("▐") - ord(sign)) / 8, h, fill)
    elif sign == "▔":
        yield _box(x, y, w, h / 8, fill)
    elif "⠀" <= sign <= "⣿":
        bits = ord(sign) - ord("⠀")
        for bit, (column, line) in enumerate(DOTS):
            if bits >> bit & 1:
                yield f'<circle cx="{x + 3 + 6 * column}" cy="{y + 3 + 6 * line}" r="1.9" fill="{fill}"/>'


def _quarters(which: int, x: int, y: int, fill: str) -> Iterator[str]:
    """Halves in one piece: a seam between quarters would show."""
    w, h = CELL[0] // 2, CELL[1] // 2
    for top, row in ((0, which & 3), (h, which >> 2)):
        if row:
            yield _box(x + (w if row == 2 else 0), y + top, 2 * w if row == 3 else w, h, fill)


def _strokes(sign: str, x: int, y: int, fill: str) -> str:
    """Lines from the middle of the cell to its edges; a rounded corner is a curve between two."""
    w, h = CELL
    middle, centre = y + h // 2, x + w // 2
    ends = {"l": (x, middle), "r": (x + w, middle), "u": (centre, y), "d": (centre, y + h)}
    sides = [ends[side] for side in (LINES.get(sign) or HEAVY[sign])]
    if sign in "╭╮╰╯":
        path = "M{} {} Q{} {} {} {}".format(*sides[0], centre, middle, *sides[1])
    else:
        path = " ".join(f"M{centre} {middle}L{a} {b}" for a, b in sides)
    return f'<path d="{path}" fill="none" stroke="{fill}" stroke-width="{4 if sign in HEAVY else 2}"/>'

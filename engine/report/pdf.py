"""The report as PDF, made of report.md and the curve as a drawing; and the curve alone, for LaTeX.

The same run gives the same bytes: a PDF here has no date, and its fonts come with Matplotlib.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from engine.report.markdown import report_md
from engine.report.picture import INK, SIZE, draw, private_matplotlib
from engine.report.plot import Plot, plot_of
from engine.report.run_record import RunRecord

PAGE = (8.27, 11.69)  # inches, A4
MARGIN = 0.75  # inches on every side
BODY, SMALL, LEAST = 9.5, 8.0, 4.5  # points: of text, and of tables at most and at least
HEADINGS = {"#": 15.0, "##": 11.5, "###": 10.0}
LEADING = 1.35  # of the size of the letters
GAP = 7.0  # points between two paragraphs
COLUMN_GAP = 9.0  # points between two columns of a table
FIGURE = 4.0  # inches that the curve is high
DIGITS = 16  # of a checksum in a table
FAINT = "#8a8a8a"
NO_DATE = {"CreationDate": None, "ModDate": None}


class Block(NamedTuple):
    """A piece of a Markdown page: `kind` is "heading", "text", "bold", "item", "table" or "picture"."""

    kind: str
    text: str = ""
    size: float = BODY
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[bool, ...] = ()  # for each column of a table, whether it holds numbers


def curve_pdf(record: RunRecord) -> bytes:
    """The curve of a run as a drawing of its own."""
    with drawing() as matplotlib:
        figure = matplotlib.figure.Figure(SIZE)
        draw(figure, plot_of(record))
        return saved(figure)


def report_pdf(record: RunRecord) -> bytes:
    """The report of a run on pages of A4, as report.md has it."""
    with drawing() as matplotlib:
        from matplotlib.backends.backend_pdf import PdfPages

        data = io.BytesIO()
        with PdfPages(data, metadata=NO_DATE) as pages:
            page = Pages(matplotlib, pages)
            for block in blocks(report_md(record).decode()):
                page.put(block, plot_of(record))
            page.end()
        return data.getvalue()


@contextmanager
def drawing() -> Iterator[Any]:
    """Matplotlib with its own defaults, whatever the user has configured, and fonts that other programs can edit."""
    with private_matplotlib() as matplotlib, warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        matplotlib.rcdefaults()
        matplotlib.rcParams["pdf.fonttype"] = 42
        yield matplotlib


def saved(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="pdf", metadata=NO_DATE)
    return data.getvalue()


# --- Markdown, as far as the report uses it ---


def blocks(text: str) -> list[Block]:
    """The pieces of a Markdown page, in order."""
    found: list[Block] = []
    for part in re.split(r"\n\n+", text.strip()):
        found += _blocks_of(part)
    return found


def _blocks_of(part: str) -> list[Block]:
    lines = part.splitlines()
    if match := re.match(r"(#+) (.*)", part):
        return [Block("heading", plain(match[2]), HEADINGS.get(match[1], BODY))]
    if part.startswith("!["):
        return [Block("picture", plain(re.sub(r"!\[(.*)\]\(.*\)", r"\1", part)))]
    if part.startswith("|"):
        rows = tuple(tuple(short(plain(cell)) for cell in cells(line)) for line in lines)
        return [Block("table", "", SMALL, rows[:1] + rows[2:], tuple(cell.endswith(":") for cell in rows[1]))]
    if part.startswith("* "):
        items = re.split(r"\n(?=\* )", part)
        return [Block("item", plain(" ".join(item[2:].split()))) for item in items]
    words = " ".join(part.split())
    bold = words.startswith("**") and words.endswith("**") and words.count("**") == 2
    return [Block("bold" if bold else "text", plain(words))]


def cells(line: str) -> list[str]:
    """The cells of a line of a table; an escaped bar is none."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def short(text: str) -> str:
    """A cell; of a checksum, which report.md has in full, only the beginning."""
    return f"{text[:DIGITS]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text


def plain(text: str) -> str:
    """What a reader sees of Markdown: without its marks, and with what was escaped as it is."""
    text = re.sub(r"(`+) ?(.+?) ?\1", lambda found: found[2].replace("\\|", "|").replace("*", "\\*"), text)
    text = re.sub(r"(?<!\\)\*\*?", "", text)
    text = re.sub(r"(?<!\\)\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\\([^\w\s])", r"\1", text)


# --- pages ---


class Pages:
    """Puts one block under the other, and begins a page where one is full. Lengths are in points from the top left."""

    def __init__(self, matplotlib: Any, pages: Any) -> None:
        self.matplotlib, self.pages = matplotlib, pages
        self.figure: Any = None
        self.width, self.height = (72 * (side - 2 * MARGIN) for side in PAGE)
        self.number = 0
        self.down = 0.0
        self.begin()

    def begin(self) -> None:
        """A new page with its number."""
        self.figure = self.matplotlib.figure.Figure(PAGE)
        self.number += 1
        self.down = 0.0
        self.figure.text(0.5, 0.4 / PAGE[1], str(self.number), size=8, color=FAINT, ha="center")

    def end(self) -> None:
        self.pages.savefig(self.figure)

    def room(self, need: float) -> None:
        """Begin a page where `need` points do not fit on this one any more."""
        if self.down and self.down + need > self.height:
            self.end()
            self.begin()

    def put(self, block: Block, plot: Plot) -> None:
        if block.kind == "table":
            self.table(block)
        elif block.kind == "picture":
            self.picture(plot, block.text)
        else:
            self.paragraph(block)

    def paragraph(self, block: Block) -> None:
        heading, item = block.kind == "heading", block.kind == "item"
        weight = "bold" if block.kind in ("heading", "bold") else "normal"
        indent = 10.0 if item else 0.0
        lines = self.folded(block.text, block.size, self.width - indent, weight)
        step = block.size * LEADING
        if heading:
            self.down += GAP if self.down else 0.0
            self.room(step + 5 * BODY * LEADING)
        for at, line in enumerate(lines):
            self.room(step)
            if item and not at:
                self.text(0.0, "•", block.size, weight)
            self.text(indent, line, block.size, weight)
            self.down += step
        self.down += GAP / 2 if heading or item else GAP

    def table(self, block: Block) -> None:
        """A table between lines, in letters as large as its width allows; its head again on every page."""
        size = next((size for size in _sizes() if sum(self.widths(block, size)) <= self.width), LEAST)
        widths, step = self.widths(block, size), size * LEADING + 1.5
        head, *body = block.rows
        self.room(3 * step)
        self.head(head, block, size, widths, step)
        for row in body:
            if self.down + step > self.height:
                self.rule()
                self.end()
                self.begin()
                self.head(head, block, size, widths, step)
            self.row(row, block, size, widths)
            self.down += step
        self.rule()
        self.down += GAP + 2

    def head(self, head: Sequence[str], block: Block, size: float, widths: Sequence[float], step: float) -> None:
        self.rule(0.8)
        self.row(head, block, size, widths, "bold")
        self.down += step
        self.rule()
        self.down += 1.5

    def row(
        self, row: Sequence[str], block: Block, size: float, widths: Sequence[float], weight: str = "normal"
    ) -> None:
        left = 0.0
        for text, number, width in zip(row, block.numbers, widths, strict=True):
            at = left + width - COLUMN_GAP if number else left
            self.text(at, text, size, weight, "right" if number else "left", 1.5)
            left += width

    def rule(self, thick: float = 0.5) -> None:
        y = self.y(self.down)
        ends = [MARGIN / PAGE[0], 1 - MARGIN / PAGE[0]]
        line = self.matplotlib.lines.Line2D(ends, [y, y], color=INK, linewidth=thick, transform=self.figure.transFigure)
        self.figure.add_artist(line)

    def picture(self, plot: Plot, caption: str) -> None:
        """The curve as a drawing, over the whole width, and under it what it shows."""
        self.room(72 * FIGURE + 3 * BODY * LEADING)
        part = _Part(self.figure, MARGIN / PAGE[0], self.y(self.down + 72 * FIGURE), 1 - 2 * MARGIN / PAGE[0],
                     FIGURE / PAGE[1])  # fmt: skip
        draw(part, plot)
        self.down += 72 * FIGURE + 4
        self.paragraph(Block("text", caption, SMALL))

    def text(self, x: float, text: str, size: float, weight: str, align: str = "left", below: float = 0.0) -> None:
        at = MARGIN / PAGE[0] + x / (72 * PAGE[0])
        self.figure.text(
            at, self.y(self.down + below), text, size=size, weight=weight, color=INK, ha=align, va="top",
            parse_math=False,
        )  # fmt: skip

    def y(self, down: float) -> float:
        """Points from the top margin as a share of the page from its foot."""
        return 1 - (MARGIN + down / 72) / PAGE[1]

    # --- measures ---

    def width_of(self, text: str, size: float, weight: str = "normal") -> float:
        """Points that a text is wide."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size, weight=weight), False)
        return float(width)

    def widths(self, block: Block, size: float) -> list[float]:
        """Points for each column of a table, with the gap behind it."""
        head, *body = block.rows
        found = []
        for at in range(len(head)):
            longest = max((row[at] for row in body), key=len, default="")
            text = max(self.width_of(head[at], size, "bold"), self.width_of(longest, size))
            found.append(text + COLUMN_GAP)
        return found

    def folded(self, text: str, size: float, width: float, weight: str) -> list[str]:
        """Text in lines of at most `width` points; a word that is longer has a line of its own."""
        lines, line = [], ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if line and self.width_of(longer, size, weight) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        return [*lines, line]


class _Part:
    """A rectangle of a page that a picture is drawn into as if it were the whole figure."""

    def __init__(self, figure: Any, left: float, bottom: float, width: float, height: float) -> None:
        self.figure, self.left, self.bottom, self.width, self.height = figure, left, bottom, width, height

    def add_axes(self, place: tuple[float, float, float, float]) -> Any:
        left, bottom, width, height = place
        return self.figure.add_axes(
            (
                self.left + left * self.width,
                self.bottom + bottom * self.height,
                width * self.width,
                height * self.height,
            )
        )


def _sizes() -> Iterator[float]:
    """Sizes of letters for a table, the largest first."""
    size = SMALL
    while size >= LEAST:
        yield size
        size -= 0.25

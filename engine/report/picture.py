"""Draw curve.png; `serve` is what the painter's process runs."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from engine.report.plot import Curve, Mark, Picture, Plot, Roc, Tradeoff, Tuned
from engine.report.roc import draw_roc
from engine.report.tradeoff import draw_tradeoff

SIZE, DPI = (8.0, 5.0), 150  # inches, pixels per inch
INK, FAINT, GRID = "#222222", "#8a8a8a", "#e6e6e6"
MARKERS = 20  # on a curve, or a few more
CHARACTER = 0.0092  # width of one in a mark's name, as a share of the axes
NICE = 5  # the import shall not slow down what the engine does meanwhile


@dataclass(frozen=True, slots=True)
class Style:
    """How a curve is drawn. B′ is wide and light, G thin and dark on top of it: mostly they run together."""

    label: str
    colour: str
    line: Any  # as matplotlib names or spells it
    width: float
    marker: str


# a light blue and a darker orange: apart to colour-blind eyes, and as greys on paper
BLUE, ORANGE, DARK_BLUE, DARK_RED = "#56b4e9", "#dd6b12", "#06304f", "#2b0500"
STYLES = {
    "valid": Style("B′ clean validation accuracy", BLUE, "-", 3.2, "o"),
    "test": Style("B′ clean test accuracy", BLUE, "-", 3.2, "o"),
    "poisoned": Style("B′ attack success rate (poisoned test)", ORANGE, "-", 3.2, "s"),
    "g_test": Style("G clean test accuracy", DARK_BLUE, "--", 1.3, ""),
    "g_poisoned": Style("G attack success rate (poisoned test)", DARK_RED, (0, (1, 1.2)), 1.5, ""),
}


def png(plot: Picture) -> bytes:
    """The picture; the same plot gives the same bytes on the same machine, whatever the user has configured."""
    with private_matplotlib() as matplotlib, warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        matplotlib.rcdefaults()
        figure = matplotlib.figure.Figure(SIZE, DPI)
        if isinstance(plot, Tradeoff):
            draw_tradeoff(figure, plot)
        elif isinstance(plot, Roc):
            draw_roc(figure, plot)
        else:
            draw(figure, plot)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


@contextmanager
def private_matplotlib() -> Iterator[Any]:
    """Matplotlib that neither reads nor writes anything of the user's, looks at its own fonts only, and is silent."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells when looking at fonts takes long
    before = dict(os.environ)
    with TemporaryDirectory(prefix="lab3-picture-") as folder:
        os.environ |= {"MPLCONFIGDIR": folder, "MPLBACKEND": "agg", "MPL_IGNORE_SYSTEM_FONTS": "1"}
        try:
            import matplotlib.backends.backend_agg
            import matplotlib.figure

            yield matplotlib
        finally:
            for name in ("MPLCONFIGDIR", "MPLBACKEND", "MPL_IGNORE_SYSTEM_FONTS"):
                del os.environ[name]
            os.environ |= before


def draw(figure: Any, plot: Plot) -> None:
    axes = figure.add_axes((0.085, 0.205, 0.885, 0.665))
    axes.set_title(plot.title, loc="left", color=INK, fontsize=12, pad=28, parse_math=False)
    for curve in plot.curves:
        draw_curve(axes, curve, plot.channels)
    for mark, row in zip(plot.marks, rows(plot.marks, plot.channels), strict=True):
        draw_mark(axes, mark, row, plot.channels)
    for place, tuned in enumerate(plot.tuned):
        draw_tuned(axes, tuned, plot.channels, named=place == 0)
    frame(axes, plot.channels)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, fontsize=9, handlelength=3)


def draw_curve(axes: Any, curve: Curve, channels: int) -> None:
    """Percent over the fraction pruned. Markers of curves that run side by side take turns."""
    style, steps = STYLES[curve.column], curve.steps
    apart = max(1, len(steps) // MARKERS)
    if curve.low:
        places = [step / channels for step in steps]
        axes.fill_between(places, curve.low, curve.high, color=style.colour, alpha=0.25, linewidth=0, zorder=2)
    axes.plot(
        [step / channels for step in steps],
        curve.values,
        linestyle=style.line,
        color=style.colour,
        linewidth=style.width,
        label=style.label,
        marker=style.marker or ("." if len(steps) == 1 else None),
        markersize=6,
        markerfacecolor="white",
        markeredgewidth=1.6,
        markevery=(apart // 2 if style.marker == "s" else 0, apart),
        zorder=4 if curve.column.startswith("g_") else 3,
        clip_on=False,
    )


def draw_tuned(axes: Any, tuned: Tuned, channels: int, named: bool) -> None:
    """B″ as stars above the step it was tuned from, its G as small crosses; in the colours of B′ and G."""
    names = {"test": "B″ (fine-tuned): clean test, ASR", "g_test": "G of B and B″: clean test, ASR"}
    for column, value in tuned.rates.items():
        own = column.startswith("g_")
        axes.plot(
            [tuned.step / channels],
            [value],
            linestyle="",
            marker="x" if own else "*",
            markersize=7 if own else 13,
            color=STYLES[column].colour,
            markeredgecolor=STYLES[column].colour if own else INK,
            markeredgewidth=1.5 if own else 0.8,
            label=names.get(column) if named else None,
            zorder=6,
            clip_on=False,
        )


def draw_mark(axes: Any, mark: Mark, row: int, channels: int) -> None:
    """A dotted line where a threshold is reached, with its name above."""
    at = mark.step / channels
    axes.axvline(at, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate(
        mark.text,
        (at, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3 + 10 * row),
        textcoords="offset points",
        horizontalalignment="center",
        fontsize=8,
        color=INK,
    )


def rows(marks: tuple[Mark, ...], channels: int) -> list[int]:
    """How high above the axes each mark's name goes: the lowest of three rows where it has room, or most of it."""
    ends = [-1.0] * 3
    found = []
    for mark in marks:
        half = CHARACTER * (len(mark.text) + 1) / 2
        left, right = mark.step / channels - half, mark.step / channels + half
        row = next((row for row, end in enumerate(ends) if end <= left), ends.index(min(ends)))
        ends[row] = right
        found.append(row)
    return found


def frame(axes: Any, channels: int) -> None:
    """Axes in percent and in the fraction pruned."""
    axes.set_xlim(0, 1)
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20), [f"{value} %" for value in range(0, 101, 20)])
    axes.set_xticks([tenth / 10 for tenth in range(11)], [f"{tenth / 10:g}" for tenth in range(11)])
    axes.set_xlabel(f"fraction of the {channels} channels pruned", color=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, color=FAINT, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def serve() -> None:
    """Get matplotlib ready, wait for a plot as JSON on stdin, write its picture to stdout.

    No plot means that nobody wants a picture any more.
    """
    os.nice(NICE)
    png(Plot("", 1, (Curve("test", (100.0, 0.0), (0, 1)),), ()))  # the first picture takes long, whatever it shows
    if asked := sys.stdin.buffer.read():
        sys.stdout.buffer.write(png(msgspec.json.decode(asked, type=Picture)))

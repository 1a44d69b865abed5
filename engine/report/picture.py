"""curve.png: clean test accuracy and attack success rate of B' and of G over the fraction of channels pruned."""

import io
from dataclasses import dataclass
from typing import Any

from engine.report.figures import rate
from engine.report.record import RunRecord

# told apart by colour-blind eyes too; G's lines are dark and thin, to be seen on those of B'
CLEAN, G_CLEAN, ATTACK, G_ATTACK = "#5aa9dd", "#08335a", "#f28e4b", "#7a2500"
INK, FAINT = "#222222", "#8a8a8a"
SIZE, DPI = (8.0, 5.0), 150  # inches, pixels per inch


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of the picture: a column of Counts, and how it is drawn."""

    column: str
    label: str
    colour: str
    style: str
    width: float


LINES = (
    Line("test", "B′ clean test accuracy", CLEAN, "-", 3.0),
    Line("g_test", "G clean test accuracy", G_CLEAN, "--", 1.3),
    Line("poisoned", "B′ attack success rate (poisoned test)", ATTACK, "-", 3.0),
    Line("g_poisoned", "G attack success rate (poisoned test)", G_ATTACK, "--", 1.3),
)
# what stands in where there is no clean test set
WITHOUT_TEST = Line("valid", "B′ clean validation accuracy", CLEAN, "-", 3.0)


def curve_png(record: RunRecord) -> bytes:
    """The picture as PNG; the same record gives the same bytes on the same machine."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc changes nothing
        matplotlib.rcParams["font.size"] = 10
        figure = Figure(SIZE, DPI, layout=None)
        FigureCanvasAgg(figure)
        draw(figure, record)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def draw(figure: Any, record: RunRecord) -> None:
    axes = figure.add_axes((0.085, 0.2, 0.89, 0.7))
    axes.set_title(f"Pruning {record.opened.layer} of {record.opened.model.name}", loc="left", color=INK, pad=20)
    axes.set_title(axes.get_title("left"), loc="left", parse_math=False)
    fractions = [record.fraction(step) for step in range(len(record.steps))]
    for line in lines(record):
        values = [rate(record, counts, line.column) for counts in record.steps]
        marker = "o" if len(values) == 1 else None
        axes.plot(
            fractions,
            values,
            line.style,
            color=line.colour,
            lw=line.width,
            label=line.label,
            marker=marker,
            zorder=4 if line.style == "--" else 3,
        )
    mark_thresholds(axes, record)
    frame(axes, record)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, fontsize=9, handlelength=2.6)


def lines(record: RunRecord) -> list[Line]:
    """The curves whose sets are there."""
    found = [line for line in LINES if rate(record, record.steps[0], line.column) is not None]
    return found if any(line.column == "test" for line in found) else [WITHOUT_TEST, *found]


def mark_thresholds(axes: Any, record: RunRecord) -> None:
    """A vertical line where each threshold is reached, its name above; names of one step share a place."""
    names: dict[int, list[str]] = {}
    for threshold in record.thresholds:
        if (step := record.first_reached(threshold)) is not None:
            names.setdefault(step, []).append(f"−{threshold}")
    last = None
    row = 0
    for step in sorted(names):
        at = record.fraction(step)
        crowded = last is not None and at - last < 0.045
        row = (row + 1) % 2 if crowded else 0
        text = ", ".join(names[step]) + " pt"
        axes.axvline(at, color=FAINT, lw=0.9, ls=":", zorder=1)
        axes.annotate(
            text, (at, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 10 * row),
            textcoords="offset points", ha="center", va="bottom", fontsize=8, color="#555555",
        )  # fmt: skip
        last = at


def frame(axes: Any, record: RunRecord) -> None:
    """Axes in percent, with the number of channels said below."""
    axes.set_xlim(0, 1)
    axes.set_ylim(-1.5, 102)
    axes.set_yticks(range(0, 101, 20), [f"{value} %" for value in range(0, 101, 20)])
    axes.set_xticks([tenth / 10 for tenth in range(11)], [f"{tenth / 10:g}" for tenth in range(11)])
    axes.set_xlabel(f"fraction of the {record.opened.channels} channels pruned", color=INK)
    axes.grid(axis="y", color="#e6e6e6", lw=0.8, zorder=0)
    axes.tick_params(length=3, color=FAINT, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)

"""Draw roc.png: poisoned images flagged over clean images flagged, one line a detector."""

from typing import Any

from engine.report.plot import Roc

INK, FAINT, GRID = "#222222", "#8a8a8a", "#e6e6e6"
STYLES = (("#0072b2", "-"), ("#e69f00", "--"), ("#009e73", "-."), ("#d55e00", ":"))  # Okabe and Ito


def draw_roc(figure: Any, plot: Roc) -> None:
    axes = figure.add_axes((0.25, 0.115, 0.5, 0.8))
    axes.set_title(plot.title, loc="left", color=INK, fontsize=12, pad=10, parse_math=False)
    axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)), label="chance")
    for curve, (colour, line) in zip(plot.curves, STYLES, strict=False):
        x, y = zip(*((100 * alarms, 100 * hits) for alarms, hits in curve.points), strict=True)
        label = f"{curve.name}, area {curve.area:.3f}"
        axes.plot(x, y, color=colour, linestyle=line, linewidth=1.8, label=label, drawstyle="steps-post")
    axes.set_xlim(-1, 101)
    axes.set_ylim(-1, 101)
    axes.set_xlabel("clean test images flagged (percent)", color=INK)
    axes.set_ylabel("poisoned test images flagged (percent)", color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, color=FAINT, labelcolor=INK)
    axes.legend(loc="lower right", frameon=False, fontsize=9)

"""Draw orders.png: what an attack success rate costs in clean accuracy, one line an order."""

from typing import Any

from engine.report.plot import Path, Tradeoff

INK, FAINT, GRID = "#222222", "#8a8a8a", "#e6e6e6"
# apart to colour-blind eyes (Okabe and Ito), then again with other marks
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#777777", "#000000")
MARKS = ("o", "s", "^", "D")


def draw_tradeoff(figure: Any, plot: Tradeoff) -> None:
    axes = figure.add_axes((0.115, 0.255, 0.86, 0.66))
    axes.set_title(plot.title, loc="left", color=INK, fontsize=12, pad=10, parse_math=False)
    if plot.band:
        drops, low, high = zip(*plot.band, strict=True)
        axes.fill_between(drops, low, high, step="post", color=GRID, label="random orders", linewidth=0, zorder=0)
    looks = {path.name: (COLOURS[at % 8], MARKS[at // 8 % 4]) for at, path in enumerate(plot.paths)}
    for path in plot.paths:
        draw_path(axes, path, *looks[path.name])
    for name, x, y in plot.chosen:
        axes.plot(
            [x], [y], "*", markersize=14, color=looks[name][0], markeredgecolor=INK, label=f"{name}, published set"
        )
    frame(axes, plot.attack)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=5, frameon=False, fontsize=8.5)


def draw_path(axes: Any, path: Path, colour: str, mark: str) -> None:
    """An order; oracles are dashed."""
    axes.plot(
        *zip(*path.points, strict=True),
        linestyle="--" if path.oracle else "-",
        color=colour,
        marker=mark,
        markersize=3,
        linewidth=1.4,
        label=f"{path.name} (ORACLE)" if path.oracle else path.name,
    )


def frame(axes: Any, attack: bool) -> None:
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20), [f"{value} %" for value in range(0, 101, 20)])
    if attack:
        axes.set_xlabel("drop of clean validation accuracy (points)", color=INK)
        axes.set_ylabel("attack success rate (poisoned test)", color=INK)
    else:
        axes.set_xlabel("channels pruned (percent)", color=INK)
        axes.set_ylabel("clean validation accuracy", color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, color=FAINT, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)

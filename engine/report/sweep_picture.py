"""Draw sweep.png: for each network of a sweep what an attack success rate costs in clean accuracy, one line a run."""

import io
import math
import sys
import warnings
from typing import Any

import msgspec

from engine.api.sweep_picture import SweepPanel, SweepPicture
from engine.report.orders import BAND, band_of
from engine.report.picture import private_matplotlib
from engine.report.plot import Path
from engine.report.tradeoff import COLOURS, GRID, INK, MARKS, draw_path, frame

WIDTH, AXES, DPI = 6.0, (0.8, 5.0, 2.6), 110  # inches: a panel; left end, width and height of its axes
TITLE, LABELS, NAMES = 0.45, 0.65, 0.2  # inches above the axes, below them, and for a row of names
ACROSS = 3  # panels in a row
MOST = 36  # panels that are drawn; what a picture of more would need, no screen has
LEGEND, COLUMNS = 12, 3  # names below a panel, and side by side


def sweep_png(picture: SweepPicture) -> bytes:
    """The picture, whatever the user has configured."""
    panels = picture.panels[:MOST] or (SweepPanel("no run is done yet", True, ()),)
    across = min(ACROSS, len(panels))
    rows = max(math.ceil(min(len(panel.paths), LEGEND) / COLUMNS) for panel in panels)
    height = TITLE + AXES[2] + LABELS + NAMES * rows
    size = (WIDTH * across, height * math.ceil(len(panels) / across))
    with private_matplotlib() as matplotlib, warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        matplotlib.rcdefaults()
        figure = matplotlib.figure.Figure(size, DPI)
        for at, panel in enumerate(panels):
            row, column = divmod(at, across)
            left, top = WIDTH * column + AXES[0], size[1] - height * row - TITLE
            place = (left / size[0], (top - AXES[2]) / size[1], AXES[1] / size[0], AXES[2] / size[1])
            draw_panel(figure, panel, place)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", metadata={"Software": None})
    return drawn.getvalue()


def draw_panel(figure: Any, panel: SweepPanel, place: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(place)
    axes.set_title(panel.title, loc="left", color=INK, fontsize=11, pad=8, parse_math=False)
    banded = {path.band for path in panel.paths if path.band and count(panel, path.band) >= BAND and panel.attack}
    for band in sorted(banded):
        of_band = [Path(path.name, path.oracle, path.points) for path in panel.paths if path.band == band]
        drops, low, high = zip(*band_of(of_band), strict=True)
        axes.fill_between(drops, low, high, step="post", color=GRID, label=band, linewidth=0, zorder=0)
    alone = [path for path in panel.paths if path.band not in banded]
    for at, path in enumerate(alone):
        drawn = Path(path.name if at < LEGEND else f"_{path.name}", path.oracle, path.points)
        draw_path(axes, drawn, COLOURS[at % 8], MARKS[at // 8 % 4])
    frame(axes, panel.attack)
    if panel.paths:
        axes.legend(loc="upper center", bbox_to_anchor=(0.47, -0.17), ncols=COLUMNS, frameon=False, fontsize=8)


def count(panel: SweepPanel, band: str) -> int:
    return sum(path.band == band for path in panel.paths)


def serve() -> None:
    """A picture as JSON on stdin, as PNG on stdout."""
    sys.stdout.buffer.write(sweep_png(msgspec.json.decode(sys.stdin.buffer.read(), type=SweepPicture)))

"""The charts of the screen *orders*: what an attack success rate costs in accuracy, and the curves over steps."""

from collections.abc import Mapping, Sequence

from engine.api import protocol as p
from engine.api.orders import method_of
from tui.model.orders_view import OrderLine
from tui.widgets.curves import Range
from tui.widgets.path_chart import Path, PathChart, Point, band_of

SPANS = (50, 100, 20, 10, 5)  # points of accuracy that a zoom level shows
Images = Mapping[p.SetName, int]


def tradeoff(lines: Sequence[OrderLine], chosen: OrderLine | None, images: Images, span: int, u_set: int) -> PathChart:
    """ASR over the drop of clean validation accuracy, a path an order; the highlighted one over the others.

    `u_set`: how many channels CLP prunes as a set; its point is marked.
    """
    paths = [
        Path(_ink(line, line is chosen), points(curve, images), _label(line), line.oracle, _stars(line, images, u_set))
        for line in _last(lines, chosen)
        for curve in line.curves
        if not line.band and curve[0].poisoned is not None
    ]
    band = next((line for line in lines if line.band), None)
    edges = band_of(points(curve, images) for curve in band.curves) if band else ()
    return PathChart(tuple(paths), Range(0, span), Range(0, 100), edges, " pt", "k" if band is chosen else "l")


def points(curve: Sequence[p.Counts], images: Images) -> tuple[Point, ...]:
    """A point a step: the drop, no less than 0, and ASR."""
    valid, poisoned = images["valid"], images.get("poisoned", 0)
    return tuple(
        (max(0.0, p.drop(curve[0].valid, at.valid, valid)), p.percent(at.poisoned or 0, poisoned)) for at in curve
    )


def _stars(line: OrderLine, images: Images, u_set: int) -> tuple[Point, ...]:
    clp = line.figures and not line.run and not line.band and method_of(line.name).name == "clp"
    return (points(line.curves[0], images)[u_set],) if clp and u_set else ()


def curves(lines: Sequence[OrderLine], chosen: OrderLine | None, images: Images) -> PathChart:
    """Clean validation accuracy, and ASR dashed, over the channels pruned; grey but for the highlighted order."""
    steps = max((len(curve) - 1 for line in lines for curve in line.curves), default=1)
    paths: list[Path] = []
    for line in _last(lines, chosen):
        bright = line is chosen
        for curve in line.curves[:1]:
            valid = tuple((float(step), p.percent(at.valid, images["valid"])) for step, at in enumerate(curve))
            paths.append(Path("v" if bright else "l", valid, "valid acc" if bright else ""))
            if (poisoned := images.get("poisoned")) and curve[0].poisoned is not None:
                asr = tuple((float(step), p.percent(at.poisoned or 0, poisoned)) for step, at in enumerate(curve))
                paths.append(Path("a" if bright else "l", asr, "ASR" if bright else "", dashed=True))
    return PathChart(tuple(paths), Range(0, max(1, steps)), Range(0, 100))


def _last(lines: Sequence[OrderLine], chosen: OrderLine | None) -> list[OrderLine]:
    """The lines with the highlighted one last, since what is drawn last hides what it meets."""
    return [line for line in lines if line is not chosen] + ([chosen] if chosen else [])


def _ink(line: OrderLine, bright: bool) -> str:
    return "k" if bright else "g" if line.run else "a" if line.oracle else "v"


def _label(line: OrderLine) -> str:
    name = f"{line.name} @{line.run}" if line.run else line.name
    return f"{name} ORACLE" if line.oracle else name

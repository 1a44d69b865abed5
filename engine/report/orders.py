"""orders.csv, and what orders.png shows: every order that was compared."""

from dataclasses import replace

from engine.api import protocol as p
from engine.api.orders import method_of
from engine.report.csv_table import csv_text
from engine.report.curve import COLUMNS, figures_row
from engine.report.plot import Path, Tradeoff
from engine.report.run_record import RunRecord

BAND = 3  # so many random orders are drawn as a band


def orders_csv(record: RunRecord) -> bytes:
    """The columns of curve.csv for each order, a row a step, behind its name and what it looks at."""
    rows = (
        [at.name, at.looks_at, *figures_row(replace(record, order=at.order, steps=at.steps), step, counts)]
        for at in record.compared
        for step, counts in enumerate(at.steps)
    )
    return csv_text(("order", "looks_at", *COLUMNS), rows)


def tradeoff_of(record: RunRecord) -> Tradeoff:
    """The picture: clean validation accuracy's drop against ASR; without poisoned images accuracy along each order."""
    attack = "poisoned" in record.opened.sets
    drawn = [Path(at.name, at.looks_at == "poisoned", points(record, at.steps, attack)) for at in record.compared]
    random = [path for path in drawn if method_of(path.name).name == "random"]
    band = random if attack and len(random) >= BAND else []
    chosen = [
        (at.name, *point(record, len(at.chosen), at.chosen_counts, attack))
        for at in record.compared
        if at.chosen and at.chosen_counts
    ]
    title = f"Orders of {record.opened.layer} of {record.opened.model.name}"
    paths = tuple(path for path in drawn if path not in band)
    return Tradeoff(title, attack, paths, band_of(band), tuple(chosen))


def points(record: RunRecord, steps: tuple[p.Counts, ...], attack: bool) -> tuple[tuple[float, float], ...]:
    return tuple(point(record, step, counts, attack) for step, counts in enumerate(steps))


def point(record: RunRecord, step: int, counts: p.Counts, attack: bool) -> tuple[float, float]:
    if not attack:
        return 100 * record.fraction(step), p.percent(counts.valid, record.images("valid") or 0)
    return record.drop(counts), p.percent(counts.poisoned or 0, record.images("poisoned") or 0)


def band_of(paths: list[Path]) -> tuple[tuple[float, float, float], ...]:
    """At each drop the lowest and the highest ASR that these orders leave to whoever pays no more than that."""
    drops = sorted({x for path in paths for x, _ in path.points if x >= 0})
    left = [[min(y for x, y in path.points if x <= limit) for path in paths] for limit in drops]
    return tuple((x, min(rates), max(rates)) for x, rates in zip(drops, left, strict=True))

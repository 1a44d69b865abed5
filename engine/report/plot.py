"""What the picture of a curve shows, as plain numbers that can be handed to another process."""

import msgspec

from engine.api.statistics import wilson
from engine.report.figures import SET_OF, as_counts, rate
from engine.report.run_record import RunRecord

# columns of Counts, in the order in which they are drawn
COLUMNS = ("test", "poisoned", "g_test", "g_poisoned")


class Curve(msgspec.Struct, frozen=True):
    """Percent at each known step. `column`: the one of Counts that it comes from. `low`, `high`: its 95 % intervals,
    where they are drawn."""

    column: str
    values: tuple[float, ...]
    steps: tuple[int, ...]  # that the values are of
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """Thresholds that are reached at `step`."""

    step: int
    text: str


class Tuned(msgspec.Struct, frozen=True):
    """A B″ tuned from `step`, in percent by column of Counts."""

    step: int
    rates: dict[str, float]


class Plot(msgspec.Struct, frozen=True, tag="curve"):
    """A picture to be drawn. Step k lies at k/channels."""

    title: str
    channels: int
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...]
    tuned: tuple[Tuned, ...] = ()


class Path(msgspec.Struct, frozen=True):
    """An order on the trade-off: a point (x, y) a step. `oracle`: it looks at poisoned images."""

    name: str
    oracle: bool
    points: tuple[tuple[float, float], ...]


class Tradeoff(msgspec.Struct, frozen=True, tag="tradeoff"):
    """What an attack success rate costs in clean accuracy, one path an order; `band`: low and high of random orders.

    `chosen`: the points of the sets that methods prune as they were published. Without poisoned images, `attack` is
    false and y is clean validation accuracy over the percent of channels pruned.
    """

    title: str
    attack: bool
    paths: tuple[Path, ...]
    band: tuple[tuple[float, float, float], ...] = ()  # x, low, high
    chosen: tuple[tuple[str, float, float], ...] = ()  # order, x, y


class RocCurve(msgspec.Struct, frozen=True):
    """A detector: false alarm rate and detection rate at each threshold, as fractions, and the area under them."""

    name: str
    area: float
    points: tuple[tuple[float, float], ...]


class Roc(msgspec.Struct, frozen=True, tag="roc"):
    """How well detectors tell poisoned test images from clean ones."""

    title: str
    curves: tuple[RocCurve, ...]


Picture = Plot | Tradeoff | Roc


def plot_of(record: RunRecord) -> Plot:
    """The picture of a run: the curves whose sets are there; validation accuracy where no clean test set is."""
    base = record.steps[0]
    columns = [column for column in COLUMNS if rate(record, base, column) is not None]
    if "test" not in columns:
        columns.insert(0, "valid")
    steps = tuple(record.steps)
    curves = (Curve(column, tuple(_values(record, column)), steps, *_bands(record, column)) for column in columns)
    title = f"Pruning {record.opened.layer} of {record.opened.model.name}"
    title += f", ORACLE order {record.oracle}" if record.oracle else ""
    return Plot(title, record.opened.channels, tuple(curves), _marks(record), _tuned(record, columns))


def _tuned(record: RunRecord, columns: list[str]) -> tuple[Tuned, ...]:
    """Every B″ on disk, on the curves that are drawn."""
    found = []
    for saved in record.tuned:
        counts = as_counts(saved.counts)
        rates = {column: rate(record, counts, column) for column in columns if column != "valid"}
        found.append(
            Tuned(saved.tuning.began.step, {name: value for name, value in rates.items() if value is not None})
        )
    return tuple(found)


def _values(record: RunRecord, column: str) -> list[float]:
    found = [rate(record, counts, column) for counts in record.steps.values()]
    return [value for value in found if value is not None]


def _bands(record: RunRecord, column: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The ends of the 95 % interval at each known step, where the run's settings ask for bands."""
    if not record.began.settings.bands:
        return (), ()
    images = record.images(SET_OF[column]) or 0
    ends = [wilson(getattr(counts, column), images) for counts in record.steps.values()]
    return tuple(low for low, _ in ends), tuple(high for _, high in ends)


def _marks(record: RunRecord) -> tuple[Mark, ...]:
    """Thresholds where they are reached; those of one step share a mark."""
    names: dict[int, list[str]] = {}
    for threshold in record.thresholds:
        if (step := record.first_reached(threshold)) is not None:
            names.setdefault(step, []).append(f"−{threshold}")
    return tuple(Mark(step, ", ".join(names[step]) + " pt") for step in sorted(names))

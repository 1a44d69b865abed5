"""What the screen *orders* shows, as plain data: a line for each order of this network and for each other run."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from engine.api import protocol as p
from engine.api.order_figures import OrderFigures, Under, summary
from engine.api.orders import BADGES, METHODS, LooksAt, method_of
from tui.model.run_state import RunState, images

SEEDS = 20  # random orders that are drawn as a band
RANDOM = tuple(f"random:{seed}" for seed in range(SEEDS))
BAND = "random ×20"
LONG = ("greedy",)  # channels² evaluations: only where somebody asks for it
SORTS = ("computed", "looks at", "score", "ASR < 50 %", "ASR < 10 %", "ASR < 1 %")

Fate = Literal["there", "under way", "waits", "left out"]


class OrderLine(NamedTuple):
    """An order of this network, the random ones together, or another run (`run`: its folder's name).

    `curves`: what was counted at each step, one for each seed of the random ones; empty until it is computed.
    """

    name: str
    looks_at: LooksAt
    fate: Fate
    curves: tuple[tuple[p.Counts, ...], ...] = ()
    figures: OrderFigures | None = None
    run: str = ""
    share: float = 0.0  # of the steps that are computed
    about: str = ""

    @property
    def oracle(self) -> bool:
        """It looks at poisoned images."""
        return self.looks_at == "poisoned"

    @property
    def band(self) -> bool:
        """The random orders, together."""
        return self.name == BAND

    @property
    def badge(self) -> str:
        return BADGES[self.looks_at].replace("clean images and labels", "labels").replace("clean images", "clean")


def wanted(state: RunState) -> tuple[str, ...]:
    """The orders that the screen computes by itself: those that need what is there, the long ones aside."""
    there = {name for name in p.SETS if images(state, name)}
    own = [state.order_by] if state.order_by and method_of(state.order_by).name not in LONG else []
    simple = [name for name, at in METHODS.items() if name not in (*LONG, "random") and there.issuperset(at.sets)]
    return tuple(dict.fromkeys([*own, *simple, *RANDOM]))


def missing(state: RunState, left_out: frozenset[str]) -> tuple[str, ...]:
    """Those of `wanted` that are neither there nor asked for, nor left out by the user."""
    known = {*state.compared, *state.comparing, *left_out}
    return tuple(name for name in wanted(state) if name not in known)


def order_lines(state: RunState, runs: Mapping[str, p.Compared], about: Mapping[str, str]) -> list[OrderLine]:
    """A line for each order, in the order of the table of methods, and then for other runs."""
    there = {name for name in p.SETS if images(state, name)}
    names = [name for name, at in METHODS.items() if name != "random" and there.issuperset(at.sets)]
    others = [name for name in state.compared if name not in names and name not in RANDOM]
    lines = [_line(state, name) for name in names if name not in LONG]
    lines += [_band(state), *(_line(state, name) for name in (*names, *others) if name in LONG or name in others)]
    found = [line for line in lines if not line.oracle] + [line for line in lines if line.oracle]
    return found + [run_line(state, name, compared, about.get(name, "")) for name, compared in runs.items()]


def _line(state: RunState, name: str) -> OrderLine:
    compared, method = state.compared.get(name), method_of(name)
    if compared is None:
        share = _share(state, name)
        fate: Fate = "under way" if share is not None else "waits" if name in state.comparing else "left out"
        steps = state.under_way.get(name, ()) if fate == "under way" else ()
        return OrderLine(name, method.looks_at, fate, (steps,) if steps else (), share=share or 0.0, about=method.help)
    figures = summary(compared, sizes(state))
    return OrderLine(name, method.looks_at, "there", (compared.steps,), figures, about=method.help)


def _share(state: RunState, name: str) -> float | None:
    """How much of an order is computed, where the engine is at it."""
    at = state.phases.get("orders")
    if not state.comparing or at is None or at.note.partition(",")[0] != name or name not in state.comparing:
        return None
    steps = len(state.order) or 1
    return (at.done % steps) / steps


def _band(state: RunState) -> OrderLine:
    found = [state.compared[name] for name in RANDOM if name in state.compared]
    about = f"{SEEDS} random orders, seeds 0 to {SEEDS - 1}: what chance alone would do. Figures are of the middle one."
    if not found:
        at_it = any(_share(state, name) is not None for name in RANDOM)
        waits = any(name in state.comparing for name in RANDOM)
        return OrderLine(BAND, "nothing", "under way" if at_it else "waits" if waits else "left out", about=about)
    figures = sorted((summary(at, sizes(state)) for at in found), key=lambda at: (at.score or 0.0, at.within))
    middle = figures[len(figures) // 2]
    fate: Fate = "there" if len(found) == SEEDS else "under way" if state.comparing else "left out"
    share = len(found) / SEEDS
    return OrderLine(BAND, "nothing", fate, tuple(at.steps for at in found), middle, share=share, about=about)


def run_line(state: RunState, name: str, compared: p.Compared, about: str) -> OrderLine:
    """A run as a line of the table, under this name; `state`: the run whose images it is compared on."""
    start = compared.steps[0]
    counted = {"valid": start.valid, "test": start.test, "poisoned": start.poisoned}
    there = {of: many for of, many in sizes(state).items() if counted.get(of) is not None}
    figures = summary(compared, there)
    return OrderLine(compared.name, compared.looks_at, "there", (compared.steps,), figures, run=name, about=about)


def sizes(state: RunState) -> dict[p.SetName, int]:
    """Images in each set that is there."""
    return {name: images(state, name) for name in p.SETS if images(state, name)}


def ordered(lines: list[OrderLine], column: int) -> list[OrderLine]:
    """Sorted by a column of SORTS, the best first; what is not there yet comes last."""
    keys: tuple[Callable[[OrderLine], Any], ...] = (
        lambda _: 0,
        lambda line: tuple(BADGES).index(line.looks_at),
        lambda line: -(line.figures.score or 0.0) if line.figures else 1.0,
        *(lambda line, at=at: _cost(line, at) for at in range(3)),
    )
    return sorted(lines, key=keys[column])


def _cost(line: OrderLine, at: int) -> float:
    """Points of accuracy that an order pays until ASR is under a limit."""
    under: Under | None = line.figures.under[at] if line.figures else None
    return 1000.0 if under is None or under.drop is None else under.drop


def published_set(compared: p.Compared, u: float) -> tuple[int, ...]:
    """The channels that CLP prunes as a set: score > mean + u·std (with n−1). They are the first of its order."""
    scores = compared.scores or ()
    if len(scores) < 2:
        return compared.chosen or ()
    mean = sum(scores) / len(scores)
    deviation = (sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)) ** 0.5
    many = sum(score > mean + u * deviation for score in scores)
    return compared.order[:many]

"""The orders in which channels can go: what each is called, what it looks at, and which channel it takes first.

This table is what the option `--order-by`, the screens, the documentation and the tests read. The computations are in
`engine.orders`, a file a method.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape

LooksAt = Literal["nothing", "clean", "labels", "poisoned"]

BADGES: Mapping[LooksAt, str] = MappingProxyType(
    {
        "nothing": "nothing",
        "clean": "clean images",
        "labels": "clean images and labels",
        "poisoned": "ORACLE",
    }
)
ORACLE = "ORACLE: it looks at poisoned images, which no defender has"
DEFAULT = "mean"
MOST = 100  # orders compared at once


class OrderMethod(NamedTuple):
    """One way to order channels. `first`: whether the lowest or the highest score is pruned first."""

    name: str
    looks_at: LooksAt
    first: Literal["lowest", "highest"]
    help: str
    sets: tuple[Literal["valid", "test", "poisoned"], ...] = ("valid",)  # whose images it needs

    @property
    def badge(self) -> str:
        return BADGES[self.looks_at]

    @property
    def oracle(self) -> bool:
        """It looks at poisoned images."""
        return self.looks_at == "poisoned"


_METHODS = (
    OrderMethod("mean", "clean", "lowest", "Mean of the ranking feature on clean validation images."),
    OrderMethod("max", "clean", "lowest", "Maximum of the ranking feature on clean validation images."),
    OrderMethod(
        "apoz", "clean", "highest", "Share of zeros of the pruned layer after its activation (APoZ, Hu et al. 2016)."
    ),
    OrderMethod("norm", "nothing", "lowest", "L1 norm of the channel's filter (Li et al. 2017)."),
    OrderMethod(
        "clp",
        "nothing",
        "highest",
        "Largest singular value of the channel's filter, times the gain of its batch normalisation (CLP, Zheng et al. "
        "2022).",
    ),
    OrderMethod(
        "taylor",
        "labels",
        "lowest",
        "Change of the loss when the channel goes, to first order (Molchanov et al. 2017).",
    ),
    OrderMethod("random", "nothing", "lowest", "A random order; random:7 names its seed."),
    OrderMethod("decreasing", "clean", "highest", "Mean of the ranking feature, the most active channel first."),
    OrderMethod(
        "tac",
        "poisoned",
        "highest",
        "Trigger-activated change: mean of the ranking feature on poisoned test images minus that on clean ones.",
        ("test", "poisoned"),
    ),
    OrderMethod(
        "gradient",
        "poisoned",
        "highest",
        "What the trigger changes in the channel, times the slope of the target's score there.",
        ("test", "poisoned"),
    ),
    OrderMethod(
        "greedy",
        "poisoned",
        "lowest",
        "At each step the channel whose loss makes validation accuracy minus ASR largest.",
        ("valid", "poisoned"),
    ),
)
METHODS: Mapping[str, OrderMethod] = MappingProxyType({method.name: method for method in _METHODS})

SEED = re.compile(r"\d{1,9}", re.ASCII)
SEEDS = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
NUMBER = re.compile(r"\d{1,3}(\.\d{1,3})?", re.ASCII)
CLP_U = "3"  # as published: channels beyond the mean by so many standard deviations


def method_of(name: str) -> OrderMethod:
    """The method of an order by its whole name, as `order_name` writes it."""
    return METHODS[name.partition(":")[0]]


def argument(name: str) -> str:
    """What stands behind the colon: the seed of `random:7`, the u of `clp:2.5`."""
    return name.partition(":")[2]


def order_name(text: str, option: str = "--order-by") -> str:
    """An order's name in the one way it is written. Raises Refused.

    `random` is `random:0`, and `clp:3` is `clp`: its u changes no order, only the set that it prunes as published.
    """
    name, colon, given = text.strip().partition(":")
    if name not in METHODS:
        raise Refused(f"{option}: '{escape(text, SHORT)}' is no order. Expected one of {', '.join(METHODS)}.")
    if name == "random" and SEED.fullmatch(given or "0") and (given or not colon):
        return f"random:{int(given or 0)}"
    if name == "clp" and colon and NUMBER.fullmatch(given):
        return "clp" if float(given) == float(CLP_U) else f"clp:{float(given):g}"
    if colon:
        raise Refused(f"{option}: '{escape(text, SHORT)}' is no order. Examples: random:7, clp:2.5, {name}.")
    return name


def order_names(text: str, option: str = "--orders") -> tuple[str, ...]:
    """Names in a list like `mean,clp,random:0-19`; each once, in the order given. Raises Refused."""
    found: list[str] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        seeds = SEEDS.fullmatch(part.removeprefix("random:")) if part.startswith("random:") else None
        if seeds and int(seeds[1]) > int(seeds[2]):
            raise Refused(f"{option}: '{escape(part, SHORT)}' counts down. Example: random:0-19")
        first, last = (int(seeds[1]), int(seeds[2])) if seeds else (0, -1)
        many = (f"random:{seed}" for seed in range(first, min(last, first + MOST) + 1))
        found += many if seeds else [order_name(part, option)]
        if len(dict.fromkeys(found)) > MOST:
            raise Refused(f"{option}: names more than {MOST} orders. Compare fewer at a time.")
    if not found:
        raise Refused(f"{option}: names no order. Example: {option} mean,clp,random:0-19")
    return tuple(dict.fromkeys(found))

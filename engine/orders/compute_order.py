"""Every order by its name: scores of the channels, and the order that they make."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from engine.api.errors import Refused
from engine.api.orders import argument, method_of
from engine.orders import apoz, clp, decreasing, gradient, greedy, mean, norm, random, tac, taylor
from engine.orders import max as maximum
from engine.orders.evidence import Evidence
from engine.orders.order_file import refuse_missing

SCORES: Mapping[str, Callable[[Evidence], np.ndarray]] = MappingProxyType(
    {
        "mean": mean.scores,
        "max": maximum.scores,
        "apoz": apoz.scores,
        "norm": norm.scores,
        "clp": clp.scores,
        "taylor": taylor.scores,
        "decreasing": decreasing.scores,
        "tac": tac.scores,
        "gradient": gradient.scores,
        "greedy": greedy.scores,
    }
)


def scored(name: str, material: Evidence) -> np.ndarray:
    """The scores of an order (channels,), float64; `name` as `engine.api.orders.order_name` writes it.

    Raises Refused where the order looks at images that are not there, and for scores that are no finite numbers.
    """
    refuse_missing(name, material.rows)
    method = method_of(name).name
    if method == "random":
        return random.scores(material.channels, int(argument(name)))
    found = SCORES[method](material)
    beyond = np.flatnonzero(~np.isfinite(found))
    if len(beyond):
        raise Refused(
            f"{name}: channel {beyond[0]} has a score that is no finite number ({len(beyond)} such channels). The "
            "network's weights or the pixels are too large. Check --scale."
        )
    return found


def order_of(name: str, scores: np.ndarray) -> tuple[int, ...]:
    """Channels in the order of their scores; among equal ones the lower index first.

    Scores are compared as float32, which the features are: what lies beyond tells in which lane of the processor a
    channel was computed, and would put an order on channels that are copies of each other.
    """
    compared = scores.astype("float32")
    if method_of(name).first == "highest":
        compared = -compared
    return tuple(int(channel) for channel in np.argsort(compared, kind="stable"))

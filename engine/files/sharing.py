"""Objects that a configuration describes more than once under one number, which Keras then makes only once."""

from collections.abc import Iterator
from typing import Any

from engine.files.finding import Finding, quoted

NUMBER = "shared_object_id"


def refuse_shared(config: Any) -> None:
    """Raises Finding where two descriptions of one object differ, or where a layer of a model is used again.

    Keras would take the first for both, and read the weights of one only.
    """
    held: dict[str, tuple[bool, dict[str, Any]]] = {}
    for layer, data in _numbered(config):
        number = str(data[NUMBER])
        before = held.setdefault(number, (layer, data))
        if before[1] is not data and (layer or before[0] or before[1] != data):
            raise Finding(f"describes the shared object {quoted(number)} more than once, not supported.")


def _numbered(config: Any) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Every description that has a number, and whether it is that of a layer of a model."""
    waiting = [(False, config)]
    while waiting:
        layer, value = waiting.pop()
        if isinstance(value, dict):
            if NUMBER in value:
                yield layer, value
            waiting += [(key == "layers", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(layer and isinstance(item, dict), item) for item in value]

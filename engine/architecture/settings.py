"""Checks of single settings: each takes what a file says and gives what Keras 3 constructors want, or raises Unfit."""

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], Any]


class Unfit(ValueError):
    """A value that is outside what the program allows."""


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        # Keras 3 takes no 4.0 for 4
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Unfit
        return value

    return check


def real(low: float = -1e9, high: float = 1e9) -> Check:
    def check(value: Any) -> float:
        # TensorFlow 1 wrote arrays of one number as {"type": "ndarray", "value": x}
        if isinstance(value, dict) and value.get("type") == "ndarray":
            value = value.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit
        if not low <= value <= high:  # nor is NaN, and no whole number is too long to be compared
            raise Unfit
        return float(value)

    return check


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise Unfit
        return value

    return check


def only(allowed: Any) -> Check:
    """Exactly this value: a setting that exists in files but that only its default is supported for."""

    def check(value: Any) -> Any:
        if type(value) is not type(allowed) or value != allowed:
            raise Unfit
        return value

    return check


def maybe(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def pair(inner: Check) -> Check:
    """One number for both image axes, or two."""

    def check(value: Any) -> list[Any]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = [value, value]
        if not isinstance(value, list) or len(value) != 2:
            raise Unfit
        return [inner(item) for item in value]

    return check


def several(inner: Check, low: int, high: int) -> Check:
    """A list of `low` to `high` values."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise Unfit
        return [inner(item) for item in value]

    return check


def either(*checks: Check) -> Check:
    def check(value: Any) -> Any:
        for inner in checks:
            try:
                return inner(value)
            except Unfit:
                continue
        raise Unfit

    return check


def borders(high: int) -> Check:
    """Rows and columns at the four edges: n, [rows, columns] or [[top, bottom], [left, right]]."""
    one = pair(whole(0, high))

    def check(value: Any) -> list[list[int]]:
        if isinstance(value, list) and len(value) == 2:
            return [one(item) for item in value]
        both = one(value)
        return [both, list(both)]

    return check


def last_axis(value: Any) -> int:
    """The channels' axis of an image batch, however it is written."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if type(value) is not int or value not in (-1, 3, 1):
        raise Unfit
    return value

"""What is refused of an order before anything is computed."""

from collections.abc import Collection, Sequence

from engine.api.errors import Refused
from engine.api.orders import method_of

SETS = {
    "valid": ("clean validation", "--valid"),
    "test": ("clean test", "--test"),
    "poisoned": ("poisoned test", "--poisoned"),
}


def checked(order: Sequence[int], channels: int) -> tuple[int, ...]:
    """A given order, when every channel in it exists and comes once; it may leave channels out."""
    unknown = next((channel for channel in order if not 0 <= channel < channels), None)
    if unknown is not None:
        raise Refused(f"--order: channel {unknown} does not exist, expected 0..{channels - 1}.")
    repeated = next((channel for i, channel in enumerate(order) if channel in order[:i]), None)
    if repeated is not None:
        raise Refused(f"--order: channel {repeated} comes twice. Name each channel once.")
    if not order:
        raise Refused("--order: names no channel. Expected channel numbers, a JSON list or one a line.")
    return tuple(order)


def refuse_missing(name: str, sets: Collection[str]) -> None:
    """Raises Refused where a set that an order looks at is not among those that are there."""
    for needed in method_of(name).sets:
        if needed not in sets:
            kind, option = SETS[needed]
            raise Refused(f"{name}: looks at {kind} images, and there are none. Name a file with {option}.")

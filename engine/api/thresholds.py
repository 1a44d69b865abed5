"""Where a run saves B′: at drops in percentage points, which files are named after, and at steps."""

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape

EXAMPLE = "Example: --save-at 2,4,10,30"
FINEST = Decimal("0.000001")  # percentage points
MOST_THRESHOLDS = 1000  # of a run


def parse_threshold(text: str) -> str:
    """A threshold in percentage points as files are named after it: "2.0" is "2". Raises Refused.

    B has lost 0 points itself, so that 0 is no threshold.
    """
    value = parse_percentage(text)
    if value == "0":
        raise Refused(f"'{escape(text, SHORT)}' is no drop, expected more than 0 percentage points.", EXAMPLE)
    return value


def parse_percentage(text: str) -> str:
    """A number from 0 to 100 in the shortest way to write it. Raises Refused."""
    shown = f"'{escape(text, SHORT)}'"
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise Refused(f"{shown} is no number of percentage points.", EXAMPLE) from None
    if not value.is_finite() or not 0 <= value <= 100:
        raise Refused(f"{shown} is outside 0..100 percentage points.", EXAMPLE)
    if value != value.quantize(FINEST):
        raise Refused(f"{shown} has more than 6 decimals.", "Example: --save-at 2.5")
    return f"{abs(value).normalize():f}"


def parse_thresholds(texts: Iterable[str], parse: Callable[[str], str] = parse_threshold) -> tuple[str, ...]:
    """Thresholds as files are named after them, each once, in the order given. Raises Refused."""
    found = tuple(dict.fromkeys(map(parse, texts)))
    if len(found) > MOST_THRESHOLDS:
        raise Refused(f"--save-at: names {len(found):,} thresholds, {MOST_THRESHOLDS:,} are the most.")
    return found


def refuse_steps(save_steps: Iterable[int], last: int) -> None:
    """Raises Refused where B′ is to be saved at a step that will not come; `last`: that of the order."""
    beyond = next((step for step in save_steps if not 1 <= step <= last), None)
    if beyond is not None:
        raise Refused(f"--save-step {beyond}: there is no such step, expected 1..{last}.")

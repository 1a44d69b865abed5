"""How figures are written on screens."""

from collections.abc import Iterable

from engine.api.protocol import Counts, format_drop
from tui.model.actions import Action, sign
from tui.model.cells import TAIL, cells
from tui.model.run_state import RunState, figures

EMPTY = "–"  # a set that is not there


def rate(value: float | None, digits: int = 2) -> str:
    """A percentage without its sign."""
    return EMPTY if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.2f} %"


def duration(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    whole = int(seconds + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def pace(seconds: float) -> str:
    """Time a step takes."""
    return f"{1000 * seconds:.0f} ms/step" if seconds < 1 else f"{seconds:.1f} s/step"


def file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def short_path(path: str, width: int) -> str:
    """A path, fit for a terminal, in at most `width` cells: what is too long is cut in its middle, both ends stay."""
    text = cells(path)
    if len(text) > width:
        room = max(0, width - 1)
        head, tail = text[: room // 3], text[len(text) - (room - room // 3) :]
        head = head[:-1] if text[len(head)] == TAIL else head  # no half of a wide character
        text = f"{head}…{tail.removeprefix(TAIL)}"[: max(0, width)]
    return text.replace(TAIL, "")


def within(text: str, folder: str) -> str:
    """`text` with the paths that lie in `folder` written from there on."""
    return text.replace(folder.rstrip("/") + "/", "") if folder.strip("/") else text


def key_of(table: Iterable[Action], name: str) -> str:
    """The first key of an action, as people write it."""
    return next(sign(action.keys[0]) for action in table if action.id == name)


def alone(state: RunState, counts: Counts) -> tuple[str, str]:
    """What pruning one channel alone changes: points of clean validation accuracy, and of ASR."""
    from tui.model.run_state import of_counts

    base = figures(state, 0)
    if base is None:
        return EMPTY, EMPTY
    after = of_counts(state, counts, state.steps[0].counts)
    asr = EMPTY if after.asr is None or base.asr is None else format_drop(base.asr - after.asr)
    return format_drop(after.drop), asr

"""What is said aloud when something happens, and how loud."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual.notifications import SeverityLevel

from engine.api import protocol as p
from tui.model.formatting import file_name, short_path
from tui.model.run_state import AppEvent, RunState

PATH = 100  # cells of a path: two lines of a toast
SOON = 4.0  # seconds that the first of several saved thresholds stays on the screen


class Toast(NamedTuple):
    text: str
    severity: SeverityLevel = "information"


def toast(before: RunState, event: AppEvent) -> Toast | None:
    """The words for `event`, which came upon the state `before`; None for what the screens show anyway."""
    if before.busy == "opening" or not before.ready:
        return None  # a journal tells again what is long known
    match event:
        case p.Saved(what="model", threshold=str()):
            return Toast(_crossing(event))
        case p.Saved(what="model", path=path, status=status):
            return Toast(f"Saved {short_path(path, PATH)}{', unchanged' if status == 'unchanged' else ''}")
        case p.Saved(what="report.md", path=path):
            return Toast(f"Curve, results and report are in {short_path(path.rsplit('/', 1)[0], PATH)}")
        case p.Failed(message=message):
            return Toast(message, "error")
        case p.Note(text=text):
            return Toast(text, "warning")
    return None


class ToastBatcher:
    """Says events aloud. The first saved threshold at once; those soon after it together, when the run rests:
    four at a time would cover the charts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._quiet_until = float("-inf")
        self._saved: list[p.Saved] = []

    def words(self, before: RunState, event: AppEvent) -> Toast | None:
        """What to say now that `event` came upon the state `before`."""
        if isinstance(event, p.Idle):
            return self._rest()
        said = toast(before, event)
        if said is None or not isinstance(event, p.Saved) or event.what != "model" or event.threshold is None:
            return said
        self._saved.append(event)
        if self._clock() < self._quiet_until:
            return None
        self._quiet_until = self._clock() + SOON
        return self._rest()

    def _rest(self) -> Toast | None:
        saved, self._saved = self._saved, []
        return together(saved) if saved else None


def together(saved: Sequence[p.Saved]) -> Toast:
    """One line for networks that thresholds saved, however many."""
    if len(saved) == 1:
        return Toast(_crossing(saved[0]))
    *most, last = (p.threshold_label(one.threshold or "0").removesuffix(" pt") for one in saved)
    return Toast(f"{', '.join(most)} and {last} pt reached: {len(saved)} networks saved")


def _crossing(saved: p.Saved) -> str:
    same = ", unchanged" if saved.status == "unchanged" else ""
    return (
        f"{p.threshold_label(saved.threshold or '0')} reached at step {saved.step}: saved {file_name(saved.path)}{same}"
    )

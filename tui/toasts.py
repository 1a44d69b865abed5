"""What is said aloud when something happens, and how loud."""

from typing import NamedTuple

from textual.notifications import SeverityLevel

from engine.api import protocol as p
from tui.state import Happening, RunState
from tui.wording import file_name


class Toast(NamedTuple):
    text: str
    severity: SeverityLevel = "information"


def toast(before: RunState, event: Happening) -> Toast | None:
    """The words for `event`, which came upon the state `before`; None for what the screens show anyway."""
    if before.busy == "opening" or not before.ready:
        return None  # a journal tells again what is long known
    match event:
        case p.Saved(what="model", path=path, threshold=str(threshold), step=step, status=status):
            same = ", unchanged" if status == "unchanged" else ""
            return Toast(f"-{threshold} pt reached at step {step}: saved {file_name(path)}{same}")
        case p.Saved(what="model", path=path, status=status):
            return Toast(f"Saved {path}{', unchanged' if status == 'unchanged' else ''}")
        case p.Saved(what="report.md", path=path):
            return Toast(f"Curve, results and report are in {path.rsplit('/', 1)[0]}")
        case p.Failed(message=message):
            return Toast(message, "error")
        case p.Note(text=text):
            return Toast(text, "warning")
    return None

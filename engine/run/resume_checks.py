"""That a run which goes on is about what is open now: its journal's inputs, and the answers that it counted."""

from pathlib import Path

from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.protocol import Opened
from engine.run.run import Run


def refuse_other_inputs(folder: Path, told: Opened, now: Opened) -> None:
    """Raises Refused where a journal tells of another network or other images than those that are open."""
    if _facts(told) != _facts(now):
        raise Refused(f"{_name(folder)}: its journal tells of another network or other images. Start a new run.")


def refuse_other_answers(run: Run) -> None:
    """Raises Refused where a journal counts otherwise than the answers that the run has on disk."""
    session = run.session
    if session.key(0) not in session.answers:
        return  # then no step is known, and all are computed
    for key, counts in session.counts.items():
        if key in session.answers and run.count(session.answers[key]) != counts:
            raise Refused(f"{_name(run.folder)}: its journal and its answers.bin do not agree. Start a new run.")


def _facts(opened: Opened) -> tuple[object, ...]:
    """What every result rests on; not where it was computed, nor what was noted."""
    sets = {name: (info.images, info.sha256) for name, info in opened.sets.items()}
    return opened.model.sha256, opened.layer, opened.feature, opened.channels, opened.classes, sets, opened.lab


def _name(folder: Path) -> str:
    return escape(folder.name, SHORT)

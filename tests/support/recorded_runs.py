"""Run folders with journals made by hand, for lists of runs."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.api import protocol as p
from engine.api.journal import Journal
from tests.support.journals import Journalled

ORDER = (2, 0, 3, 1)
IMAGES: dict[p.SetName, int] = {"valid": 100, "test": 100, "poisoned": 100}


def counts(valid: int, poisoned: int | None) -> p.Counts:
    return p.Counts(valid=valid, test=valid, poisoned=poisoned, g_test=valid, g_poisoned=poisoned)


ACCURACY_FIRST = (counts(98, 100), counts(98, 100), counts(94, 100), counts(60, 100), counts(30, 10))
ATTACK_FIRST = (counts(98, 100), counts(98, 10), counts(97, 0), counts(60, 0), counts(30, 0))


def record(
    root: Path,
    name: str,
    steps: Sequence[p.Counts] = ACCURACY_FIRST,
    started: str = "2026-01-02T03:04:05",
    finished: bool = True,
    layer: str = "conv_3",
) -> Path:
    """A run in ROOT/runs that has come to the last of these steps."""
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    journal = Journal.create(folder)
    made = Journalled(steps, ORDER, IMAGES, save_at=("2", "4"), layer=layer)
    for event in made.events():
        if isinstance(event, p.Began):
            settings = msgspec.structs.replace(event.settings, root=str(root), runs="")
            event = msgspec.structs.replace(event, started=started, settings=settings)
        elif isinstance(event, p.Opened):
            event = msgspec.structs.replace(event, run=str(folder))
        journal.append(event)
    if finished:
        journal.append(p.Finished(str(folder), (), (), "done.", 1.0))
    journal.close()
    return folder

"""Lines that hold a path: Tab completes what is typed, grey letters show what would come."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

MOST = 2000  # names of a folder that are looked at


def candidates(typed: str, base: str = "") -> list[str]:
    """Paths that begin with what is typed, folders with a slash; relative ones count from `base`."""
    head, _, tail = typed.rpartition("/")
    folder = Path(base or ".", os.path.expanduser(f"{head}/" if "/" in typed else ""))
    try:
        with os.scandir(folder) as entries:
            names = [_name(entry) for _, entry in zip(range(MOST), entries, strict=False)]
    except (OSError, ValueError):
        return []
    prefix = f"{head}/" if "/" in typed else ""
    shown = (n for n in names if n.startswith(tail) and n.isprintable() and (tail or not n.startswith(".")))
    return sorted(prefix + name for name in shown)


def _name(entry: "os.DirEntry[str]") -> str:
    try:
        return entry.name + ("/" if entry.is_dir() else "")
    except OSError:
        return entry.name


def completed(typed: str, found: Iterable[str]) -> str:
    """`typed`, as far on as all of `found` agree."""
    names = list(found)
    if not names:
        return typed
    first, last = min(names), max(names)
    agreed = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:agreed]


class Paths(Suggester):
    """Shows the first path that fits."""

    def __init__(self, base: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.base = base

    async def get_suggestion(self, value: str) -> str | None:
        return next(iter(candidates(value, self.base)), None) if value else None


class FieldInput(Input):
    """A line of a form: up and down lead to its neighbours."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]


class PathInput(FieldInput):
    """Tab completes; where there is nothing to complete it goes to the next line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete", show=False)]

    def __init__(self, value: str, base: str, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        self._paths = Paths(base)
        super().__init__(value, placeholder, suggester=self._paths, id=id, compact=True)

    def rebase(self, base: str) -> None:
        """Relative paths count from another folder now."""
        self._paths.base = base

    def action_complete(self) -> None:
        longer = completed(self.value, candidates(self.value, self._paths.base)) if self.value else ""
        if longer and longer != self.value:
            self.value = longer
            self.cursor_position = len(longer)
        else:
            self.screen.focus_next()

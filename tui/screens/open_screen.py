"""Open: what was found here, what is missing and how to get it; runs to go on with; the demo one key away."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import DescendantFocus
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.api.inspection import Description, describe
from engine.api.journal import RunSummary, unfinished_runs
from engine.api.protocol import Settings
from tui.model.actions import bindings
from tui.screens import open_form
from tui.screens.base import LabScreen
from tui.screens.keybar import KeyBar
from tui.screens.open_form import FILES, FOLDERS, LINES, PATHS, Line
from tui.screens.path_input import FieldInput, PathInput
from tui.screens.run_list import RunsList

STORY = (
    "A lab folder holds a backdoored network and images; data/README.md and models/README.md say where the lab's own "
    "files come from. Nothing at hand? F2 opens the embedded demo."
)
PAUSE = 0.3  # seconds that a line is left alone before its file is looked at


class OpenScreen(LabScreen):
    """A form of paths. Enter or F5 opens; what would be refused is said while it is typed."""

    CSS_PATH: ClassVar = "open_screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("open")]
    SCOPES = ("open",)

    def __init__(self, root: Path, settings: Settings | None, refusal: str = "") -> None:
        super().__init__()
        self._before = settings
        self._values = open_form.values(root, settings)
        self._refusal = refusal
        self._seen: dict[str, Description] = {}
        self._root = self._values["root"]
        self._found = open_form.values(Path(self._root), None)  # what the folder itself has for each line

    # --- what is shown

    def compose(self) -> ComposeResult:
        yield Static(Text.assemble(("lab3", "bold"), "  open a network"), id="title")
        with VerticalScroll(id="form", can_focus=False):
            yield Static(Text(self._refusal), id="refusal")
            yield Static("", id="found", markup=False)
            yield from self._lines()
            yield Static("", id="about", markup=False)
            yield RunsList()
            yield Static(STORY, id="story", markup=False)
        yield KeyBar(self.lab.actions, "open", "app", typing=True, back=self.may_leave())

    def _lines(self) -> Iterator[Widget]:
        for line in LINES:
            with Horizontal(classes="line"):
                yield Static("·", id=f"{line.id}-mark", classes="mark", markup=False)
                yield Static(line.label, classes="label", markup=False)
                hint, value = line.empty, self._values[line.id]
                if line.id in PATHS:
                    yield PathInput(value, self._values["root"], hint, id=line.id)
                else:
                    yield FieldInput(value, hint, id=line.id, compact=True)

    def may_leave(self) -> bool:
        return self.lab.latest.ready or self.lab.left is not None

    def go_back(self) -> None:
        """Back to the run that is open; where another one was refused in its place, open it again."""
        if self.lab.latest.ready:
            super().go_back()
        else:
            self.lab.open_left()

    def on_mount(self) -> None:
        self.query_one("#refusal").display = bool(self._refusal)
        self.query_one("#found", Static).update(open_form.found_here(Path(self._path("root"))))
        self._mark_all()
        empty = (line.id for line in LINES if line.needed and not self._value(line.id))
        self.query_one(f"#{next(empty, 'model')}").focus()
        self.run_worker(self._look_for_runs(), group="runs", exclusive=True)
        if self._refusal:
            self.run_worker(self._go_to_mistake(), group="open", exclusive=True)

    async def _go_to_mistake(self) -> None:
        """Put the cursor into the line that was refused, where a look at the files tells which it was."""
        before = self._current
        name, _ = await self._first_wrong()
        if name and self._current == before:
            self.query_one(f"#{name}").focus()

    def _mark_all(self) -> None:
        """A tick where there is something, a cross where it is needed and not there, or refused."""
        for line in LINES:
            there, wrong = self._there(line), self._wrong(line)
            mark = self.query_one(f"#{line.id}-mark", Static)
            mark.update("✗" if wrong else "✓" if there else "·")
            mark.set_class(wrong, "-wrong")
            mark.set_class(there and not wrong, "-there")

    def _there(self, line: Line) -> bool:
        if line.id not in PATHS or not self._value(line.id):
            return bool(self._value(line.id))
        return open_form.fits(line.id, Path(self._path(line.id)))

    def _wrong(self, line: Line) -> bool:
        seen, value = self._seen.get(line.id), self._value(line.id)
        if seen is not None and seen.refusal:
            return True
        return not self._there(line) if value else line.needed

    def _tell_about(self, name: str) -> None:
        """Under the lines: what is known about the file in this one, else what belongs there."""
        line = next(line for line in LINES if line.id == name)
        text = line.about
        if name in self._seen:
            text = open_form.summary(self._seen[name])
        elif self._value(name) and not self._there(line):
            text = open_form.misfit(name, self._value(name), Path(self._path(name)))
        self.query_one("#about", Static).update(Text(text))

    # --- what is typed

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _path(self, name: str) -> str:
        return open_form.absolute(self._value(name), self._value("root"))

    @property
    def _current(self) -> str:
        """The line that has the focus; empty where none has."""
        name = self.focused.id if self.focused else None
        return name if name in {line.id for line in LINES} else ""

    @on(DescendantFocus)
    def _focused(self) -> None:
        if name := self._current:
            self._tell_about(name)
            if name in FILES and name not in self._seen and os.path.isfile(self._path(name)):
                self.run_worker(self._inspect(name, self._path(name)), group="inspect", exclusive=True)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        name = event.input.id or ""
        self._seen.pop(name, None)
        if name == "root" and self._value("root") != self._root:
            self._root = self._value("root")
            self._refill()
        self._mark_all()
        self._focused()

    def _refill(self) -> None:
        """The folder changed: find its files, and let relative paths count from it. What was typed stays."""
        root = Path(open_form.absolute(self._value("root"), ""))
        self.query_one("#found", Static).update(open_form.found_here(root))
        if not os.path.isdir(root):
            return
        found = open_form.values(root, None)
        for name in FILES:
            line = self.query_one(f"#{name}", PathInput)
            line.rebase(str(root))
            if line.value in ("", self._found[name]):
                line.value = found[name]
        self._found = found
        self.run_worker(self._look_for_runs(), group="runs", exclusive=True)

    async def _inspect(self, name: str, path: str) -> None:
        """Let the inspector look at a file, once its line has been left alone for a moment."""
        await asyncio.sleep(PAUSE)
        seen = await asyncio.to_thread(describe, path)
        if self.is_attached and self._path(name) == path:
            self._seen[name] = seen
            self._mark_all()
            self._focused()

    async def _look_for_runs(self) -> None:
        folder = Path(self._path("runs") or open_form.absolute("runs", self._value("root")))
        found = await asyncio.to_thread(unfinished_runs, folder)
        for runs in self.query(RunsList):  # none where this screen was left meanwhile
            runs.show(found)

    # --- what is done

    @on(RunsList.Chosen)
    def _go_on(self, event: RunsList.Chosen) -> None:
        self._open(event.run)

    def _open(self, run: RunSummary) -> None:
        self.lab.open(run.settings, run.folder)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_open_these()

    def action_open_these(self) -> None:
        empty = next((line for line in LINES if line.needed and not self._value(line.id)), None)
        if empty:
            self.query_one(f"#{empty.id}").focus()
            self.lab.show_notice(f"{empty.label} is needed.", "warning")
        else:
            self.run_worker(self._open_these(), group="open", exclusive=True)

    async def _open_these(self) -> None:
        """Open the files. While a run is open, look first whether they can be: that run is closed for them."""
        name, why = await self._first_wrong() if self.lab.latest.ready else ("", "")
        if why:
            self.query_one(f"#{name}").focus()
            self.lab.show_notice(why, "warning")
        else:
            self.lab.open(open_form.settings({line.id: self._value(line.id) for line in LINES}, self._before))

    async def _first_wrong(self) -> tuple[str, str]:
        """The first line that holds what cannot be opened, and what is wrong with it."""
        for line in LINES:
            if line.id in PATHS and self._value(line.id) and not self._there(line):
                return line.id, open_form.misfit(line.id, self._value(line.id), Path(self._path(line.id)))
        for name in filter(self._value, FILES):
            if name not in self._seen:
                self._seen[name] = await asyncio.to_thread(describe, self._path(name))
            self._mark_all()
            if why := open_form.unfit(name, self._seen[name], self._value("layer")):
                return name, why
        return "", ""

    def action_demo(self) -> None:
        self.lab.open_demo()

    def action_pick(self) -> None:
        """Choose a file in a tree for the line that has the focus."""
        from tui.screens.file_tree import FilePicker

        name = self._current if self._current in PATHS else "model"
        line = self.query_one(f"#{name}", Input)

        def picked(path: str | None) -> None:
            if path:
                line.value = path

        self.app.push_screen(FilePicker(Path(self._path("root")), folders=name in FOLDERS), picked)

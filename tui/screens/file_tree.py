"""Pick a file or a folder in a tree."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import DirectoryTree, Static

from engine.api.escape import escape, escape_path
from tui.model.formatting import short_path
from tui.screens.dialogs import Choice, Dialog, keys

SHOWN = (".h5", ".keras", ".hdf5", ".hdf")


class LabTree(DirectoryTree):
    """Folders, and files that may hold a network or images."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    ICON_FILE = "  "

    def process_label(self, label: TextType) -> Text:
        """A name is shown as it is; what a terminal would act on, and bytes that are no text, are escaped."""
        return Text(escape_path(label)) if isinstance(label, str) else super().process_label(label)

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [p for p in paths if not p.name.startswith(".") and (p.suffix in SHOWN or os.path.isdir(p))]


class FilePicker(Dialog[str | None]):
    """Gives back an absolute path, or None."""

    CSS_PATH: ClassVar[CSSPathType | None] = ["dialogs.tcss", "file_tree.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "up", "Up", show=False),
        Binding("o", "take", "Take this folder", show=False),
    ]

    def __init__(self, start: Path, folders: bool) -> None:
        super().__init__()
        self._start = start if os.path.isdir(start) else Path.home()
        self._folders = folders

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="tree"):
            yield Static("", id="where", markup=False)
            yield LabTree(self._start)
            take = [Choice("o", "Take this folder", "")] if self._folders else []
            choices = [
                Choice("⏎", "Open or take", ""),
                *take,
                Choice("⌫", "Folder above", ""),
                Choice("esc", "Cancel", ""),
            ]
            yield Static(keys(*choices), classes="keys")

    def on_resize(self) -> None:
        """Say which folder this is, in one line."""
        where = self.query_one("#where", Static)
        where.update(short_path(escape_path(str(self.query_one(LabTree).path)), where.container_size.width))

    @on(DirectoryTree.FileSelected)
    def _file(self, event: DirectoryTree.FileSelected) -> None:
        if not self._folders:
            self._take(event.path)

    def action_take(self) -> None:
        node = self.query_one(LabTree).cursor_node
        if self._folders and node is not None and node.data is not None and os.path.isdir(node.data.path):
            self._take(node.data.path)

    def _take(self, path: Path) -> None:
        """Give a path back; one that is no text cannot be sent to the engine."""
        try:
            str(path).encode()
        except UnicodeEncodeError:
            self.app.notify(f"{escape(str(path))}: is not valid UTF-8. Rename it.", severity="warning", markup=False)
        else:
            self.dismiss(str(path))

    def action_up(self) -> None:
        tree = self.query_one(LabTree)
        tree.path = Path(tree.path).parent
        self.on_resize()

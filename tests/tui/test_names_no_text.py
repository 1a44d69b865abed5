"""File names that are no text: offered in the tree, refused with a line, and nothing waits for ever."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import DirectoryTree, Input

from engine.api import protocol as p
from tests.support.engine_stub import SETTINGS
from tests.support.model_files import write_data, write_h5
from tests.support.pilot import bench
from tui.model.launch import Launch
from tui.screens.file_tree import LabTree

pytestmark = pytest.mark.tui
BYTES = b"net\xff.h5"


def name_no_text(folder: Path) -> str:
    """A file whose name is no text, where the file system takes such."""
    path = os.path.join(os.fsencode(folder), BYTES)
    try:
        Path(os.fsdecode(path)).touch()
    except OSError:
        pytest.skip("this file system takes no such name")
    return os.fsdecode(path)


async def test_a_path_that_is_no_text_is_refused_with_a_line(tmp_path: Path) -> None:
    other = write_h5(tmp_path / "other.h5")
    settings = replace(SETTINGS, root=str(tmp_path), model=str(other), valid=str(write_data(tmp_path / "valid.h5")))
    settings = replace(settings, test=None, poisoned=None)
    async with bench(launch=Launch(tmp_path, settings, fresh=True)) as it:
        await it.shows("saves at")
        await it.press("o")
        await it.shows("open a network")
        it.app.screen.query_one("#model", Input).value = "/lab/\udcff.h5"
        await it.press("f5")
        await it.shows("is not valid UTF-8")
        it.app.screen.query_one("#model", Input).value = str(other)
        await it.press("f5")
        await it.until(lambda: it.commands(p.Open))
        await it.shows("saves at")


async def test_the_tree_shows_such_names_escaped_and_gives_none_back(tmp_path: Path) -> None:
    path = name_no_text(tmp_path)
    async with bench(launch=Launch(tmp_path)) as it:
        await it.shows("open a network")
        it.app.screen.query_one("#model", Input).focus()
        await it.press("f3")
        await it.shows("net\\udcff.h5")
        tree = it.app.screen.query_one(LabTree)
        node = next(node for node in tree.root.children if node.data and str(node.data.path) == path)
        tree.post_message(DirectoryTree.FileSelected(node, Path(path)))
        await it.shows("is not valid UTF-8")
        assert it.app.screen.query(LabTree), "another can be chosen"
        await it.press("escape")
        assert it.app.screen.query_one("#model", Input).value == ""

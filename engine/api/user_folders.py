"""The user's folders for settings, caches and state, as the XDG base directory specification names them."""

import os
from pathlib import Path
from typing import Literal

NAME = "lab3-tui"
USUAL = {"CONFIG": (".config",), "CACHE": (".cache",), "STATE": (".local", "state")}  # below the home


def user_folder(kind: Literal["CONFIG", "CACHE", "STATE"]) -> Path:
    """This program's folder of a kind: below XDG_<kind>_HOME where that is an absolute path, else below the home.

    Raises RuntimeError for a user without a home.
    """
    base = os.environ.get(f"XDG_{kind}_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home().joinpath(*USUAL[kind])) / NAME

"""A tmux server of one's own: a program in a window of a given size, keys to it, and what it shows."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

import pytest

from tests.support.short_paths import short_folder

PATIENCE = 180.0  # seconds until something that was waited for is given up


class Tmux:
    """`command` in a window of `size` (columns, rows); the shell that it came from says its exit code at the end."""

    def __init__(self, command: Sequence[str], size: tuple[int, int], **environment: str) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._folder = short_folder()
        self._socket = str(self._folder.__enter__() / "tmux")
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        line = f"env {settings} {shlex.join(command)}; echo LEFT WITH $?; exec cat"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), line)

    def __enter__(self) -> "Tmux":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._tmux("kill-server", check=False)
        self._folder.__exit__(None, None, None)

    def _tmux(self, *words: str, check: bool = True) -> str:
        environment = {**os.environ, "TERM": "xterm-256color"}
        command = ["tmux", "-S", self._socket, *words]
        return subprocess.run(command, capture_output=True, text=True, check=check, env=environment).stdout

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys)

    def shows(self, *texts: str) -> str:
        """Wait until all these are on the screen; returns what it shows then."""
        end = time.monotonic() + PATIENCE
        while not all(text in (seen := self.text()) for text in texts):
            assert time.monotonic() < end, f"waited in vain for {texts}:\n{seen}"
            time.sleep(0.05)
        return seen

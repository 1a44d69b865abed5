"""A sweep watched from outside: its record read as it grows, and whether its process still lives."""

import os
import socket
from pathlib import Path
from typing import BinaryIO

from engine.api.errors import Refused
from engine.api.locks import known_holder
from engine.api.safe_open import open_regular
from tui.model.sweep_state import NAME, SweepState, decode_sweep, reduce_sweep

LINE = 2**22  # bytes of a line: a plan of many cells


class SweepWatch:
    """Reads FOLDER/sweep.jsonl. `read` gives the state so far; a record that was begun anew is read from its start."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.state = SweepState()
        self._file: BinaryIO | None = None

    def read(self) -> SweepState:
        """The state with what was written since; unchanged where there is no record yet."""
        if self._file is not None and self._replaced(self._file):
            self.close()
        if self._file is None:
            self._file, self.state = self._opened(), SweepState()
        while self._file is not None:
            place = self._file.tell()
            line = self._file.readline(LINE)
            if not line.endswith(b"\n"):  # it is being written
                self._file.seek(place)
                break
            if (event := decode_sweep(line)) is not None:
                self.state = reduce_sweep(self.state, event)
        return self.state

    def alive(self) -> bool:
        """Whether the process that hands out cells is there: it holds the folder's lock.

        Of one on another machine only its record tells. Where there are no locks, its number does.
        """
        state = self.state
        if state.over is not None or not state.pid:
            return False
        if state.host != socket.gethostname():
            return True
        if (holder := known_holder(self.path.parent)) is not None:
            return bool(holder)
        try:
            os.kill(state.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _opened(self) -> BinaryIO | None:
        try:
            return os.fdopen(open_regular(self.path), "rb")
        except (OSError, Refused):
            return None

    def _replaced(self, file: BinaryIO) -> bool:
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(file.fileno()))
        except OSError:
            return True

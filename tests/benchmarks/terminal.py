"""A terminal of our own around a program: what it writes is counted, and kept as the text that would be seen."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

TOKEN = re.compile(r"\x1b\[(?P<args>[?<>=]?[\d;:]*)\$?(?P<end>[@-~])|\x1b[\]PX^_].*?(?:\x07|\x1b\\)|\x1b.|[\s\S]", re.S)
ASKS_SYNC, HAS_SYNC = "\x1b[?2026$p", b"\x1b[?2026;2$y"  # may frames be marked, so that they are drawn at once? yes


class Terminal:
    """A program on a pty of `columns` x `lines`. `bytes_at`: for each read, when it came and how long it was."""

    def __init__(
        self, command: Sequence[str], columns: int, lines: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.columns, self.lines = columns, lines
        self.rows = [[" "] * columns for _ in range(lines)]
        self.bytes_at: list[tuple[float, int]] = []
        self._at = [0, 0]
        self._rest = ""  # an escape sequence of which the end has not come yet
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        kind = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, start_new_session=True,
            env={**os.environ, **kind, **(environment or {})},
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def press(self, keys: str) -> float:
        """Type `keys`; returns the time."""
        os.write(self._ours, keys.encode())
        return perf_counter()

    def wait(self, seen: Callable[[str], bool], seconds: float = 30.0) -> float:
        """Read until `seen` is true of the screen's text; returns the time. Raises TimeoutError, EOFError."""
        end = perf_counter() + seconds
        while not seen(self.text):
            if not self.read(end - perf_counter()) and perf_counter() >= end:
                raise TimeoutError(self.text)
        return perf_counter()

    def read(self, seconds: float) -> bool:
        """Take what comes within `seconds`; whether anything came."""
        if not select.select([self._ours], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError as error:
            raise EOFError(f"The program has ended. The screen was:\n{self.text}") from error
        self.bytes_at.append((perf_counter(), len(data)))
        self._show(self._decode(data))
        return True

    def drain(self, seconds: float) -> None:
        """Read for that long."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            self.read(left)

    @property
    def text(self) -> str:
        return "\n".join("".join(row) for row in self.rows)

    def _show(self, text: str) -> None:
        if ASKS_SYNC in text:
            os.write(self._ours, HAS_SYNC)
        text, self._rest = whole(self._rest + text)
        for token in TOKEN.finditer(text):
            if token["end"] == "H":
                place = [int(part or 1) - 1 for part in (token["args"] or "1;1").split(";")]
                self._at = place if len(place) == 2 else [0, 0]
            elif len(token[0]) == 1:
                self._put(token[0])

    def _put(self, char: str) -> None:
        line, column = self._at
        if char == "\r":
            self._at[1] = 0
        elif char == "\n":
            self._at = [line + 1, 0]
        elif char >= " " and line < self.lines and column < self.columns:
            self.rows[line][column] = char
            self._at[1] += 1


def whole(text: str) -> tuple[str, str]:
    """Text up to an escape sequence that is not complete, and the rest."""
    start = text.rfind("\x1b")
    if start < 0 or re.match(r"\x1b(\[[?<>=\d;:$]*[@-~]|[^\[\]PX^_]|[\]PX^_].*(\x07|\x1b\\\\))", text[start:], re.S):
        return text, ""
    return text[:start], text[start:]

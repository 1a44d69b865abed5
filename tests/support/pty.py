"""A program on a pseudo-terminal: what it draws, what it leaves behind, how it ends."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Sequence

PATIENCE = 60.0  # seconds until something that was waited for is given up


class Pseudo:
    """`command` runs with a pseudo-terminal of `size` (columns, rows) as its stdin, stdout and stderr."""

    def __init__(self, command: Sequence[str], size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.output = b""
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        names = {"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.master)
            os.login_tty(self.slave)
            os.execvpe(command[0], list(command), {**os.environ, **names})
        self.status: int | None = None

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def write(self, data: bytes) -> None:
        os.write(self.master, data)

    def read(self, seconds: float = 0.05) -> None:
        """Take what the program draws, for as long as it does."""
        while select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                if data := os.read(self.master, 2**16):
                    self.output += data
                    continue
            return

    def wait_for(self, happened: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not happened():
            self.read()
            assert time.monotonic() < end, f"waited in vain for {what}; last drawn: {self.output[-2000:]!r}"

    def wait_for_text(self, text: str) -> None:
        self.wait_for(lambda: text.encode() in self.output, text)

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def wait(self) -> int:
        """The exit code, negative for a signal, once the program has ended."""
        self.wait_for(self.ended, "the end of the program")
        assert self.status is not None
        return self.status

    def restored(self) -> bool:
        """Whether the terminal is as it was: its modes too."""
        return self.undone() and termios.tcgetattr(self.slave) == self.before

    def undone(self) -> bool:
        """Whether there is the main screen, a cursor, no mouse reports."""
        on = [b"\x1b[?1049h", b"\x1b[?25l", b"\x1b[?1000h", b"\x1b[?2004h"]
        off = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l"]
        return all(self.output.rfind(b) > self.output.rfind(a) for a, b in zip(on, off, strict=True))

    def close(self) -> None:
        if not self.ended():
            self.send(signal.SIGKILL)
            self.wait()
        for end in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(end)

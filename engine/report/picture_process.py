"""The picture drawn in a process of its own, whose import of matplotlib overlaps what the engine does meanwhile."""

import subprocess
import sys
from subprocess import PIPE

import msgspec

from engine.report.picture import png
from engine.report.plot import Picture

COMMAND = (sys.executable, "-P", "-c", "from engine.report.picture import serve; serve()")
PNG = b"\x89PNG\r\n\x1a\n"
PATIENCE = 60  # seconds for a picture


class Painter:
    """Paints one picture after another. Started early, the first of them takes a fraction of a second."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and return at once. Where it cannot be started, `paint` does without."""
        if self._child is None:
            try:
                self._child = subprocess.Popen(self._command, stdin=PIPE, stdout=PIPE)
            except OSError:
                self._child = None

    def paint(self, plot: Picture) -> bytes:
        """The picture as PNG; drawn in this process where the other one fails."""
        self.start()
        child, self._child = self._child, None
        painted = _ask(child, msgspec.json.encode(plot)) if child else b""
        return painted if painted.startswith(PNG) else png(plot)

    def close(self) -> None:
        """End the process, if it waits for a picture still."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


def _ask(child: subprocess.Popen[bytes], question: bytes) -> bytes:
    """What the process answers; nothing where it fails or takes too long."""
    try:
        answer, _ = child.communicate(question, timeout=PATIENCE)
    except (subprocess.TimeoutExpired, OSError):
        child.kill()
        child.communicate()
        return b""
    return answer if child.returncode == 0 else b""

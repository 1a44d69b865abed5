"""Where a front end comes back to an engine that goes on by itself: a unix socket that only this user can reach."""

import contextlib
import os
import socket
from pathlib import Path

from engine.api.engine_socket import NAME, place
from engine.api.errors import NotWritten
from engine.api.safe_open import open_regular

BACKLOG = 4  # front ends that may wait to be accepted


class SocketListener:
    """Open while the engine runs without a front end; the socket's path is recorded in the run folder."""

    def __init__(self, run: Path) -> None:
        """Raises NotWritten where no socket can be made."""
        self._record = run / NAME
        self.path = place(run)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.unlink(missing_ok=True)  # of an engine that was killed; the run's lock is ours
            self._socket.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            self._socket.listen(BACKLOG)
            self._record_path()
        except OSError as error:
            self._socket.close()
            raise NotWritten(f"No front end can come back to this run: {error.strerror or error}.") from error

    def accept(self) -> socket.socket:
        """Wait for a front end of this user."""
        while True:
            found, _ = self._socket.accept()
            if _is_ours(found):
                return found
            found.close()

    def _record_path(self) -> None:
        """Record where the socket is, in a new file: what has the name is taken away, not written through."""
        self._record.unlink(missing_ok=True)
        with os.fdopen(open_regular(self._record, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(os.fsencode(self.path) + b"\n")

    def close(self) -> None:
        """Take the socket away, and word of it."""
        self._socket.close()
        for path in (self.path, self._record):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_ours(peer: socket.socket) -> bool:
    """Whether the same user is at the other end; true where the system does not tell, the folder keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], "little") == os.getuid()

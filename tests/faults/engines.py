"""Engines that are up at once: forked from one process that has imported Keras, so that hundreds can be killed.

`python engines.py SOCKET FAULT` takes the place of an engine's command: it hands its three descriptors over and ends
as the engine does.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve()


def stand_in(path: str, fault: str) -> None:
    """Have an engine serve this process's descriptors, and die as it dies."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(path)
        socket.send_fds(peer, [fault.encode()], [0, 1, 2])
        os.close(0)
        os.close(1)
        status = int(peer.recv(16) or b"-9")
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


class Nursery:
    """The process that engines are forked from, from `with` to its end."""

    def __init__(self, folder: Path) -> None:
        self.path = Path("/tmp") / f"lab3-engines-{secrets.token_hex(8)}"  # of a socket: 108 bytes at most
        self.log = folder / "engines.log"

    def command(self, fault: str = "none") -> tuple[str, ...]:
        """What to start in the place of an engine. `fault`: see `tests.faults.breaking.breaking`."""
        return (sys.executable, "-I", "-S", str(HERE), str(self.path), fault)

    def __enter__(self) -> "Nursery":
        code = "import sys; from tests.faults.engines import serve; serve(sys.argv[1])"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, str(self.path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while not self.path.exists():
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.path.unlink(missing_ok=True)


def serve(path: str) -> None:
    """Fork an engine for everybody who calls."""
    from engine.network import backend

    backend.configure("cpu")
    backend.load()
    import engine.__main__
    import engine.network.build
    import engine.network.evaluation
    import engine.network.pruned_tail
    import engine.report.picture
    import engine.run.open_run
    from engine import report

    assert engine.network.pruned_tail
    # no process that imports matplotlib: what it would draw is drawn here
    report.Painter = partial(report.Painter, ("true",))  # type: ignore[assignment, misc]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path + ".new")
        listener.listen(8)
        os.rename(path + ".new", path)
        while True:
            peer, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                keep(peer)
            peer.close()


def keep(peer: socket.socket) -> None:
    """Fork the engine, wait for its end, tell it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fault, descriptors, _, _ = socket.recv_fds(peer, 200, 3)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        peer.close()
        be_engine(fault.decode())
    for descriptor in descriptors:
        os.close(descriptor)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    peer.send(str(status).encode())
    os._exit(0)


def be_engine(fault: str) -> None:
    import engine.__main__
    from tests.faults.breaking import breaking

    try:
        breaking(fault)
        engine.__main__.main()
    finally:
        os._exit(70)


if __name__ == "__main__":
    stand_in(*sys.argv[1:])

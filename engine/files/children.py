"""Children of the inspector process: each shuts itself in before it does anything, and none outlives it."""

import contextlib
import errno
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

from engine.files import jail
from engine.files.finding import UNWRITTEN

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: ulimit -f


def start(work: Callable[[], None], limits: dict[str, int] | None = None) -> int:
    """Start a jailed child that does `work`. Gives its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            jail.die_with_parent()
            if os.getppid() != parent:
                os._exit(1)
            jail.enter(**limits or {})
            work()
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in FULL:
                os._exit(UNWRITTEN)
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return pid


def wait(pid: int, asker: socket.socket | None = None) -> int:
    """How a child ended: its exit code, or minus the signal. Others that have ended are let go on the way.

    Once nobody is at the other end of `asker` any more, the child is ended.
    """
    if asker is not None and _hung_up(pid, asker):
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return status


def _hung_up(pid: int, asker: socket.socket) -> bool:
    """Wait until the child has ended or nobody waits for it; whether it is the latter. Not told on old systems."""
    try:
        child = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        waiting = select.poll()
        waiting.register(child, select.POLLIN)
        waiting.register(asker, 0)  # a hang-up is told unasked
        return all(place != child for place, _ in waiting.poll())
    finally:
        os.close(child)

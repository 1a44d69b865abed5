"""Children of the inspector process: each shuts itself in before it does anything."""

import contextlib
import os
import sys
from collections.abc import Callable

from engine.files import jail


def start(work: Callable[[], None], limits: dict[str, int] | None = None) -> int:
    """Start a jailed child that does `work`. Gives its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            jail.enter(**limits or {})
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return pid


def wait(pid: int) -> int:
    """How a child ended: its exit code, or minus the signal. Others that have ended are let go on the way."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return status

"""Breaking the operations that write: at the n-th of them an error, or a kill, or half a write and then a kill."""

import errno
import os
import signal
import stat
from collections.abc import Callable
from typing import Any

WAYS = ("enospc", "eio", "short", "kill", "torn")
OPERATIONS = ("write", "pwrite", "fsync", "fdatasync", "ftruncate", "posix_fallocate", "replace", "rename", "mkdir")
REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in OPERATIONS}


class Breaker:
    """Counts the operations on regular files and names, and breaks the `at`-th in the given way.

    A full disk stays full: behind the first `enospc` everything that needs space fails. `eio` comes once, as does a
    `short` write.
    """

    def __init__(self, way: str, at: int) -> None:
        self.way, self.at, self.seen = way, at, 0

    @property
    def untouched(self) -> bool:
        return self.seen < self.at

    def wrapped(self, name: str) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if counts(args[0]):
                self.seen += 1
                if self.way == "short":
                    return self.half(name, args) if self.seen == self.at else REAL[name](*args, **kwargs)
                if self.seen == self.at or (self.seen > self.at and self.way == "enospc"):
                    self.act(name, args)
            return REAL[name](*args, **kwargs)

        return operation

    def half(self, name: str, args: tuple[Any, ...]) -> Any:
        """A write that takes only half of what it was given, and says so."""
        if name not in ("write", "pwrite"):
            return REAL[name](*args)
        return REAL[name](args[0], bytes(args[1])[: (len(args[1]) + 1) // 2], *args[2:])

    def act(self, name: str, args: tuple[Any, ...]) -> None:
        if self.way in ("kill", "torn"):
            if self.way == "torn" and name in ("write", "pwrite"):
                REAL[name](args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
            os.kill(os.getpid(), signal.SIGKILL)
        code = errno.ENOSPC if self.way == "enospc" else errno.EIO
        if self.way == "enospc" and name in ("ftruncate", "fsync", "fdatasync") and self.seen > self.at:
            return
        raise OSError(code, os.strerror(code))


def counts(target: Any) -> bool:
    """Whether an operation on this is one of a file: names always, descriptors where they are of files and folders."""
    if not isinstance(target, int):
        return True
    mode = os.fstat(target).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def breaking(fault: str) -> Breaker | None:
    """Break this process: "eio:12" is an I/O error at the twelfth operation; "none" breaks nothing."""
    if fault == "none":
        return None
    way, _, at = fault.partition(":")
    breaker = Breaker(way, int(at))
    for name in OPERATIONS:
        setattr(os, name, breaker.wrapped(name))
    return breaker


def mended() -> None:
    """Everything works again."""
    for name in OPERATIONS:
        setattr(os, name, REAL[name])

"""What the kernel takes from a process before it reads a file that may be hostile, and children that begin so.

Resource limits everywhere; on Linux also Landlock (no path can be opened) and seccomp (no network, no other process,
no other program). `missing()` says in one line what this machine lacks. Children of the inspector shut themselves in
before they do anything, and none outlives it.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable

from engine.file_safety.limits import ADDRESS_SPACE, CPU_SECONDS, WALL_SECONDS
from engine.file_safety.refusal import UNWRITTEN

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
LANDLOCK_VERSION = 1  # the flag that asks for the version
FILE_RIGHTS = (0, 13, 14, 15, 15, 16)  # how many kinds of access to files each Landlock version knows

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# what is needed to read an open file, to compute, to write a report and to end; numbers on x86-64 and on aarch64
SYSTEM_CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "lseek": (8, 62),
    "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66), "preadv": (295, 69),
    "pwritev": (296, 70), "preadv2": (327, 286), "ftruncate": (77, 46), "fadvise64": (221, 223),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233), "membarrier": (324, 283), "futex": (202, 98), "sched_yield": (24, 124),
    "rseq": (334, 293), "set_robust_list": (273, 99), "getrandom": (318, 278),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "nanosleep": (35, 101), "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169), "setitimer": (38, 103), "getpid": (39, 172), "gettid": (186, 178), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getrlimit": (97, 163), "getrusage": (98, 165),
    "sysinfo": (99, 179), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
FCNTL = (72, 25)
FCNTL_COMMANDS = (1, 2, 3)  # what an open file is like; not: send signals, watch folders, take leases
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE, SECOND_ARGUMENT = 0, 4, 24  # places in what the kernel shows a filter
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000

_libc = ctypes.CDLL(None, use_errno=True)


def enter(wall_seconds: int = WALL_SECONDS, cpu_seconds: int = CPU_SECONDS) -> None:
    """Shut this process in, for good: memory, time and what it may ask of the kernel.

    After this it can read and write the files it has open, and nothing else. What the kernel does not know is left
    out. Zero seconds: no limit.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(wall_seconds)
    _limit(resource.RLIMIT_AS, ADDRESS_SPACE)
    _limit(resource.RLIMIT_FSIZE, 2 * ADDRESS_SPACE)
    _limit(resource.RLIMIT_CORE, 0)
    if cpu_seconds:
        _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)  # first told by SIGXCPU, then killed
    if sys.platform == "linux":
        _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _shut_files()
        _shut_system_calls()


def die_with_parent() -> None:
    """From now on this process is ended when the thread that started it ends; only Linux knows how."""
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def missing() -> str | None:
    """One line that names the protection this machine lacks; None: all is there."""
    lacks = []
    if _landlock_version() < 1:
        lacks.append("Landlock")
    if not _has_seccomp():
        lacks.append("seccomp")
    if not lacks:
        return None
    return f"This system lacks {' and '.join(lacks)}: files are checked in a process with limits, but no jail."


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    now = resource.getrlimit(what)[1]
    ceiling = 2**62 if now == resource.RLIM_INFINITY else now
    resource.setrlimit(what, (min(soft, ceiling), min(hard or soft, ceiling)))


def _landlock_version() -> int:
    if sys.platform != "linux":
        return 0
    return int(_libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION))


def _shut_files() -> None:
    """A Landlock rule set that handles every kind of access and allows none."""
    version = _landlock_version()
    if version < 1:
        return
    files = (1 << FILE_RIGHTS[min(version, len(FILE_RIGHTS) - 1)]) - 1
    network = 3 if version >= 4 else 0
    scoped = 3 if version >= 6 else 0
    rules = struct.pack("=QQQ", files, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    descriptor = _libc.syscall(LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if descriptor >= 0:
        _libc.syscall(LANDLOCK_RESTRICT_SELF, descriptor, 0)
        _libc.close(descriptor)


def _has_seccomp() -> bool:
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return False
    # without a filter the call fails: with EFAULT where the kernel knows filters, with EINVAL where it does not
    return _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, None, 0, 0) < 0 and ctypes.get_errno() == errno.EFAULT


def _shut_system_calls() -> None:
    if platform.machine() not in ARCHITECTURES:
        return
    program = _filter(*ARCHITECTURES[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0)


def _filter(column: int, architecture: int) -> bytes:
    """A program for the kernel: kill foreign architectures, allow SYSTEM_CALLS, let all others fail."""
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    allowed = [numbers[column] for numbers in SYSTEM_CALLS.values()]
    apart = len(FCNTL_COMMANDS) + 1  # steps that look at what fcntl is asked for
    for place, number in enumerate(allowed):
        steps.append((JUMP_IF_EQUAL, len(allowed) - place + apart + 1, 0, number))
    steps.append((JUMP_IF_EQUAL, 0, apart, FCNTL[column]))
    steps.append((LOAD, 0, 0, SECOND_ARGUMENT))
    for place, command in enumerate(FCNTL_COMMANDS):
        steps.append((JUMP_IF_EQUAL, len(FCNTL_COMMANDS) - place, 0, command))
    steps += [(RETURN, 0, 0, FAIL), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # EFBIG: ulimit -f


def start(work: Callable[[], None], limits: dict[str, int] | None = None) -> int:
    """Start a jailed child that does `work`. Gives its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent()
            if os.getppid() != parent:
                os._exit(1)
            enter(**limits or {})
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

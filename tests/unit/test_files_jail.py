"""What a process can still do in the jail: read and write what it has open, and nothing else."""

import signal
import subprocess
import sys

import pytest

from engine.sandbox import jail

pytestmark = pytest.mark.e2e  # each in a process of its own
linux_only = pytest.mark.skipif(jail.missing() is not None, reason=f"{jail.missing()}")
PRELUDE = """
import errno, fcntl, mmap, os, resource, signal, socket, sys, threading, time
from engine.sandbox import jail
file = os.open(sys.argv[1], os.O_RDWR)
jail.enter({limits})
"""


def behind_bars(action: str, limits: str = "", file: str = __file__) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PRELUDE.format(limits=limits) + action, file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


FORBIDDEN = {
    "open a file": "os.open('/etc/hostname', os.O_RDONLY)",
    "open what it has open": "os.open(f'/proc/self/fd/{file}', os.O_RDONLY)",
    "make a file": "os.open('made-in-jail', os.O_CREAT | os.O_WRONLY)",
    "list a folder": "os.listdir('/')",
    "remove a file": "os.unlink('/nowhere/x')",
    "rename a file": "os.rename('/nowhere/x', '/nowhere/y')",
    "make a link": "os.symlink('/etc/passwd', 'link')",
    "a socket": "socket.socket()",
    "a local socket": "socket.socket(socket.AF_UNIX)",
    "fork": "os.fork()",
    "another program": "os.execv('/bin/true', ['true'])",
    "kill its parent": "os.kill(os.getppid(), 0)",
    "kill itself": "os.kill(os.getpid(), 9)",
    "a file in memory": "os.memfd_create('x')",
    "a pipe": "os.pipe()",
    "signals from a file": "fcntl.fcntl(file, fcntl.F_SETOWN, os.getppid())",
    "signals of its choice": "fcntl.fcntl(file, 10, 9)",
    "a lease": "fcntl.fcntl(file, 1024, 0)",
    "more memory by asking": "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
}


@linux_only
@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden(what: str) -> None:
    done = behind_bars(f"""
try:
    {FORBIDDEN[what]}
except (PermissionError, ValueError) as error:
    print("no")
""")
    assert (done.stdout, done.returncode) == ("no\n", 0), done.stderr


@linux_only
def test_no_threads() -> None:
    done = behind_bars("""
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no")
""")
    assert done.stdout == "no\n"


def test_allowed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "open"
    path.write_bytes(b"0123456789")
    done = behind_bars(
        """
held = mmap.mmap(-1, 2**24)
print(os.pread(file, 3, 2), os.read(file, 2), os.fstat(file).st_size, len(held))
os.pwrite(file, b"x", 0)
""",
        file=str(path),
    )
    assert done.stdout == "b'234' b'01' 10 16777216\n"
    assert path.read_bytes() == b"x123456789"


def test_memory_ends_at_a_gigabyte() -> None:
    done = behind_bars("""
try:
    bytearray(2**30)
except MemoryError:
    print("no")
""")
    assert done.stdout == "no\n"


def test_wall_clock() -> None:
    assert behind_bars("time.sleep(50)", "wall_seconds=1").returncode == -signal.SIGALRM


def test_processor_time() -> None:
    assert behind_bars("while True: pass", "cpu_seconds=1").returncode == -signal.SIGXCPU


def test_nothing_is_missing_or_it_is_named() -> None:
    line = jail.missing()
    assert line is None or (line.startswith("This system lacks ") and "\n" not in line)


@pytest.mark.parametrize(
    ("landlock", "seccomp", "words"),
    [(0, True, "lacks Landlock:"), (3, False, "lacks seccomp:"), (-1, False, "lacks Landlock and seccomp:")],
)
def test_what_is_missing_is_named(landlock: int, seccomp: bool, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "_landlock_version", lambda: landlock)
    monkeypatch.setattr(jail, "_has_seccomp", lambda: seccomp)
    line = jail.missing()
    assert line is not None and words in line


def test_every_kernel_gets_a_filter_of_its_own() -> None:
    programs = {jail._filter(*architecture) for architecture in jail.ARCHITECTURES.values()}
    assert len(programs) == 2
    assert {len(program) % 8 for program in programs} == {0}
    assert all(len(program) // 8 < 256 for program in programs)  # jumps reach that far

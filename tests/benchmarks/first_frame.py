"""How long until the workbench is on the screen: `python -m tests.benchmarks.first_frame [TIMES]`.

Starts the real program on a pseudo-terminal and waits for its first whole frame. The engine it starts is real, but
its folder is empty, so that nothing but the program itself is measured. Beside it, for comparison on the same
machine, a Textual app that shows one word.
"""

import os
import pty
import resource
import select
import signal
import statistics
import sys
import tempfile
import time

PROGRAM = (sys.executable, "-m", "tui")
ONE_WORD = (
    sys.executable,
    "-c",
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class One(App[None]):\n    def compose(self):\n        yield Static('Quit')\nOne().run()",
)


def first_frame(command: tuple[str, ...], last: bytes) -> tuple[float, float]:
    """Seconds from the start to the frame that ends in `last`, and the processor seconds spent by then and after."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONPATH=os.getcwd())
        os.chdir(tempfile.mkdtemp())
        os.execv(command[0], command)
    drawn = b""
    while last not in drawn and select.select([master], [], [], 20)[0]:
        drawn += os.read(master, 2**16)
    seconds = time.perf_counter() - begin
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert last in drawn, drawn[-500:]
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(times: int = 10) -> None:
    for name, command in (("one word in Textual", ONE_WORD), ("lab3-tui", PROGRAM)):
        walls, processor = zip(*(first_frame(command, b"Quit") for _ in range(times)), strict=True)
        print(
            f"{name:>20}: best {min(walls):.3f} s, median {statistics.median(walls):.3f} s; "
            f"processor at best {min(processor):.3f} s"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Why an engine died, in a sentence, and its last words without the known noise of libraries."""

import re
from collections.abc import Iterable

from tui.model.run_state import EngineDeath

# what TensorFlow and absl write before their words: a time, I W E or F, and a place in a file
LOGGED = re.compile(r"(?:\d{4}-\d\d-\d\d [\d:.]+: ([IWEF]) \S+\] )|(?:([IWEF])\d{4} [\d:.]+\s+\d+ \S+\] )")
NOISE = re.compile(
    "|".join(
        (
            r"All log messages before absl::InitializeLog\(\)",
            r"failed call to cuInit",
            r"Could not find cuda drivers",
            r"Cannot dlopen some GPU libraries",
            r"Unable to register cu\w+ factory",
            r"computation placer already registered",
            r"oneDNN custom operations are on",
            r"This TensorFlow binary is optimized",
            r"To enable the following instructions",
            r"TF-TRT Warning",
            r"TensorFloat-32",
            r"^\s*$",
        )
    )
)
RAISED = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Exit)): .+")  # the last line of a traceback
CRASHED = "A library that the engine computes with crashed"
BY_SIGNAL = {
    "SIGKILL": "Systems do that where memory runs out; --batch-size 256 or --feature-memory 500M take less. "
    "Or somebody ended it",
    "SIGSEGV": CRASHED,
    "SIGBUS": f"{CRASHED}, or a file that it read was cut short meanwhile",
    "SIGABRT": CRASHED,
    "SIGFPE": CRASHED,
    "SIGILL": "This processor lacks instructions that TensorFlow was built for",
    "SIGTERM": "Somebody ended it, or the machine's job system did",
    "SIGHUP": "The session that it was started from has gone",
    "SIGXCPU": "It had used up the processor time that this system allows",
    "SIGXFSZ": "A file would have become larger than this system allows",
}


def last_words(log: Iterable[str]) -> list[str]:
    """The end of the engine's log, without times, places, mere information and noise; what is said twice, once."""
    found: list[str] = []
    for line in log:
        mark = LOGGED.match(line)
        words = line[mark.end() :] if mark else line
        level = (mark[1] or mark[2]) if mark else ""
        if level != "I" and not NOISE.search(words) and found[-1:] != [words]:
            found.append(words)
    return found


def cause(death: EngineDeath) -> str:
    """Why the engine died, as far as anybody can tell: by the signal, or by what it said last. Empty for no idea."""
    words = last_words(death.tail)
    if any("out of memory" in line.lower() or line.startswith("MemoryError") for line in words):
        return "It ran out of memory: --batch-size 256 or --feature-memory 500M take less."
    if death.signal in BY_SIGNAL:
        return f"{BY_SIGNAL[death.signal]}."
    raised = next((line for line in reversed(words) if RAISED.fullmatch(line)), "")
    return f"It met {raised}" if raised else ""

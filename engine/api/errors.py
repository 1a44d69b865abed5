"""One class for each family of failure, with the exit code that scripts see. `str(error)` is one line for people."""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    THRESHOLD_MISSED = 1
    USAGE = (
        2  # usage, bad input, changed inputs, an output held by another run or left alone until a question is answered
    )
    ENGINE_NOT_STARTED = 3
    ENGINE_DIED = 4
    NOT_WRITTEN = 5
    ENGINE_ERROR = 6
    INTERRUPTED = 130
    HUNG_UP = 129
    TERMINATED = 143


HELD_ELSEWHERE = "This run is in use by another window; here it can only be looked at."


class LabError(Exception):
    """A failure that is told to the user in one line."""

    exit_code = ExitCode.ENGINE_ERROR


class Refused(LabError):
    """An input, a setting or an output that the program will not work with: what was `found`, and how to fix it."""

    exit_code = ExitCode.USAGE

    def __init__(self, found: str, fix: str = "") -> None:
        super().__init__(f"{found} {fix}" if fix else found)
        self.found = found


class Several(Refused):
    """More than one thing was refused; `lines` has a line for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(" ".join(lines))
        self.lines = tuple(lines)


class Foreign(Refused):
    """Files that no run here recorded are where B' would go. `files`: their names, escaped."""

    def __init__(self, found: str, fix: str, files: tuple[str, ...]) -> None:
        super().__init__(found, fix)
        self.files = files


class NotWritten(LabError):
    """Something could not be written; what was there before stands.

    `found` says what, `fix` what to do about it: whoever knows better than the writer puts another in its place.
    """

    exit_code = ExitCode.NOT_WRITTEN

    def __init__(self, found: str, fix: str = "") -> None:
        super().__init__(f"{found} {fix}".rstrip())
        self.found = found


class EngineNotStarted(LabError):
    """The engine process did not come up."""

    exit_code = ExitCode.ENGINE_NOT_STARTED


class EngineDied(LabError):
    """The engine process is gone."""

    exit_code = ExitCode.ENGINE_DIED

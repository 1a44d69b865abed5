"""One class for each family of failure, with the exit code that scripts see. `str(error)` is one line for people."""

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


class LabError(Exception):
    """A failure that is told to the user in one line."""

    exit_code = ExitCode.ENGINE_ERROR


class Refused(LabError):
    """An input, a setting or an output that the program will not work with."""

    exit_code = ExitCode.USAGE


class NotWritten(LabError):
    """Something could not be written; what was there before stands."""

    exit_code = ExitCode.NOT_WRITTEN


class EngineNotStarted(LabError):
    """The engine process did not come up."""

    exit_code = ExitCode.ENGINE_NOT_STARTED


class EngineDied(LabError):
    """The engine process is gone."""

    exit_code = ExitCode.ENGINE_DIED

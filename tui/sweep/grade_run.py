"""What a worker does with a submission: an engine judges its networks, and what is known of each is kept at once."""

import asyncio
import os
import time
from pathlib import Path

import msgspec

from engine.api import protocol as p
from engine.api.atomic_file import write_atomically
from engine.api.client import EngineClient
from engine.api.errors import EngineDied, EngineNotStarted, ExitCode, LabError, Refused
from engine.api.escape import SHORT, escape
from engine.api.process import ENGINE_COMMAND
from engine.api.safe_open import open_regular
from tui.headless.driver import CommandFailed, Driver
from tui.model.options import scale
from tui.sweep.cell_run import ATTEMPTS, PATIENCE, Mute, Outcome, Told
from tui.sweep.shared_files import SweepStopped, Token, UnfitWorker, refuse_stopped, refuse_unshared
from tui.sweep.submissions import Inputs, Submitted

GRADED = "graded"  # the folder of what is known, a file a network
ANSWERS = "badnet-answers"
KNOWN_LIMIT = 2**20  # bytes of such a file


class GradeTask(msgspec.Struct, frozen=True, tag="grade"):
    """The networks of one submission, as they travel to a worker. `folder`: where grades go."""

    name: str
    files: tuple[Submitted, ...]
    inputs: Inputs
    folder: str
    token: Token
    batch_size: int = 2048
    device: str | None = None
    command: tuple[str, ...] | None = None  # None: this installation's engine at the worker


def known(folder: Path, file: Submitted) -> p.Graded | None:
    """What is known of a network, as it was kept."""
    if file.refusal:
        return p.Graded(0, refusal=file.refusal)
    try:
        with os.fdopen(open_regular(folder / GRADED / f"{file.identity}.json"), "rb") as kept:
            return msgspec.json.decode(kept.read(KNOWN_LIMIT), type=p.Graded)
    except (OSError, Refused, msgspec.DecodeError):
        return None


def keep(folder: Path, file: Submitted, found: p.Graded) -> None:
    """Raises NotWritten."""
    write_atomically(folder / GRADED / f"{file.identity}.json", msgspec.json.encode(found))


def grade_cell(task: GradeTask, told: Told) -> Outcome:
    """Judge what is not known yet. An engine that dies at a network is started anew, three times."""
    begin, folder = time.monotonic(), Path(task.folder)
    deaths: dict[str, int] = {}
    try:
        refuse_unshared(task.token)
        while left := [file for file in task.files if known(folder, file) is None]:
            try:
                asyncio.run(_judged(task, left, told))
            except SweepStopped as stopped:
                return Outcome("failed", str(stopped))
            except LabError as error:
                suspect = next((file for file in left if known(folder, file) is None), None)
                if suspect is None:
                    continue
                if isinstance(error, CommandFailed) and error.exit_code == ExitCode.USAGE:
                    return Outcome("refused", str(error))  # the BadNet or the images themselves
                deaths[suspect.identity] = deaths.get(suspect.identity, 0) + 1
                if deaths[suspect.identity] == ATTEMPTS:
                    name = escape(Path(suspect.path).name, SHORT)
                    keep(folder, suspect, p.Graded(0, refusal=f"{name}: {error} ({ATTEMPTS} attempts)"))
    except UnfitWorker as unfit:
        return Outcome("failed", str(unfit), unfit=True)
    except LabError as error:
        return Outcome("failed", str(error), again=True)
    return msgspec.structs.replace(outcome_of(task), seconds=time.monotonic() - begin)


def outcome_of(task: GradeTask) -> Outcome:
    """How the networks of a submission came out together."""
    refused = [found for file in task.files if (found := known(Path(task.folder), file)) and found.refusal]
    if len(refused) == len(task.files):
        return Outcome("refused", str(refused[0].refusal))
    return Outcome("done", f"{len(refused)} of {len(task.files)} networks refused" if refused else "")


async def _judged(task: GradeTask, files: list[Submitted], told: Told) -> None:
    """Judge these networks in one engine. Raises LabError."""
    folder, inputs = Path(task.folder), task.inputs
    client = EngineClient(task.command or ENGINE_COMMAND)

    def heard(event: p.AnyEvent) -> None:
        if isinstance(event, p.Graded):
            file = files[event.number]
            if event.sha256 not in ("", file.sha256):
                event = p.Graded(event.number, refusal=f"{file.file}: changed while it was judged. Grade again.")
            keep(folder, file, msgspec.structs.replace(event, number=0))
            told(event.number + 1, len(files), file.file)
            refuse_stopped(task.token)

    driver = Driver(client, Mute(), heard)
    command = p.Grade(
        inputs.badnet, inputs.valid, inputs.test, inputs.poisoned, tuple(file.path for file in files),
        str(folder / ANSWERS), scale(inputs.scale), task.batch_size, task.device,
    )  # fmt: skip
    try:
        await client.start()
        await driver.perform(command)
    except (EngineDied, EngineNotStarted) as died:
        lines = client.ending.log_tail[-1:] if client.ending else ()
        raise type(died)(f"{died}{f' Its last words: {escape(lines[0])}' if lines else ''}") from died
    finally:
        await client.close(PATIENCE)

"""Cells handed out to workers until each has come to its end; what happens meanwhile goes into the record."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine.api.errors import EngineDied, LabError, Refused
from engine.api.escape import escape
from tui.model.sweep_state import AnySweepEvent, WorkersChanged, decode_sweep, encode_sweep
from tui.sweep.cell_run import ATTEMPTS, Outcome
from tui.sweep.shared_files import Token
from tui.sweep.worker_task import AnyTask, compute, look

LOOK = 1.0  # seconds between two looks at which workers there are


class SchedulerLost(EngineDied):
    """Dask's scheduler has gone in the middle of a sweep."""


class Record:
    """The file that watchers read, written anew by each sweep."""

    def __init__(self, path: Path) -> None:
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        self._file = open(beside, "xb", buffering=0)  # noqa: SIM115 - closed with the sweep
        os.replace(beside, path)  # whoever reads the one before sees that it is another file

    def add(self, event: AnySweepEvent) -> None:
        """A line; one that cannot be written is missed by watchers only."""
        with contextlib.suppress(OSError):
            self._file.write(encode_sweep(event) + b"\n")

    def close(self) -> None:
        self._file.close()


class Dispatcher:
    """Hands out tasks. `ended` hears how each came out, `happened` everything else."""

    def __init__(
        self,
        client: Any,
        token: Token,
        happened: Callable[[AnySweepEvent], None],
        ended: Callable[[int, Outcome], None],
    ) -> None:
        self.client, self.token = client, token
        self.happened, self.ended = happened, ended
        self.workers: dict[str, str] = {}

    async def run(self, phases: Sequence[Mapping[int, AnyTask]]) -> None:
        """One phase after the other, until every task has come to its end.

        Raises Refused for workers that see other files, SchedulerLost.
        """
        self.client.subscribe_topic(self.token.topic, self.heard)
        watching = asyncio.create_task(self.watch())
        try:
            await self.first_worker()
            for tasks in phases:
                await self.phase(tasks)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def phase(self, tasks: Mapping[int, AnyTask]) -> None:
        """Raises Refused where a worker that came later is unfit: it would fail at all that it is given."""
        from distributed import as_completed

        attempts = dict.fromkeys(tasks, 1)
        futures = {self.submit(number, task, 1): number for number, task in tasks.items()}
        completed = as_completed(list(futures), loop=self.client.loop)
        async for future in completed:
            number = futures.pop(future)
            outcome = await self.outcome(future)
            if outcome.unfit:
                raise Refused(outcome.reason)
            if outcome.again and attempts[number] < ATTEMPTS:
                attempts[number] += 1
                again = self.submit(number, tasks[number], attempts[number])
                futures[again] = number
                completed.add(again)
            else:
                self.ended(number, told_how_often(outcome, attempts[number]))

    def submit(self, number: int, task: AnyTask, attempt: int) -> Any:
        encoded = msgspec.json.encode(task)
        key = f"cell-{number}-{attempt}-{self.token.holds[:8]}"
        return self.client.submit(compute, encoded, number, attempt, key=key, pure=False, priority=-number)

    async def outcome(self, future: Any) -> Outcome:
        """What a worker made of a task; a worker that died under it is a failure as well."""
        from distributed import KilledWorker

        if future.status == "finished":
            return msgspec.json.decode(await future.result(), type=Outcome)
        if future.status == "error":
            error = await future.exception()
            if isinstance(error, KilledWorker):
                return Outcome("failed", f"The worker died {ATTEMPTS} times at this cell.")
            words = escape(" ".join(str(error).split()), 300)
            return Outcome("failed", f"The worker failed: {type(error).__name__}: {words}", again=True)
        raise SchedulerLost("Dask's scheduler has gone.")

    async def first_worker(self) -> None:
        """Wait for a worker, and look whether those there are see the sweep's files."""
        while not await self.seen():
            if self.client.status not in ("running", "connecting"):
                raise SchedulerLost("Dask's scheduler has gone.")
            await asyncio.sleep(0.1)
        answers = await self.client.run(look, msgspec.json.encode(self.token))
        for refusal in filter(None, answers.values()):
            raise Refused(refusal)

    async def seen(self) -> bool:
        """Whether there is a worker; the record is told where others came or went."""
        try:
            info = await self.client.scheduler.identity(n_workers=-1)
        except (OSError, LabError):
            return False
        now = {escape(str(at["name"]), 60): escape(str(at["host"]), 60) for at in info["workers"].values()}
        if now != self.workers:
            self.workers = now
            self.happened(WorkersChanged(now))
        return bool(now)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self.seen()

    async def heard(self, event: tuple[float, str]) -> None:
        """A worker tells of its cell."""
        found = decode_sweep(event[1].encode())
        if found is not None:
            self.happened(found)


def told_how_often(outcome: Outcome, attempts: int) -> Outcome:
    """The outcome of the last attempt, with how many there were where all failed."""
    if outcome.state != "failed" or attempts == 1:
        return outcome
    return msgspec.structs.replace(outcome, reason=f"{outcome.reason} ({attempts} attempts)")


def now() -> float:
    """Seconds since 1970."""
    return time.time()

"""What travels to a worker: bytes in, bytes out, so that no type of this program has to be pickled."""

import socket
from typing import Any

import msgspec

from engine.api.escape import escape
from tui.model.sweep_state import CellBegan, CellStep, encode_sweep
from tui.sweep.cell_run import Task, run_cell
from tui.sweep.grade_run import GradeTask, grade_cell
from tui.sweep.shared_files import Token, UnfitWorker, refuse_unshared

AnyTask = Task | GradeTask
decode_task = msgspec.json.Decoder(AnyTask).decode


def compute(encoded: bytes, cell: int, attempt: int) -> bytes:
    """Compute a cell, telling the scheduler how far it is. Returns an Outcome as JSON."""
    from distributed import get_worker

    worker, task = get_worker(), decode_task(encoded)

    def tell(event: CellBegan | CellStep) -> None:
        worker.log_event(task.token.topic, encode_sweep(event).decode())

    tell(CellBegan(cell, worker_name(worker), attempt))

    def told(done: int, total: int, text: str) -> None:
        tell(CellStep(cell, done, total, text))

    found = run_cell(task, told) if isinstance(task, Task) else grade_cell(task, told)
    return msgspec.json.encode(found)


def worker_name(worker: Any) -> str:
    """The name that a worker goes by in tables: its own, and the machine it is on."""
    return escape(f"{worker.name} on {socket.gethostname()}", 60)


def look(encoded: bytes) -> str:
    """Whether this worker sees the sweep's files, and has the same versions; empty where it does, else why not."""
    try:
        refuse_unshared(msgspec.json.decode(encoded, type=Token))
    except UnfitWorker as unfit:
        return str(unfit)
    return ""

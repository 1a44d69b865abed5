"""A sweep in the middle, as its record tells it; nothing of it is computed."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tui.model.sweep_state import (
    NAME,
    AnySweepEvent,
    Cell,
    CellBegan,
    CellEnded,
    CellStep,
    Planned,
    Score,
    WorkersChanged,
    encode_sweep,
)

MODELS, LAYERS = ("nets/plain.h5", "nets/aware.h5"), ("conv_2", "conv_3")
ORDERS = (("mean", None), ("clp", None), ("tac", None), *((f"random:{seed}", seed) for seed in range(3)))


def cells() -> tuple[Cell, ...]:
    """Two networks, two layers, four orders, one of them with three seeds."""
    found = [(model, layer, order, seed) for model in MODELS for layer in LAYERS for order, seed in ORDERS]
    return tuple(
        Cell(at, model, layer, order, seed, f"cell-{at}") for at, (model, layer, order, seed) in enumerate(found)
    )


def script(run: str = "", pid: int = 0, started: float = 1000.0) -> Iterator[AnySweepEvent]:
    """Some cells are done, one was refused, one failed, two are under way."""
    yield Planned("Sweep of two", cells(), started, pid or os.getpid(), socket.gethostname(), ("a note",))
    yield WorkersChanged({"0": "127.0.0.1", "1": "127.0.0.1"})
    for number in range(6):
        yield CellBegan(number, f"{number % 2} on here", 1)
        yield CellEnded(number, "done", "", run, 9.5, number == 0, Score(0.1 * number, 12, 3.5, 40.0))
    yield CellEnded(6, "refused", "aware.h5: layer 'conv_2' cannot be pruned: it is not on every path.")
    yield CellBegan(7, "0 on here", 3)
    yield CellEnded(7, "failed", "The engine was killed by SIGKILL. (3 attempts)", seconds=2.0)
    yield CellBegan(8, "0 on here", 1)
    yield CellStep(8, 12, 60, "valid 97.8  ASR 99.4")
    yield CellBegan(9, "1 on here", 2)


def write_record(folder: Path, events: Iterator[AnySweepEvent]) -> Path:
    path = folder / NAME
    with path.open("ab") as file:
        for event in events:
            file.write(encode_sweep(event) + b"\n")
    return path

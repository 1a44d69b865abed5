"""The real engine, but for Keras: files, journal and commands are real, and answers are simple arithmetic.

It is up in a second. For `small_lab`, a network of four channels: they go in the order 0, 1, 2, 3 and cost 10, 20, 30
and 40 points, whatever was pruned before.
"""

from concurrent.futures import Future
from typing import Any

import numpy as np

import engine.run.open_run
from engine.api import protocol as p
from engine.network import backend
from engine.run.run import Run

OWNERS = np.array(
    [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
)  # image i is answered rightly as long as channel OWNERS[i % 10] is there


class PlainEvaluator:
    def __init__(self, run: Run) -> None:
        self.stepped, self.classes = run.inputs.stepped, run.inputs.classes
        self.labels = np.concatenate([data.labels for data in run.inputs.sets.values()])

    def of(self, rows: slice, pruned: np.ndarray, check: Any) -> np.ndarray:
        wrong = pruned[OWNERS[np.arange(len(self.labels)) % 10]][rows]
        return ((self.labels[rows] + wrong) % self.classes).astype("uint16")

    def all(self, pruned: np.ndarray, check: Any) -> np.ndarray:
        check()
        return self.of(slice(0, self.stepped), pruned, check)

    def after(self, before: np.ndarray, pruned: np.ndarray, channel: int, check: Any) -> tuple[np.ndarray, int]:
        return self.all(pruned, check), self.stepped


def do_without_keras() -> None:
    """Put arithmetic in the place of Keras, in this process."""
    done: Future[None] = Future()
    done.set_result(None)
    engine.run.open_run.import_keras = lambda device: done
    backend.name = lambda: "plain"  # type: ignore[assignment]
    backend.device_name = lambda: "cpu"  # type: ignore[assignment]
    Run.evaluator = property(PlainEvaluator)  # type: ignore[assignment]
    Run.rank = lambda run: p.Ranked((0, 1, 2, 3), False, (0.0, 1.0, 2.0, 3.0), (1,) * 4, (1,) * 4)  # type: ignore[method-assign]


if __name__ == "__main__":
    from engine.__main__ import main

    do_without_keras()
    main()

"""What happens in a sweep, as its record tells it, and the state that screens and tables show.

The process that hands out cells writes one event a line into FOLDER/sweep.jsonl; whoever watches reads them there. The
record is for watching only: which cells are done, their own journals say.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

NAME = "sweep.jsonl"
CellState = Literal["waiting", "running", "done", "refused", "failed"]
STATES: tuple[CellState, ...] = ("waiting", "running", "done", "refused", "failed")


class Cell(msgspec.Struct, frozen=True):
    """One combination of a plan, in words fit to be shown. `folder`: its name under FOLDER/cells; empty if refused."""

    number: int  # place in the plan, from 0
    model: str
    layer: str
    order: str
    seed: int | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        """The cell in one line; `random:3` names its seed already."""
        seed = () if self.seed is None or self.order.startswith("random:") else (f"seed {self.seed}",)
        return "  ".join(part for part in (self.model, self.layer, self.order, *seed) if part)


class Score(msgspec.Struct, frozen=True):
    """The step of a run's curve where clean validation accuracy minus ASR is largest; looks at poisoned images."""

    value: float  # from -1 to 1
    step: int
    drop: float  # percentage points of clean validation accuracy
    asr: float  # percent


class SweepEvent(msgspec.Struct, frozen=True, tag_field="event"):
    """A line of the record."""


class Planned(SweepEvent, frozen=True, tag="planned"):
    """The first line: all cells, in order. `pid`: the process that hands them out, on `host`."""

    title: str
    cells: tuple[Cell, ...]
    started: float  # seconds since 1970
    pid: int
    host: str
    notes: tuple[str, ...] = ()


class WorkersChanged(SweepEvent, frozen=True, tag="workers"):
    """The workers there are: by name, the machine that each is on."""

    workers: dict[str, str]


class CellBegan(SweepEvent, frozen=True, tag="began"):
    """A worker takes a cell, for the `attempt`-th time."""

    cell: int
    worker: str
    attempt: int


class CellStep(SweepEvent, frozen=True, tag="step"):
    """How far a cell has come: `text` in words, `done` of `total`."""

    cell: int
    done: int
    total: int
    text: str


class CellEnded(SweepEvent, frozen=True, tag="ended"):
    """A cell came to `state`. `known`: it was done before this sweep began. `run`: its run folder."""

    cell: int
    state: CellState
    reason: str = ""
    run: str = ""
    seconds: float = 0.0
    known: bool = False
    score: Score | None = None


class SweepOver(SweepEvent, frozen=True, tag="over"):
    """Nothing more is handed out. `why`: in one line; empty where every cell came to its end."""

    why: str
    at: float  # seconds since 1970


AnySweepEvent = Planned | WorkersChanged | CellBegan | CellStep | CellEnded | SweepOver
_decode: Callable[[bytes], AnySweepEvent] = msgspec.json.Decoder(AnySweepEvent).decode
encode_sweep = msgspec.json.Encoder().encode


def decode_sweep(line: bytes) -> AnySweepEvent | None:
    """The event of a line; None for one that is torn, or of another version."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Progress(msgspec.Struct, frozen=True):
    """What is known of a cell beyond its words."""

    state: CellState = "waiting"
    worker: str = ""
    attempt: int = 0
    done: int = 0
    total: int = 0
    text: str = ""
    reason: str = ""
    run: str = ""
    seconds: float = 0.0
    known: bool = False
    score: Score | None = None


class SweepState(msgspec.Struct, frozen=True):
    """A sweep as its record tells it so far."""

    title: str = ""
    cells: tuple[Cell, ...] = ()
    progress: Mapping[int, Progress] = MappingProxyType({})
    workers: Mapping[str, str] = MappingProxyType({})
    started: float = 0.0
    pid: int = 0
    host: str = ""
    notes: tuple[str, ...] = ()
    over: SweepOver | None = None

    def of(self, cell: int) -> Progress:
        return self.progress.get(cell, Progress())

    def count(self, state: CellState) -> int:
        return sum(self.of(cell.number).state == state for cell in self.cells)

    @property
    def best(self) -> Cell | None:
        """The cell with the largest score; of equal ones the first in the plan."""
        scored = [cell for cell in self.cells if self.of(cell.number).score is not None]
        return max(scored, key=lambda cell: (self.score(cell), -cell.number), default=None)

    def score(self, cell: Cell) -> float:
        found = self.of(cell.number).score
        return -2.0 if found is None else found.value

    @property
    def computed(self) -> int:
        """Cells that came to their end in this sweep, not before it."""
        ended = (self.of(cell.number) for cell in self.cells)
        return sum(at.state in ("done", "failed") and not at.known for at in ended)

    def cells_a_minute(self, now: float) -> float:
        """Throughput since the sweep began."""
        passed = (self.over.at if self.over else now) - self.started
        return 60 * self.computed / passed if passed > 0 else 0.0


def reduce_sweep(state: SweepState, event: AnySweepEvent) -> SweepState:
    """The state after an event."""
    match event:
        case Planned():
            return SweepState(event.title, event.cells, {}, {}, event.started, event.pid, event.host, event.notes)
        case WorkersChanged():
            return msgspec.structs.replace(state, workers=event.workers)
        case CellBegan():
            return _with(state, event.cell, Progress("running", event.worker, event.attempt))
        case CellStep():
            was = state.of(event.cell)
            if was.state != "running":
                return state
            at = msgspec.structs.replace(was, done=event.done, total=event.total, text=event.text)
            return _with(state, event.cell, at)
        case CellEnded():
            was = state.of(event.cell)
            ended = Progress(
                event.state, was.worker, was.attempt, was.total, was.total, "", event.reason, event.run, event.seconds,
                event.known, event.score,
            )  # fmt: skip
            return _with(state, event.cell, ended)
        case SweepOver():
            return msgspec.structs.replace(state, over=event)


def _with(state: SweepState, cell: int, progress: Progress) -> SweepState:
    return msgspec.structs.replace(state, progress={**state.progress, cell: progress})

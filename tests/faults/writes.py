"""Break every write, sync and rename of what a run saves, one after the other, until a run passes untouched.

`python -m tests.faults.writes --count 60`. First each kind of file by itself, exhaustively; then whole runs of the
program, at random operations.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from engine.api import journal
from engine.api.atomic_file import sha256_file, write_atomically
from engine.api.errors import ExitCode, LabError, NotWritten
from engine.api.journal import Journal
from engine.api.protocol import AnyEvent, Began, Counts, Saved, Settings, Stepped
from engine.architecture.description import ModelFile
from engine.network.evaluation import ImageSet
from engine.run.answer_store import AnswersFile
from engine.run.recorder import Recorder
from engine.run.run import Run
from engine.run.saving import Saver
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes
from tests.faults import breaking, labs
from tests.faults.engines import Nursery
from tests.faults.kills import DONE, how_to_go_on, start, undisturbed
from tests.support.model_files import CLASSES, write_h5

Tell = Callable[[], None]
OLD, NEW = b"old" * 900, b"new!" * 3000
EVENTS: list[AnyEvent] = [
    Began(Settings("/lab", "/lab/models/bd_net.h5", "/lab/data/cl/valid.h5"), {"model": "a" * 64}, {}, "2026-01-02"),
    *(Stepped(step, step - 1 if step else None, Counts(90 - step)) for step in range(4)),
]
KEYS = [bytes([number]) for number in range(4)]


@dataclass(frozen=True)
class Scenario:
    """Something that writes. `work` tells of each thing it has put on disk; `check` gets how many it told of.

    `prepare` makes what is there before; it gets an empty folder. What was broken is worked again afterwards.
    """

    name: str
    prepare: Callable[[Path], object]
    work: Callable[[Path, Tell], object]
    check: Callable[[Path, int], object]
    whole: int  # how often `work` tells, undisturbed


def write_file(folder: Path, tell: Tell) -> None:
    write_atomically(folder / "model_prune_2.h5", NEW, "B′")
    tell()


def check_file(folder: Path, told: int) -> None:
    content = (folder / "model_prune_2.h5").read_bytes()
    assert content == NEW or (content == OLD and not told), "neither the old file nor the new one"


def write_journal(folder: Path, tell: Tell) -> None:
    there = len(journal.events(folder))
    file = Journal.resume(folder)
    for event in EVENTS[:there]:
        assert event
        tell()
    for event in EVENTS[there:]:
        file.append(event)
        tell()
    file.close()


def check_journal(folder: Path, told: int) -> None:
    events = journal.events(folder)
    assert len(events) >= told, "an event that was recorded is lost"
    assert events == EVENTS[: len(events)], "the journal tells of something else"


def some_answers(key: bytes) -> np.ndarray:
    return np.arange(100, dtype="uint16") + key[0]


def write_answers(folder: Path, tell: Tell) -> None:
    file = AnswersFile(folder / "answers.bin", 100, 8)
    try:
        for key in KEYS:
            file[key] = some_answers(key)
            tell()
    finally:
        os.close(file.file)


def check_answers(folder: Path, told: int) -> None:
    file = AnswersFile(folder / "answers.bin", 100, 8)
    try:
        assert len(file) >= told, "answers are lost"
        assert all(np.array_equal(found, some_answers(key)) for key, found in file.items()), "other answers"
    finally:
        os.close(file.file)


@cache
def small_model(folder: Path) -> ModelFile:
    """A model that the scenarios in one folder share."""
    return read_model(write_h5(folder / "bd_net.h5"))


def small_run(folder: Path) -> tuple[Saver, Recorder]:
    """A run that has come to step 2, as far as saving looks at one."""
    model = small_model(folder.parent)
    recorder = Recorder(lambda event: None)
    recorder.resume(folder / "run", journal.events(folder / "run"))
    keys = [b"\0", b"\1", b"\2"]
    rows = {"test": ImageSet(slice(0, 10), np.zeros(10, "int64"))}
    session = SimpleNamespace(
        order_by="", order=(2, 0, 1, 3), key=keys.__getitem__, answers={key: some_answers(key) for key in keys}
    )
    inputs = SimpleNamespace(model=model, layer="conv_1", suffix=".h5", classes=CLASSES)
    settings = Settings(str(folder), str(model.path), "", out=str(folder), runs=str(folder))
    run = SimpleNamespace(
        settings=settings,
        folder=folder / "run",
        inputs=inputs,
        session=session,
        image_sets=rows,
        b_answers=some_answers(b"\0"),
    )
    return Saver(cast(Run, run), recorder), recorder


def prepare_save(folder: Path) -> None:
    (folder / "run").mkdir()
    Journal.create(folder / "run").close()
    small_model(folder.parent)  # read before anything is broken


def save(folder: Path, tell: Tell) -> None:
    saver, recorder = small_run(folder)
    try:
        assert saver.model("model_prune_2.h5", 2, "2"), "taken for somebody else's file"
        tell()
        for name in ("curve.csv", "report.md"):
            saver.results([(name, NEW)])
            tell()
    finally:
        recorder.stop()


def check_save(folder: Path, told: int) -> None:
    path, events = folder / "model_prune_2.h5", journal.events(folder / "run")
    saved = [event for event in events if isinstance(event, Saved)]
    assert len(events) == len(saved) >= told
    assert all(sha256_file(Path(event.path)) == event.sha256 for event in saved), "not what the journal says"
    if path.exists():
        assert path.read_bytes() == pruned_bytes(small_model(folder.parent), "conv_1", [2, 0]), "a half B′"
    results = [each for each in (folder / "run").glob("[!.]*") if each.suffix in (".csv", ".md")]
    assert all(each.read_bytes() == NEW for each in results), "a half file"


def put_old(folder: Path) -> None:
    (folder / "model_prune_2.h5").write_bytes(OLD)


SCENARIOS = (
    Scenario("a file", put_old, write_file, check_file, 1),
    Scenario("journal", lambda folder: None, write_journal, check_journal, len(EVENTS)),
    Scenario("answers", lambda folder: None, write_answers, check_answers, len(KEYS)),
    Scenario("a save", prepare_save, save, check_save, 3),
)


def one_fault(scenario: Scenario, way: str, at: int, folder: Path) -> bool:
    """Break the scenario once, look at what is left, and work again. Returns whether the fault was met."""
    scenario.prepare(folder)
    told, met = (killed if way in ("kill", "torn") else failed)(scenario, f"{way}:{at}", folder)
    scenario.check(folder, told)
    again: list[None] = []
    scenario.work(folder, lambda: again.append(None))
    assert len(again) == scenario.whole
    scenario.check(folder, scenario.whole)
    return met


def failed(scenario: Scenario, fault: str, folder: Path) -> tuple[int, bool]:
    """In this process: an error has to come out as one line."""
    told: list[None] = []
    breaker = breaking.breaking(fault)
    assert breaker is not None
    try:
        scenario.work(folder, lambda: told.append(None))
        assert breaker.untouched or len(told) == scenario.whole
    except NotWritten as error:
        assert str(error).isprintable() and ". " in str(error), f"no line for people: {error}"
    finally:
        breaking.mended()
    return len(told), not breaker.untouched


def killed(scenario: Scenario, fault: str, folder: Path) -> tuple[int, bool]:
    """In a process of its own, which tells by a pipe how far it came."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            breaking.breaking(fault)
            scenario.work(folder, lambda: cast(None, breaking.REAL["write"](writing, b".")))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = len(pipe.read())
    return told, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def every_fault(scenario: Scenario, way: str, folder: Path) -> int:
    """Break the first operation, the second and so on, until the scenario passes untouched; returns how many."""
    for at in range(1, 1000):
        place = folder / f"{scenario.name}-{way}-{at}".replace(" ", "-")
        place.mkdir()
        if not one_fault(scenario, way, at, place):
            return at - 1
    raise AssertionError("it never passes untouched")


# --- whole runs ---------------------------------------------------------------------------------------------------


@dataclass
class Broken:
    """What came of faults in whole runs."""

    faults: Counter[str] = field(default_factory=Counter)
    untouched: int = 0
    runs: int = 0
    losses: list[str] = field(default_factory=list)


def judged(way: str, code: int, words: str, lab: Path) -> list[str]:
    """What is wrong about how a broken run ended: `words` it said on stderr."""
    wrong = [f"a traceback: {words[-600:]}"] if "Traceback" in words else []
    if way in ("kill", "torn"):
        return wrong if code in (ExitCode.ENGINE_DIED, ExitCode.ENGINE_NOT_STARTED) else [*wrong, f"{way}: exit {code}"]
    begun = labs.newest_run(lab) is not None
    if code == ExitCode.NOT_WRITTEN or (code == ExitCode.USAGE and not begun) or code in DONE:
        return wrong
    return [*wrong, f"{way}: exit {code}: {words[-600:]}"]


def logs(lab: Path) -> list[str]:
    """Failures of the engine that were none of writing."""
    found = [path.read_text(errors="replace") for path in (lab / "runs").glob("*/engine.log")]
    return [f"in engine.log: {text[-600:]}" for text in found if "Traceback" in text]


def broken_run(lab: Path, nursery: Nursery, rng: random.Random, result: Broken, log: Path, faults: int) -> None:
    """One run, broken `faults` times on its way, then let go on to its end."""
    for left in range(faults, -1, -1):
        way, at = rng.choice(breaking.WAYS), rng.choice((rng.randrange(1, 30), rng.randrange(1, 150)))
        fault = f"{way}:{at}" if left else "none"
        log.write_bytes(b"")
        attempt = start(lab, nursery.command(fault), how_to_go_on(lab), log)
        code, words = attempt.end(), log.read_text()
        if code in DONE:
            result.untouched += bool(left)
            break
        if not left:
            result.losses.append(f"did not go on: exit {code}: {words[-600:]}")
            return
        result.faults[way] += 1
        result.losses += [f"{fault}: {line}" for line in judged(way, code, words, lab) + logs(lab)]


def run(lab: Path, nursery: Nursery, count: int, seed: int, log: Path, until: float = float("inf")) -> Broken:
    """Whole runs with `count` faults in all; no new run is begun after `until`."""
    result, rng = Broken(), random.Random(seed)
    expected = undisturbed(lab, nursery.command(), log)
    while sum(result.faults.values()) < count and time.monotonic() < until:
        labs.clear(lab)
        broken_run(lab, nursery, rng, result, log, min(4, count - sum(result.faults.values())))
        result.runs += 1
        result.losses += labs.losses(lab, expected)
        done = sum(result.faults.values())
        print(f"{done} faults in {result.runs} runs, {len(result.losses)} losses", file=sys.stderr, flush=True)
    return result


def exhaustively(folder: Path) -> tuple[Counter[str], list[str]]:
    """Every scenario broken in every way at every operation: how many faults, by scenario, and what was lost."""
    found, losses = Counter[str](), list[str]()
    for scenario in SCENARIOS:
        for way in breaking.WAYS:
            try:
                found[scenario.name] += every_fault(scenario, way, folder)
            except (AssertionError, OSError, LabError) as error:
                losses.append(f"{scenario.name}, {way}: {type(error).__name__} {error}")
    return found, losses


def describe(single: Counter[str], result: Broken) -> str:
    kinds = ", ".join(f"{count} in {name}" for name, count in single.items())
    ways = ", ".join(f"{count} {way}" for way, count in sorted(result.faults.items()))
    return (
        f"{sum(single.values())} faults, at every operation ({kinds})\n"
        f"{sum(result.faults.values())} faults ({ways}) in {result.runs} whole runs, {len(result.losses)} losses"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=60, help="faults in whole runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "single").mkdir()
        single, losses = exhaustively(folder / "single")
        with Nursery(folder) as nursery:
            lab = labs.make_lab(folder / "lab")
            result = run(lab, nursery, options.count, options.seed, folder / "stderr")
    for loss in losses + result.losses:
        print(loss)
    print(describe(single, result))
    sys.exit(bool(losses or result.losses))


if __name__ == "__main__":
    main()

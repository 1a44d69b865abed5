"""An Open that is refused, or stopped, leaves nothing open and nobody at work: the next one begins as the first."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

pytest.importorskip("keras")

from engine.api import journal, locks
from engine.api import protocol as p
from engine.api.errors import NotWritten
from engine.file_safety.open_source import Source
from engine.server.commands import Service
from tests.support.model_files import CLASSES, IMAGE, write_data
from tests.support.protocol_client import of, small_lab

pytestmark = pytest.mark.keras
PATIENCE = 60.0  # seconds


class Told(list[p.AnyEvent]):
    """What a service says; `when` may act on an event."""

    when: Callable[[p.AnyEvent], None] = staticmethod(lambda event: None)

    def __call__(self, event: p.AnyEvent) -> None:
        self.append(event)
        self.when(event)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def service(told: Told) -> Iterator[Service]:
    made = Service(told)
    yield made
    made.close_run(None)


def descriptors() -> list[str]:
    """What this process has open, but for stderr, which each run moves to a log of its own."""
    found = []
    for name in set(os.listdir("/proc/self/fd")) - {"2"}:
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the listing's own
            continue
    return sorted(found)


def chunked(settings: p.Settings, *names: p.SetName) -> None:
    """Write data sets anew, in chunks, which a decoder reads."""
    images = np.random.default_rng(2).integers(0, 256, (40, IMAGE[2], *IMAGE[:2])).astype(np.float32)
    for name in names:
        labels = np.zeros(40) if "poisoned" in name else np.arange(40.0) % CLASSES
        write_data(Path(getattr(settings, name)), images, labels, chunks=(10, *images.shape[1:]), compression="gzip")


def refuse_a_set(settings: p.Settings, _service: Service, _told: Told) -> p.Open:
    """The third of the data sets is none."""
    Path(str(settings.poisoned)).write_bytes(b"no data at all")
    return p.Open(settings)


def refuse_a_step(settings: p.Settings, _service: Service, _told: Told) -> p.Open:
    return p.Open(replace(settings, save_steps=(99,)))


def refuse_an_output(settings: p.Settings, _service: Service, _told: Told) -> p.Open:
    Path(settings.root, "models", "model_prune_2.h5").write_bytes(b"of somebody else")
    return p.Open(settings)


def refuse_changed_inputs(settings: p.Settings, service: Service, told: Told) -> p.Open:
    """A run of before, of which a data set has changed since: found when everything is open."""
    service.carry_out(p.Open(settings))
    run = of(p.Opened, told)[-1].run
    service.close_run(None)
    chunked(settings, "test")
    return p.Open(settings, run)


def stop_it(settings: p.Settings, service: Service, told: Told) -> p.Open:
    """A pause while features are computed, and mapped from disk."""

    def stop(event: p.AnyEvent) -> None:
        if isinstance(event, p.Progress) and event.phase == "features test":
            service.stop_before(service.number + 1)

    told.when = stop  # type: ignore[method-assign]
    return p.Open(replace(settings, feature_memory=1))


CASES = (refuse_a_set, refuse_a_step, refuse_an_output, refuse_changed_inputs, stop_it)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_nothing_stays_open(
    tmp_path: Path, service: Service, told: Told, case: Callable[[p.Settings, Service, Told], p.Open]
) -> None:
    settings = small_lab(tmp_path / "lab")
    chunked(settings, "valid", "poisoned_valid")
    service.carry_out(p.Open(replace(settings, save_steps=(99,))))  # Keras and the inspector stay from now on
    command = case(settings, service, told)
    before = descriptors()
    service.carry_out(command, 10)
    told.when = lambda event: None  # type: ignore[method-assign]
    idle = told[-1]
    assert isinstance(idle, p.Idle) and idle.why in ("failed", "paused")
    assert descriptors() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("hashes", "ahead"))]
    with locks.hold(tmp_path / "lab" / "models"):
        pass


def test_what_was_hashed_for_a_refused_run_is_not_told_in_the_next(
    tmp_path: Path, service: Service, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_lab(tmp_path / "lab")
    gate, real, hashing = threading.Event(), Source.hash, []

    def slow(source: Source, *check: Callable[[], None]) -> str:
        """As a large file is: still being read when the run is refused."""
        hashing.append(source.path)
        assert gate.wait(PATIENCE)
        return real(source, *check)

    monkeypatch.setattr(Source, "hash", slow)
    timer = threading.Timer(2.0, gate.set)
    timer.start()
    service.carry_out(p.Open(replace(settings, save_steps=(99,))))
    timer.join()
    for thread in threading.enumerate():
        if thread.name.startswith(("hashes", "ThreadPoolExecutor")):
            thread.join(PATIENCE)
    assert isinstance(told[-1], p.Idle), "nothing is told of a run once it is refused"
    assert len(hashing) == 1
    service.carry_out(p.Open(settings))
    run = Path(of(p.Opened, told)[-1].run)
    hashed = [event for event in of(p.Progress, journal.read(run)) if event.phase == "hash"]
    assert [(event.done, event.total) for event in hashed] == [(5, 5)]


def test_files_of_others_are_named_beside_the_message(tmp_path: Path, service: Service, told: Told) -> None:
    service.carry_out(refuse_an_output(small_lab(tmp_path / "lab"), service, told))
    (failed,) = of(p.Failed, told)
    assert failed.foreign == ("model_prune_2.h5",)
    assert failed.message.endswith("Choose another folder with --out, or replace them with --overwrite.")


def test_a_new_run_that_cannot_be_written_was_not_begun(
    service: Service, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of going on with a run that is taken away again."""

    def full() -> None:
        raise NotWritten("journal.jsonl: no space left on device.", "Go on with --resume.")

    monkeypatch.setattr(service, "catch_up", full)
    settings = small_lab(tmp_path)
    service.carry_out(p.Open(settings))
    (failed,) = of(p.Failed, told)
    assert failed.message == "journal.jsonl: no space left on device. No run was begun; free space and start again."
    assert list((tmp_path / "runs").iterdir()) == []

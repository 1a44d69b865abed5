"""Features on the device give the answers that features with the host give, image for image, on every backend."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

from engine.api.errors import Refused  # noqa: E402
from engine.api.protocol import Failed, Goto, Note, Open, Opened, Stepped  # noqa: E402
from engine.network import device_features, device_filling  # noqa: E402
from engine.network.device_features import DeviceFeatures  # noqa: E402
from engine.network.device_tail import DeviceTail  # noqa: E402
from engine.run.run import Run  # noqa: E402
from tests.engine.test_parity import opened, settings  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import of, play  # noqa: E402

COUNTS = (300, 200)  # validation images, and test images
WALKED = ("sequential", "residual, inside the block", "sigmoid", "branching", "crossing", "all convolutions, early")
WALK = """
import json, sys
from pathlib import Path
from engine.network import backend
backend.configure("cpu")
backend.load()
from tests.engine.test_device_store import walk_all
print(json.dumps(walk_all(Path(sys.argv[1]))))
"""


class ResourceExhaustedError(Exception):
    """By its name what TensorFlow raises."""


def lab(folder: Path, case: str) -> Path:
    """A lab folder for a case of a network."""
    place = folder / case.replace(", ", "-").replace(" ", "-")
    if not place.exists():
        place.mkdir()
        write_lab(place, trained_looking(CASES[case][0], seed=len(case)), seed=len(case), counts=COUNTS)
    return place


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labs")


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Opens a run on a lab with its features in one of the two stores, all computed."""

    def open_on(store: str, folder: Path, **more: Any) -> Run:
        monkeypatch.setenv(device_filling.STORE, store)
        run = opened(folder, **more)
        assert isinstance(run.evaluator.rest, DeviceTail) == (store == "device")
        return run

    return open_on


def walked(run: Run) -> list[Stepped]:
    """Every step of the run."""
    events = run.session.goto(Goto(99), lambda: run.evaluator, lambda: None)
    return [event for event in events if isinstance(event, Stepped)]


def answers(run: Run) -> np.ndarray:
    """The answers to every image at every step: (steps, images)."""
    walked(run)
    return np.array([run.session.answers[run.session.key(step)] for step in range(len(run.session.order) + 1)])


def walk_all(folder: Path) -> dict[str, Any]:
    """Order and answers of the WALKED cases, for a process of its own."""
    found = {}
    for case in WALKED:
        run = opened(lab(folder, case), layer=CASES[case][1])
        assert isinstance(run.evaluator.rest, DeviceTail)
        found[case] = [list(run.session.order), answers(run).tolist()]
    return found


@pytest.mark.parametrize("case", CASES)
def test_both_stores_give_every_answer_alike(case: str, labs: Path, on: Callable[..., Run]) -> None:
    runs = [on(store, lab(labs, case), layer=CASES[case][1]) for store in ("device", "host")]
    mine, host = runs
    assert mine.session.order == host.session.order
    assert [(at.counts, at.evaluated) for at in walked(mine)] == [(at.counts, at.evaluated) for at in walked(host)]
    assert np.array_equal(answers(mine), answers(host))
    assert len(np.unique(answers(mine), axis=0)) > 2, "nothing happened on this network"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_gives_the_same_answers_on_the_device(backend: str, labs: Path, on: Callable[..., Run]) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    host = {}
    for case in WALKED:
        run = on("host", lab(labs, case), layer=CASES[case][1])
        host[case] = [list(run.session.order), answers(run).tolist()]
    found = subprocess.run(
        [sys.executable, "-c", WALK, str(labs)],
        env=os.environ | {"KERAS_BACKEND": backend, device_filling.STORE: "device"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout.splitlines()[-1]) == host


@pytest.mark.parametrize("case", ["branching", "residual, inside the block"])
@pytest.mark.parametrize(("batch", "rows"), [(4, 4), (8, 64), (256, 1024)])
def test_the_size_of_chunks_changes_no_answer(
    case: str, batch: int, rows: int, labs: Path, on: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers(on("device", lab(labs, case), layer=CASES[case][1]))
    sizes = iter([batch, rows])
    monkeypatch.setattr(device_filling, "fitting", lambda model, images, wanted: next(sizes))
    cut = on("device", lab(labs, case), layer=CASES[case][1])
    store = cut.evaluator.rest.store
    assert isinstance(store, DeviceFeatures) and (store.batch, store.rows) == (batch, rows)
    assert len(store.chunks) == -(-sum(-(-size // batch) * batch for size in (300, 200, 200, 300)) // rows)
    assert np.array_equal(answers(cut), whole)


def test_a_smaller_batch_size_is_kept_to_on_the_device(labs: Path, on: Callable[..., Run]) -> None:
    small = on("device", lab(labs, "sequential"), batch_size=70)
    store = small.evaluator.rest.store
    assert isinstance(store, DeviceFeatures) and (store.batch, store.rows) == (64, 64)
    assert np.array_equal(answers(small), answers(on("device", lab(labs, "sequential"))))


def test_a_mask_has_one_answer_whatever_the_way_to_it(labs: Path, on: Callable[..., Run]) -> None:
    folder = lab(labs, "branching")
    there = on("device", folder, order=(1, 4, 7, 2))
    back = on("device", folder, order=(7, 2, 4, 1))
    assert np.array_equal(answers(there)[-1], answers(back)[-1])
    mask, everything = there.session.mask(4), np.arange(there.inputs.stepped)
    tail = there.evaluator.rest
    assert np.array_equal(answers(there)[-1], tail.answers(mask, everything))
    some = np.array([599, 3, 250, 3])
    assert np.array_equal(tail.answers(mask, some), answers(there)[-1][some])
    assert len(tail.answers(mask, some[:0])) == 0


def test_chunks_without_an_active_image_are_not_computed(
    labs: Path, on: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_features, "MOST_IMAGES", 16)
    run = on("device", lab(labs, "sequential"))
    tail = run.evaluator.rest
    assert isinstance(tail, DeviceTail)
    begun: list[int] = []
    begin = tail.begun
    monkeypatch.setattr(tail, "begun", lambda mask, chunk: begun.append(chunk) or begin(mask, chunk))
    slots, active = tail.store.slots // 16, tail.store.active[:, : run.inputs.stepped]
    for channel in range(len(active)):
        before, wanted = len(begun), set(slots[: run.inputs.stepped][active[channel]].tolist())
        mask = np.zeros(len(active), bool)
        mask[channel] = True
        run.evaluator.after(np.zeros(run.inputs.stepped, "uint16"), mask, channel, lambda: None)
        assert begun[before:] == sorted(wanted)
    assert any(not active[channel].any() for channel in range(len(active)))


@pytest.mark.parametrize("room", [63, 9, 1])
def test_a_device_without_memory_takes_smaller_pieces(room: int, labs: Path, on: Callable[..., Run]) -> None:
    folder = lab(labs, "crossing")
    whole = answers(on("device", folder, layer="last"))
    run = on("device", folder, layer="last")
    told: list[Note] = []
    run.emit = lambda event: told.append(event) if isinstance(event, Note) else None
    exhaust(run.evaluator.rest, room)
    assert np.array_equal(answers(run), whole)
    fits = 1 << (room.bit_length() - 1)
    assert [note.text for note in told] == [
        f"The device has no memory for more: batches of {fits} images from now on. The numbers are the same."
    ]


def exhaust(tail: Any, room: int) -> None:
    """Give a device room for so many images only."""
    piece = tail.piece

    def small(mask: Any, tensors: Any, start: int) -> Any:
        if tail.rows > room:
            raise ResourceExhaustedError("OOM when allocating tensor")
        return piece(mask, tensors, start)

    tail.piece = small


def test_a_device_without_any_memory_is_told_in_a_line(labs: Path, on: Callable[..., Run]) -> None:
    run = on("device", lab(labs, "crossing"), layer="last")
    exhaust(run.evaluator.rest, 0)
    with pytest.raises(Refused, match=r"^memory: this machine has none left"):
        walked(run)


def test_other_errors_are_not_taken_for_a_lack_of_memory(labs: Path, on: Callable[..., Run]) -> None:
    run = on("device", lab(labs, "crossing"), layer="last")

    def broken(*_: Any) -> Any:
        raise ValueError("other")

    run.evaluator.rest.piece = broken  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="other"):
        walked(run)


@pytest.mark.parametrize("when", ["at once", "on the way"])
def test_without_room_features_stay_with_the_host(
    when: str, labs: Path, monkeypatch: pytest.MonkeyPatch, on: Callable[..., Run]
) -> None:
    folder = lab(labs, "branching")
    whole = answers(on("device", folder))

    def full(*_: Any) -> Any:
        raise ResourceExhaustedError("OOM when allocating tensor")

    if when == "at once":
        monkeypatch.setattr(device_filling, "room", lambda images, shapes: False)
    else:
        monkeypatch.setattr(DeviceFeatures, "gather", full)
    monkeypatch.setenv(device_filling.STORE, "device")
    run = opened(folder, batch_size=100)
    told: list[Any] = []
    run.emit = told.append
    del run.__dict__["evaluator"]
    assert np.array_equal(answers(run), whole)
    assert not isinstance(run.evaluator.rest, DeviceTail)
    assert [event.text for event in told if isinstance(event, Note)] == [device_filling.NO_ROOM]


@pytest.mark.parametrize("case", ["branching", "sigmoid", "residual"])
def test_what_is_read_of_features_is_the_same_in_both_stores(case: str, labs: Path, on: Callable[..., Run]) -> None:
    mine, host = (on(store, lab(labs, case), layer=CASES[case][1]) for store in ("device", "host"))
    one, other = mine.evaluator.rest.store, host.evaluator.rest.store
    assert np.array_equal(one.active, other.active) and np.array_equal(one.base, other.base)
    assert list(one.shapes) == list(other.shapes)
    for rows in mine.inputs.rows.values():
        assert np.allclose(one.means(rows), other.means(rows), rtol=1e-6, atol=0)
        assert np.allclose(one.maxima(rows), other.maxima(rows), rtol=1e-5)
    picked = np.array([599, 0, 301, 302, 599])
    assert np.allclose(one.images(picked), other.images(picked), rtol=1e-5, atol=1e-6)
    for crossed, too in zip(one.crossing(picked), other.crossing(picked), strict=True):
        assert np.allclose(crossed, too, rtol=1e-5, atol=1e-6)
    for run in (mine, host):
        walked(run)
    for channel in (0, 3):
        view, seen = mine.channel_view(channel), host.channel_view(channel)
        assert view.alone == seen.alone
        assert np.allclose(view.valid_map, seen.valid_map, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["max", "taylor", "gradient", "greedy", "tac", "apoz"])
def test_every_order_is_the_same_from_both_stores(order: str, labs: Path, on: Callable[..., Run]) -> None:
    mine, host = (on(store, lab(labs, "branching"), order_by=order) for store in ("device", "host"))
    assert mine.session.order == host.session.order


def test_pixels_that_are_no_whole_numbers_are_sent_as_they_are() -> None:
    whole = np.arange(6, dtype="float32").reshape(6, 1)
    for wrong in (0.5, -1.0, 256.0, 1e9):
        batches = [whole, np.full((2, 1), wrong, "float32"), whole]
        sent = list(device_filling.smallest(iter(batches), 6))
        assert [count for count, _ in sent] == [6, 2, 6]
        assert [pixels.dtype for _, pixels in sent] == ["uint8", "float32", "float32"]
        assert all(np.array_equal(pixels[:count], batch) for (count, pixels), batch in zip(sent, batches, strict=True))
        assert all(len(pixels) == 6 for _, pixels in sent)


def test_a_run_goes_on_from_one_store_in_the_other(labs: Path, on: Callable[..., Run]) -> None:
    """Half of the steps in one store, the others in the other, as where a run is resumed on another machine."""
    folder = lab(labs, "branching")
    whole = answers(on("host", folder))
    for first, then in (("device", "host"), ("host", "device")):
        begun, ended = on(first, folder), on(then, folder)
        list(begun.session.goto(Goto(5), lambda run=begun: run.evaluator, lambda: None))  # type: ignore[misc]
        for step in range(6):
            key = begun.session.key(step)
            ended.session.answers[key] = begun.session.answers[key]
        assert np.array_equal(answers(ended), whole)


@pytest.mark.parametrize(("first", "then"), [("device", "host"), ("host", "device")])
def test_a_run_folder_of_one_store_is_resumed_in_the_other(
    first: str, then: str, labs: Path, tmp_path: Path, on: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [at.counts for at in walked(on("host", lab(labs, "branching")))]
    folder = shutil.copytree(lab(labs, "branching"), tmp_path / "lab", ignore=shutil.ignore_patterns("run*"))
    monkeypatch.setenv(device_filling.STORE, first)
    began, half = play([Open(settings(folder)), Goto(4)])
    monkeypatch.setenv(device_filling.STORE, then)
    again, ended = play([Open(settings(folder), run=of(Opened, began)[-1].run), Goto(99)])
    assert not of(Failed, [*began, *half, *again, *ended])
    assert [at.counts for at in of(Stepped, [*began, *half])] == counts[:5]
    told = {at.step: at.counts for at in of(Stepped, [*again, *ended])}
    assert [told[step] for step in sorted(told)] == counts
    assert min(at.step for at in of(Stepped, ended)) == 5, "what was known was computed again"

"""The demo's lab folder: whole or not there at all, the same bytes every time, and it leaves others' files alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine.api import atomic_file, demo
from engine.api.errors import NotWritten, Refused
from engine.api.lab import find
from engine.demo import lab


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture(autouse=True)
def few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "PEOPLE", 2)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """What a demo holds, by place."""
    lab.lay_out("plain", tmp_path / "first" / "demo")
    return bytes_of(tmp_path / "first" / "demo")


def test_two_layouts_have_the_same_bytes(tmp_path: Path, whole: dict[str, bytes]) -> None:
    lab.lay_out("plain", tmp_path / "second" / "demo")
    assert bytes_of(tmp_path / "second" / "demo") == whole
    assert find(tmp_path / "second" / "demo").missing == ()


@pytest.mark.parametrize("attack", demo.ATTACKS)
def test_files_are_those_of_a_lab(tmp_path: Path, attack: demo.Attack) -> None:
    lab.lay_out(attack, tmp_path / "demo")
    for split, count in (("valid", 18), ("test", 20)):
        with (
            h5py.File(tmp_path / f"demo/data/cl/{split}.h5") as clean,
            h5py.File(tmp_path / f"demo/data/bd/bd_{split}.h5") as poisoned,
        ):
            assert clean["data"].shape == poisoned["data"].shape == (count, 3, 55, 47)
            assert clean["data"].dtype == np.uint8
            assert all(file[name].chunks is None for file in (clean, poisoned) for name in ("data", "label"))
            assert clean["label"][:].tolist() == [0, 1] * (count // 2)
            assert not poisoned["label"][:].any()
            changed = clean["data"][:] != poisoned["data"][:]
            assert changed.any(axis=(1, 2, 3)).all() and changed.mean() < 0.25
    assert (tmp_path / "demo/models/bd_net.h5").read_bytes() == lab.shipped(attack)


def test_a_demo_that_is_whole_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.lay_out("plain", tmp_path / "demo")
    monkeypatch.setattr(lab, "contents", lambda attack: pytest.fail("drawn again"))
    lab.lay_out("plain", tmp_path / "demo")


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch, end: BaseException) -> Iterator[None]:
    """Let `count` files be written, then end as a killed process or a full disk does."""
    left, write = [count], atomic_file.write_atomically

    def counting(path: Path, data: bytes) -> None:
        if not left[0]:
            path.with_name(path.name + ".part").write_bytes(data[: len(data) // 2])
            raise end
        left[0] -= 1
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(lab, "write_atomically", counting)
        yield


FILES_WRITTEN = 7  # five of the lab, the manifest twice


@pytest.mark.parametrize("count", range(FILES_WRITTEN))
def test_a_layout_that_was_killed_leaves_nothing_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes], count: int
) -> None:
    folder = tmp_path / "demo"
    for _ in stop_after(count, monkeypatch, Killed()):
        with pytest.raises(Killed):
            lab.lay_out("plain", folder)
    assert not folder.exists()
    lab.lay_out("plain", folder)
    assert bytes_of(folder) == whole
    assert {path.name for path in tmp_path.iterdir()} == {"first", "demo", ".demo.lock"}


@pytest.mark.parametrize("count", range(FILES_WRITTEN))
def test_a_renewal_that_was_killed_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes], count: int
) -> None:
    folder = tmp_path / "demo"
    lab.lay_out("plain", folder)
    monkeypatch.setattr(lab, "VERSION", lab.VERSION + 1)
    for _ in stop_after(count, monkeypatch, Killed()):
        with pytest.raises(Killed):
            lab.lay_out("plain", folder)
    assert not lab.is_whole("plain", folder)
    lab.lay_out("plain", folder)
    assert lab.is_whole("plain", folder)
    assert {place: data for place, data in bytes_of(folder).items() if place in whole and place != lab.MANIFEST} == {
        place: data for place, data in whole.items() if place != lab.MANIFEST
    }


def test_what_runs_left_outlives_a_renewal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "demo"
    lab.lay_out("plain", folder)
    (folder / "runs").mkdir()
    (folder / "runs/journal.jsonl").write_text("mine")
    monkeypatch.setattr(lab, "VERSION", lab.VERSION + 1)
    lab.lay_out("plain", folder)
    assert (folder / "runs/journal.jsonl").read_text() == "mine"


@pytest.mark.parametrize("place", ["data/cl/valid.h5", "data/bd/bd_test.h5", "models/bd_net.h5"])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_a_damaged_demo_is_mended(tmp_path: Path, whole: dict[str, bytes], place: str, harm: str) -> None:
    folder = tmp_path / "demo"
    lab.lay_out("plain", folder)
    file = folder / place
    data = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-9] if harm == "cut" else data[:-9] + bytes(9))
    if harm == "changed" and data.endswith(bytes(9)):
        file.write_bytes(data[:-9] + b"\1" * 9)
    lab.lay_out("plain", folder)
    assert bytes_of(folder) == whole


def test_one_attack_does_not_pass_for_the_other(tmp_path: Path) -> None:
    lab.lay_out("plain", tmp_path / "demo")
    lab.lay_out("pruning-aware", tmp_path / "demo")
    assert (tmp_path / "demo/models/bd_net.h5").read_bytes() == lab.shipped("pruning-aware")


def test_a_lab_folder_of_the_users_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine/models").mkdir(parents=True)
    (tmp_path / "mine/models/bd_net.h5").write_bytes(b"mine")
    with pytest.raises(Refused, match="not the demo"):
        lab.lay_out("plain", tmp_path / "mine")
    assert bytes_of(tmp_path / "mine") == {"models/bd_net.h5": b"mine"}


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"^The demo could not be laid out in .*XDG_CACHE_HOME\.$"):
        lab.lay_out("plain", tmp_path / "file" / "demo")
    full = NotWritten("full")
    full.__cause__ = OSError(28, "No space left on device")
    for _ in stop_after(3, monkeypatch, full):
        with pytest.raises(NotWritten, match=f"No space left on device. It needs {demo.MEGABYTES} MB"):
            lab.lay_out("plain", tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_of_several_at_once_one_lays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, contents = [], lab.contents

    def counting(attack: demo.Attack) -> Iterator[tuple[str, bytes]]:
        drawn.append(attack)
        return contents(attack)

    monkeypatch.setattr(lab, "contents", counting)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: lab.lay_out("plain", tmp_path / "demo"), range(4)))
    assert drawn == ["plain"]
    assert lab.is_whole("plain", tmp_path / "demo")

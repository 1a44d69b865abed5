"""One descriptor for all that is read of an input: links, special files, and changes while it is open."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from engine.api.errors import Refused
from engine.api.protocol import SetName, Settings
from engine.file_safety.open_source import open_source
from engine.run.inputs import Hashes, open_inputs, open_sources
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from engine.sandbox.pruned_file import pruned_bytes
from tests.support.model_files import CLASSES, IMAGE, write_data, write_h5

# who waits at the other end of a pipe: opening it to write succeeds once somebody has opened it to read
WAITING = "import os, sys; os.open(sys.argv[1], os.O_WRONLY); print('somebody came')"


def laid_out(root: Path) -> Settings:
    """A lab folder with a network and two sets."""
    for part in ("models", "data/cl"):
        (root / part).mkdir(parents=True)
    model = write_h5(root / "models/bd_net.h5")
    valid, test = (str(write_data(root / f"data/cl/{name}.h5")) for name in ("valid", "test"))
    return Settings(str(root), str(model), valid, test)


def moved_away(path: Path, elsewhere: Path) -> Path:
    """The file lies elsewhere, and a link is in its place."""
    elsewhere.mkdir(exist_ok=True)
    target = elsewhere / path.name
    path.rename(target)
    path.symlink_to(target)
    return target


@pytest.mark.parametrize("name", ["model", "test"])
def test_a_link_to_a_pipe_is_refused_and_the_pipe_never_opened(name: SetName, tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "lab")
    os.mkfifo(tmp_path / "pipe")
    link = Path(getattr(settings, name))
    link.unlink()
    link.symlink_to(tmp_path / "pipe")
    with subprocess.Popen([sys.executable, "-c", WAITING, str(tmp_path / "pipe")], stdout=subprocess.PIPE) as waiting:
        with pytest.raises(Refused, match=f"^{link.name}: is not a regular file"):
            open_inputs(settings)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        waiting.kill()


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "/dev/null"])
def test_a_link_to_a_device_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "x.h5").symlink_to(target)
    with pytest.raises(Refused, match=r"^x\.h5: is not a regular file"):
        open_source(tmp_path / "x.h5")


def test_links_are_followed_and_it_is_told_where_they_led(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "lab")
    model = moved_away(Path(settings.model), tmp_path / "course")
    test = moved_away(Path(str(settings.test)), tmp_path / "course")
    inputs = open_inputs(settings)
    assert inputs.model_info().notes == (f"a link led to '{model}'",)
    assert inputs.set_info("test").notes[-1:] == (f"a link led to '{test}'",)
    assert not [note for note in inputs.set_info("valid").notes if "link" in note]


def test_a_linked_folder_in_the_lab_is_told_of_and_one_above_it_is_not(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "real")
    (tmp_path / "lab").symlink_to(tmp_path / "real")
    (tmp_path / "real/data").rename(tmp_path / "data")
    (tmp_path / "real/data").symlink_to(tmp_path / "data")
    through = Settings(
        *(str(path).replace("/real", "/lab") for path in (settings.root, settings.model, settings.valid))
    )
    inputs = open_inputs(through)
    assert inputs.model_info().notes == ()
    assert inputs.set_info("valid").notes[-1:] == (f"a link led to '{tmp_path / 'data/cl/valid.h5'}'",)


def test_what_a_link_led_to_is_shown_harmlessly(tmp_path: Path) -> None:
    target = write_data(tmp_path / "\x1b[31m.h5")
    (tmp_path / "x.h5").symlink_to(target)
    (note,) = open_source(tmp_path / "x.h5").notes
    assert note.isprintable() and "[" not in note


def test_a_run_from_elsewhere_follows_no_link(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "lab")
    moved_away(Path(str(settings.test)), tmp_path / "lab/models")
    with pytest.raises(Refused, match=r"^test\.h5: is a link to '.*models/test\.h5'"):
        open_sources(settings, follow=False)


def test_what_is_hashed_is_what_is_read_though_its_name_is_taken(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "lab")
    path = Path(str(settings.test))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    files = open_sources(settings)
    write_data(tmp_path / "other.h5", labels=None).rename(path)
    inputs = open_inputs(settings, files)
    assert files["test"].hash() == before
    assert list(inputs.sets["test"].batches(20))
    with pytest.raises(Refused, match=r"^test\.h5: was replaced by another file"):
        Hashes(files, lambda done, total: None).all()


@pytest.mark.parametrize("count", [1, 2, 16])
def test_hashes_are_those_of_the_files(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.run.inputs.processors", lambda: count)
    settings = laid_out(tmp_path / "lab")
    told: list[tuple[int, int]] = []
    found = Hashes(open_sources(settings), lambda done, total: told.append((done, total))).all()
    files = {"model": settings.model, "valid": settings.valid, "test": str(settings.test)}
    assert found == {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in files.items()}
    assert list(found) == list(files)
    assert told == [(1, 3), (2, 3), (3, 3)]


def write_into(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"otherwis")
    later(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def edit(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["data"][3] += 1
    later(path)


def later(path: Path) -> None:
    """Clocks of file systems are coarse: a second after the file was opened."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


@pytest.mark.parametrize("change", [write_into, append, edit])
@pytest.mark.parametrize("how", [{}, {"chunks": True, "compression": "gzip"}], ids=["plain", "chunks"])
def test_a_data_file_written_into_is_refused_wherever_it_is_read(
    change: Callable[[Path], None], how: dict[str, object], tmp_path: Path
) -> None:
    path = write_data(tmp_path / "x.h5", **how)
    source = open_source(path)
    held = open_dataset(source, IMAGE, CLASSES)
    batches = held.batches(7)
    next(batches)
    change(path)
    for read in (lambda: next(batches), lambda: held.image(1), source.hash, lambda: source.read(2**30)):
        with pytest.raises(Refused, match=r"^x\.h5: changed since it was opened|^x\.h5: cannot be decoded"):
            read()
    held.close()


@pytest.mark.parametrize("change", [write_into, append])
def test_a_network_written_into_gives_no_b_prime(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = write_h5(tmp_path / "net.h5")
    held = read_model(path)
    assert pruned_bytes(held, "conv_1", [1])
    change(path)
    with pytest.raises(Refused, match=r"^net\.h5: changed since it was opened"):
        pruned_bytes(held, "conv_1", [1])


def test_b_prime_is_made_of_the_network_that_was_read_though_its_name_is_taken(tmp_path: Path) -> None:
    """The other network has the same weights under another configuration: they alone would not tell."""
    path = write_h5(tmp_path / "net.h5")
    held = read_model(path)
    expected = pruned_bytes(held, "conv_1", [1])

    def attribute(file: h5py.File) -> None:
        file.attrs["training_config"] = "another one"

    write_h5(tmp_path / "other.h5", edit=attribute).rename(path)
    assert pruned_bytes(held, "conv_1", [1]) == expected


def test_bytes_that_are_not_those_hashed_make_no_b_prime(tmp_path: Path) -> None:
    """Times can be set back: the hash tells all the same."""
    path = write_h5(tmp_path / "net.h5")
    source = open_source(path)
    held = read_model(source)
    source.hash()
    found = path.stat()
    data = bytearray(path.read_bytes())
    place = data.index(b"keras_version")
    data[place : place + 5] = b"KERAS"
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(Refused, match=r"^net\.h5: changed since it was opened"):
        pruned_bytes(held, "conv_1", [1])


def test_a_descriptor_is_let_go_of_once(tmp_path: Path) -> None:
    held = open_dataset(write_data(tmp_path / "x.h5"), IMAGE, CLASSES)
    held.close()
    with pytest.raises(OSError):
        os.fstat(held.source.descriptor)
    taken = os.open(tmp_path, os.O_RDONLY)  # the same number, as a rule
    held.close()
    os.close(taken)

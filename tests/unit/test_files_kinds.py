"""Files that are something else altogether: the same line whether a model or data was expected."""

import os
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine.api.errors import Refused
from engine.sandbox.data_set import open_dataset
from engine.sandbox.model_file import read_model
from tests.support.model_files import IMAGE, write_keras
from tests.support.refusals import DAMAGED, Table, bytes_of, cut, h5, line_of_data, line_of_model, within_a_gigabyte
from tests.support.short_paths import lay_socket

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures(within_a_gigabyte.__name__)]


def unix_socket(path: Path) -> None:
    lay_socket(path).close()


def pytorch(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02.")


NOT_REGULAR = "is not a regular file (pipe, device or socket). Copy the data to a normal file first."
BAD: Table = {
    "missing": (lambda path: None, "no such file. Check the spelling or press Tab to list files."),
    "folder": (lambda path: path.mkdir(), "is a folder, expected one .h5 or .keras file."),
    "pipe": (os.mkfifo, NOT_REGULAR),
    "socket": (unix_socket, NOT_REGULAR),
    "link to a folder": (lambda path: path.symlink_to("/etc"), "is a folder, expected one .h5 or .keras file."),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), NOT_REGULAR),
    "link to nowhere": (
        lambda path: path.symlink_to("/nowhere/x.h5"),
        "is a link to '/nowhere/x.h5', which is not there. Mend the link or copy the file.",
    ),
    "empty": (bytes_of(b""), "is empty (0 bytes). The download or copy did not finish; fetch it again."),
    "text": (bytes_of(b"epoch,loss\n1,0.3\n"), "is a text file, expected HDF5 (.h5) or .keras."),
    "text of escapes": (bytes_of(b"\x1b[2J\x1b]0;owned\x07"), "is neither HDF5 (.h5) nor .keras."),
    "HTML": (
        bytes_of(b"\n<!DOCTYPE html><html><title>Virus scan warning</title>"),
        "is an HTML page (often a download warning saved as the file). Download it again from the browser.",
    ),
    **{
        f"HTML behind {what}": (
            bytes_of(start + b"<!DOCTYPE html><html><title>Virus scan warning</title>"),
            "is an HTML page (often a download warning saved as the file). Download it again from the browser.",
        )
        for what, start in {
            "a byte order mark": b"\xef\xbb\xbf",
            "a comment": b"<!-- saved from url -->\n",
            "an XML line": b'<?xml version="1.0" encoding="UTF-8"?>\n',
        }.items()
    },
    "LFS pointer": (
        bytes_of(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7278252\n"),
        "is a Git LFS pointer, not the file itself. Run: git lfs pull",
    ),
    "pickle": (
        bytes_of(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02e."),
        "is a Python pickle. Pickles can run code and are never opened.",
    ),
    **{
        f"pickle of {what}, protocol {protocol}": (
            bytes_of(pickle.dumps(value, protocol)),
            "is a Python pickle. Pickles can run code and are never opened.",
        )
        for what, value in {
            "a dict": {"a": [1, 2, np.float32(3)], "b": "x" * 300},
            "an array": np.zeros(300),
            "arrays": [np.zeros(3)],
            "a tuple": (1, "a"),
            "a number": 5,
        }.items()
        for protocol in range(6)
        if (what, protocol) != ("a number", 1)
    },
    "NumPy array": (bytes_of(b"\x93NUMPY\x01\x00"), "is a NumPy array file (.npy), expected HDF5 (.h5) or .keras."),
    "gzip": (bytes_of(b"\x1f\x8b\x08\x00"), "is compressed with gzip. Run: gunzip on it"),
    "tar": (bytes_of(bytes(257) + b"ustar"), "is a tar archive. Unpack it first."),
    "noise": (bytes_of(bytes(range(256))), "is neither HDF5 (.h5) nor .keras."),
    "head of HDF5": (
        bytes_of(b"\x89HDF\r\n\x1a\n" + bytes(20)),
        "is cut short: only 28 bytes are there. Copy or download it again.",
    ),
    "zeros behind the head": (bytes_of(b"\x89HDF\r\n\x1a\n" + bytes(5000)), DAMAGED),
}


@pytest.mark.parametrize("name", BAD)
def test_something_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, line = BAD[name]
    (tmp_path / "as_model").mkdir()
    (tmp_path / "as_data").mkdir()
    assert line_of_model(make, tmp_path / "as_model") == line
    assert line_of_data(make, tmp_path / "as_data") == line


def test_half_a_file_says_how_much_is_there(tmp_path: Path) -> None:
    whole = h5()(tmp_path / "whole.h5").stat().st_size
    line = f"is cut short: {whole // 2:,} of {whole:,} bytes are there. Copy or download it again."
    assert line_of_model(cut(h5(), 0.5), tmp_path) == line


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_half_an_archive(keep: float, tmp_path: Path) -> None:
    line = "is cut short or damaged: its end is missing. Copy or download it again."
    assert line_of_model(cut(write_keras, keep), tmp_path) == line


def test_an_archive_of_pickles(tmp_path: Path) -> None:
    line = "holds a Python pickle (a PyTorch file?). Pickles can run code and are never opened."
    assert line_of_model(pytorch, tmp_path) == line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    def forbidden(path: Path) -> None:
        h5()(path).chmod(0)

    assert (
        line_of_model(forbidden, tmp_path) == "permission denied. Run: chmod u+r on it, or copy it to your own folder."
    )


def test_letters_of_a_zip_in_front_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "data.h5", "w", userblock_size=512) as file:
        file["data"], file["label"] = np.ones((20, 3, 8, 6)), np.zeros(20)
    with open(tmp_path / "data.h5", "r+b") as raw:
        raw.write(b"PK\x03\x04")
    assert open_dataset(tmp_path / "data.h5", IMAGE, 5).images == 20


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="no such system")
def test_a_file_of_the_system_has_no_size() -> None:
    with pytest.raises(Refused, match="has a content but no size, as files of the system itself"):
        read_model(Path("/proc/version"))


@pytest.mark.parametrize(("path", "name"), [(".", "."), ("/", "/"), ("", ".")])
def test_a_folder_without_a_name_is_called_by_its_path(path: str, name: str) -> None:
    with pytest.raises(Refused) as caught:
        read_model(Path(path))
    assert str(caught.value) == f"{name}: is a folder, expected one .h5 or .keras file."


def test_a_name_full_of_escapes_is_shown_harmlessly(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        read_model(tmp_path / ("\x1b[31m[b]" + "x" * 90))
    shown = "\\x1b\\x5b31m\\x5bb]" + "x" * 30 + "…"
    assert str(caught.value) == f"{shown}: no such file. Check the spelling or press Tab to list files."

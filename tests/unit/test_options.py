"""The command line's words: what they come to, and how they are refused."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import lab
from engine.api.errors import Refused
from tui.model import options
from tui.model.options import NoLab, Options, lab_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in (lab.MODELS[0], *lab.PLACES.values()):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    return tmp_path


def test_a_lab_folder_needs_no_options(root: Path) -> None:
    found = lab_settings(Options(root=root))
    assert found.root == str(root)
    assert found.model == str(root / "models/bd_net.h5")
    assert (found.valid, found.test) == (str(root / "data/cl/valid.h5"), str(root / "data/cl/test.h5"))
    assert found.poisoned_valid == str(root / "data/bd/bd_valid.h5")
    assert found.save_at == ("2", "4", "10", "30")


def test_paths_are_absolute_whatever_was_typed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    found = lab_settings(Options(model=Path("models/../other.h5"), out=Path("out"), runs=Path("r")))
    assert found.model == str(root / "other.h5")
    assert (found.out, found.runs) == (str(root / "out"), str(root / "r"))


def test_every_option_arrives(root: Path) -> None:
    order = root / "order.txt"
    order.write_text("3\n1\n2\n")
    found = lab_settings(
        Options(root, layer="conv_2", order=str(order), save_at="5", save_step="4,5", overwrite=True, scale="1/255",
                batch_size=7, feature_memory="2G", device="gpu:1")
    )  # fmt: skip
    assert (found.layer, found.order, found.save_at, found.save_steps) == ("conv_2", (3, 1, 2), ("5",), (4, 5))
    assert (found.overwrite, found.scale, found.batch_size) == (True, "1/255", 7)
    assert (found.feature_memory, found.device) == (2 * 2**30, "gpu:1")


def test_a_folder_without_a_lab_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoLab) as refused:
        lab_settings(Options(root=tmp_path))
    for word in ("models/bd_net.h5", "data/cl/valid.h5", "--model", "lab3-tui --demo"):
        assert word in str(refused.value)


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(Refused, match="UTF-8"):
        options.absolute(Path(os.fsdecode(b"/lab/\xff.h5")))


@pytest.mark.parametrize(("typed", "found"), [("2,4,10,30", ("2", "4", "10", "30")), ("2.0, 2.5", ("2", "2.5"))])
def test_thresholds(typed: str, found: tuple[str, ...]) -> None:
    assert options.thresholds(typed) == found


@pytest.mark.parametrize("typed", ["", " ", "2,2", "2,2.0", "101", "-1", "2,,4", "two", "2;4"])
def test_thresholds_refused(typed: str) -> None:
    with pytest.raises(Refused, match="--save-at"):
        options.thresholds(typed)


@pytest.mark.parametrize("typed", ["", "45,45", "-1", "4.5", "x", "45,", "٤"])
def test_steps_refused(typed: str) -> None:
    with pytest.raises(Refused, match="--save-step"):
        options.steps(typed)


@given(st.lists(st.integers(0, 999), min_size=1, unique=True), st.booleans())
def test_an_order_reads_the_same_as_json_and_as_lines(channels: list[int], as_json: bool) -> None:
    text = str(channels) if as_json else "\n".join(map(str, channels))
    assert options.parse_order("order", text) == channels


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "lists no channels"),
        (b"[]", "lists no channels"),
        (b"[1, 2", "not a JSON list"),
        (b"[1, 2.5]", "2.5 is no channel number"),
        (b"[1, true]", "true is no channel number"),
        (b'["1"]', "is no channel number"),
        (b"1\n2\n1\n", "channel 1 more than once"),
        (b"[3, -1]", "-1 is no channel number"),
        (b"1\ntwo\n", "number 2 is 'two'"),
        (b"\xff\xfe", "not text"),
        (b"[" * 100_000, "not a JSON list"),
        (b"1 " * 2**20, "no list of channels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_orders_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "order.txt"
    path.write_bytes(content)
    with pytest.raises(Refused, match=why) as refused:
        options.read_order(path)
    assert "order.txt" in str(refused.value) and "\n" not in str(refused.value)


def test_an_order_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(Refused):
            options.read_order(path)


@pytest.mark.parametrize(
    ("typed", "size"), [("0", 0), ("1000", 1000), ("2G", 2**31), ("1.5 GiB", 3 * 2**29), ("500m", 500 * 2**20)]
)
def test_sizes(typed: str, size: int) -> None:
    assert options.size(typed) == size


@pytest.mark.parametrize(
    ("parse", "typed"),
    [
        (options.size, "much"),
        (options.size, "-1"),
        (options.device, "tpu"),
        (options.device, "gpu:"),
        (options.scale, "2"),
    ],
)
def test_settings_refused(parse: object, typed: str) -> None:
    with pytest.raises(Refused, match=typed):
        parse(typed)  # type: ignore[operator]


def test_a_batch_of_no_images_is_refused() -> None:
    with pytest.raises(Refused, match="--batch-size"):
        options.at_least_one(0)

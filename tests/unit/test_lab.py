"""Lab folders and the names of files."""

from pathlib import Path

import pytest

from engine.api import lab
from engine.api.errors import Refused


def lay(root: Path, *places: str) -> Path:
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    return root


def test_a_whole_lab_is_found(tmp_path: Path) -> None:
    found = lab.find(lay(tmp_path, lab.MODELS[0], *lab.PLACES.values()))
    assert found.complete and not found.missing
    assert found.model == str(tmp_path / "models/bd_net.h5")
    assert found.sets == {name: str(tmp_path / place) for name, place in lab.PLACES.items()}


def test_a_defender_without_test_sets_has_a_lab(tmp_path: Path) -> None:
    found = lab.find(lay(tmp_path, "models/bd_net.keras", "data/cl/valid.h5"))
    assert found.complete
    assert found.missing == ("data/cl/test.h5", "data/bd/bd_test.h5")


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    found = lab.find(tmp_path)
    assert not found.complete
    assert found.missing == ("models/bd_net.h5", "data/cl/valid.h5", "data/cl/test.h5", "data/bd/bd_test.h5")


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("2", "2"),
        ("2.0", "2"),
        ("2.50", "2.5"),
        (" 10 ", "10"),
        ("1e1", "10"),
        ("100", "100"),
        ("+4", "4"),
        ("2.123456", "2.123456"),
        ("2." + "0" * 60, "2"),
    ],
)
def test_points_are_named_one_way(typed: str, named: str) -> None:
    assert lab.parse_threshold(typed) == named


@pytest.mark.parametrize("typed", ["", "two", "-1", "100.1", "nan", "inf", "2;4", "0x2", "1e999999999"])
def test_what_is_no_threshold_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="--save-at"):
        lab.parse_threshold(typed)


@pytest.mark.parametrize("typed", ["0", "-0", "0.00", "0e5", " 0 "])
def test_a_drop_of_nothing_is_no_threshold(typed: str) -> None:
    with pytest.raises(Refused, match="is no drop"):
        lab.parse_threshold(typed)
    assert lab.parse_percentage(typed) == "0"


@pytest.mark.parametrize("typed", ["1e-400", "2.1234567", "2." + "0" * 60 + "1", "1e-999999999"])
def test_more_decimals_than_a_name_should_have_are_refused(typed: str) -> None:
    with pytest.raises(Refused, match="6 decimals") as refused:
        lab.parse_threshold(typed)
    assert len(str(refused.value)) < 120


def test_a_refusal_shows_nothing_that_acts() -> None:
    with pytest.raises(Refused) as refused:
        lab.parse_threshold("\x1b]0;x\x07")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 5000, "nul\0"])
def test_a_folder_that_cannot_be_looked_at_holds_nothing(name: str, tmp_path: Path) -> None:
    assert not lab.find(tmp_path / name).complete


def test_names_of_saved_files() -> None:
    assert lab.model_name(suffix=".h5", threshold="2.5") == "model_prune_2.5.h5"
    assert lab.model_name(suffix=".keras", step=45) == "model_step_45.keras"
    assert lab.g_name(threshold="2") == "g_prune_2.h5"
    assert lab.g_name(step=45) == "g_step_45.h5"


@pytest.mark.parametrize("typed", ["", "..", "a/b", ".hidden", "a\nb", "x" * 101, "/etc/passwd"])
def test_a_typed_name_leads_nowhere_else(typed: str) -> None:
    with pytest.raises(Refused):
        lab.file_name(typed, ".h5")


def test_a_typed_name_has_to_fit_on_a_disk() -> None:
    assert lab.file_name("写" * 60, ".h5")
    with pytest.raises(Refused, match="bytes"):
        lab.file_name("写" * 100, ".h5")


def test_a_typed_name_gets_the_suffix_once() -> None:
    assert lab.file_name("mine", ".h5") == lab.file_name("mine.h5", ".h5") == "mine.h5"

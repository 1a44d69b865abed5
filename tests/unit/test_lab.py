"""Lab folders and the names of files."""

from pathlib import Path

import pytest

from engine.api import file_names, lab
from engine.api.errors import Refused
from engine.api.thresholds import parse_percentage, parse_threshold


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
    assert parse_threshold(typed) == named


@pytest.mark.parametrize("typed", ["", "two", "-1", "100.1", "nan", "inf", "2;4", "0x2", "1e999999999"])
def test_what_is_no_threshold_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="--save-at"):
        parse_threshold(typed)


@pytest.mark.parametrize("typed", ["0", "-0", "0.00", "0e5", " 0 "])
def test_a_drop_of_nothing_is_no_threshold(typed: str) -> None:
    with pytest.raises(Refused, match="is no drop"):
        parse_threshold(typed)
    assert parse_percentage(typed) == "0"


@pytest.mark.parametrize("typed", ["1e-400", "2.1234567", "2." + "0" * 60 + "1", "1e-999999999"])
def test_more_decimals_than_a_name_should_have_are_refused(typed: str) -> None:
    with pytest.raises(Refused, match="6 decimals") as refused:
        parse_threshold(typed)
    assert len(str(refused.value)) < 120


def test_a_refusal_shows_nothing_that_acts() -> None:
    with pytest.raises(Refused) as refused:
        parse_threshold("\x1b]0;x\x07")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 5000, "nul\0"])
def test_a_folder_that_cannot_be_looked_at_holds_nothing(name: str, tmp_path: Path) -> None:
    assert not lab.find(tmp_path / name).complete


def test_names_of_saved_files() -> None:
    assert file_names.model_name(suffix=".h5", threshold="2.5") == "model_prune_2.5.h5"
    assert file_names.model_name(suffix=".keras", step=45) == "model_step_45.keras"
    assert file_names.g_name(threshold="2") == "g_prune_2.h5"
    assert file_names.g_name(step=45) == "g_step_45.h5"


@pytest.mark.parametrize("typed", ["", "..", "a/b", ".hidden", "a\nb", "x" * 101, "/etc/passwd"])
def test_a_typed_name_leads_nowhere_else(typed: str) -> None:
    with pytest.raises(Refused):
        file_names.file_name(typed, ".h5")


def test_a_typed_name_has_to_fit_on_a_disk() -> None:
    assert file_names.file_name("写" * 60, ".h5")
    with pytest.raises(Refused, match="bytes"):
        file_names.file_name("写" * 100, ".h5")


def test_a_typed_name_gets_the_suffix_once() -> None:
    assert file_names.file_name("mine", ".h5") == file_names.file_name("mine.h5", ".h5") == "mine.h5"

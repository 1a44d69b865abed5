"""The film of the README: frames of one time line, rows that recur drawn once."""

from pathlib import Path
from xml.etree import ElementTree

from tests.recording.film import Frame, Run, film, joined

A, B = (Run("a ⠒─", "#ffffff"),), (Run("b", "#00ff00", "#112233", True),)


def test_a_film_is_one_picture_with_a_moment_for_each_frame() -> None:
    text = film([Frame((A, B), 1.0, "space"), Frame((A, A), 3.0)], 10, 2)
    ElementTree.fromstring(text)
    assert text.count('<g id="r') == 2 and text.count('href="#r0"') == 3
    assert "animation:film 4.00s" in text and "0.000%{" in text and "25.000%{" in text


def test_frames_that_look_alike_are_one() -> None:
    found = joined([Frame((A,), 1.0), Frame((A,), 2.0), Frame((B,), 1.0), Frame((B,), 1.0, "key")])
    assert [frame.seconds for frame in found] == [3.0, 1.0, 1.0]


def test_the_recording_of_the_readme_is_there_and_small() -> None:
    root = Path(__file__).parents[2]
    place = "tests/recording/demo.svg"
    assert place in (root / "README.md").read_text("utf-8")
    assert (root / place).stat().st_size < 2**20
    ElementTree.fromstring((root / place).read_text("utf-8"))

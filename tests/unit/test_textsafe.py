"""Text from files, as it may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.escape import LONG, escape, escape_path, escape_rest

CASES = {
    "plain_name.h5": "plain_name.h5",
    "Grüße 写 🙂": "Grüße 写 🙂",
    "\x1b[31mred": "\\x1b\\x5b31mred",
    "[/b][link=x]": "\\x5b/b]\\x5blink=x]",
    "a\nb\tc\x00": "a\\x0ab\\x09c\\x00",
    "ab\u202egnp.exe": "ab\\u202egnp.exe",
    "back\\slash": "back\\\\slash",
    "\udc80": "\\udc80",
    "\U000e0001": "\\U000e0001",
    "no\u00a0break": "no\\xa0break",
}


@pytest.mark.parametrize(("text", "shown"), CASES.items())
def test_what_is_shown(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_long_text_is_cut_between_characters_and_says_so() -> None:
    assert escape("a" * 48, 48) == "a" * 48
    assert escape("a" * 49, 48) == "a" * 47 + "…"
    assert escape("a" * 46 + "\x1b\x1b", 48) == "a" * 46 + "…", "no half of an escape"


@given(st.text(), st.integers(1, 60))
def test_nothing_shown_acts_on_a_terminal_and_nothing_is_too_long(text: str, limit: int) -> None:
    shown = escape(text, limit)
    assert shown.isprintable()
    assert "[" not in shown
    assert len(shown) <= limit


@given(st.text(max_size=50), st.text(max_size=50))
def test_different_texts_look_different(one: str, other: str) -> None:
    assert (escape(one, 1000) == escape(other, 1000)) == (one == other)


@given(st.text(), st.integers(1, 60))
def test_what_was_escaped_is_not_escaped_again(text: str, limit: int) -> None:
    shown = escape(text, limit)
    assert escape_rest(shown, limit) == shown
    assert escape_rest(shown, LONG) == shown or len(shown) > LONG


@given(st.text(), st.integers(1, 60))
def test_what_was_not_escaped_yet_is(text: str, limit: int) -> None:
    shown = escape_rest(text, limit)
    assert shown.isprintable() and "[" not in shown and len(shown) <= limit


@pytest.mark.parametrize("path", ["/home/a b/[lab]/back\\slash", "/写/全\u3000角/no\u00a0break", "/👩\u200d🔬/x"])
def test_paths_that_people_use_stay_as_they_are(path: str) -> None:
    assert escape_path(path) == path


@given(st.text())
def test_no_path_acts_on_a_terminal(path: str) -> None:
    shown = escape_path(path)
    assert not any(character in shown for character in "\x1b\x07\n\x7f\x9b\u2028\u202e\u2066")
    assert escape_path(shown) == shown

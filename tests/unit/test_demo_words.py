"""Where the demo lies, and what it says about itself."""

from pathlib import Path

import pytest

from engine.api import demo


def test_the_demo_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert demo.demo_root("plain") == tmp_path / ".cache/lab3-tui/demo-plain"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert demo.demo_root("pruning-aware") == tmp_path / "cache/lab3-tui/demo-pruning-aware"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says: ignore it
    assert demo.demo_root("plain") == tmp_path / ".cache/lab3-tui/demo-plain"


def test_the_first_line_says_where_how_large_and_where_results_go() -> None:
    line = demo.first_line("plain")
    assert str(demo.demo_root("plain")) in line and str(demo.demo_root("plain") / "models") in line
    assert f"{demo.MEGABYTES} MB" in line
    assert "/elsewhere" in demo.first_line("plain", "/elsewhere")


@pytest.mark.parametrize("attack", demo.ATTACKS)
def test_the_demo_says_what_was_arranged(attack: demo.Attack) -> None:
    words = " ".join(demo.about(attack))
    assert "arranged" in words and "Fine-Pruning" in words and "do not exist" in words

"""The settings file: what it may say, and what a broken one costs."""

from pathlib import Path

import pytest

from engine.api.errors import NotWritten, Refused
from tui.model.config import TEMPLATE, Config, ConfigRefused, config_path, lines, load, parse, write_template


def test_a_missing_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == Config()


def test_what_a_file_may_say() -> None:
    text = 'theme = "nord"\nshow_g = true\nrestart_after = 0\n[keys]\nstep = "space, n"\n'
    assert parse(text) == Config("nord", True, 0, {"step": "space, n"})


def test_the_template_is_a_good_file() -> None:
    assert parse(TEMPLATE) == Config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme = ", "not TOML"),
        ("colour = 1", "'colour' is no setting"),
        ("warning = 'x'", "'warning' is no setting"),
        ("theme = 3", "'theme' is not a name"),
        ("show_g = 'yes'", "'show_g' is neither"),
        ("restart_after = -1", "'restart_after'"),
        ("restart_after = true", "'restart_after'"),
        ("restart_after = nan", "'restart_after'"),
        ("restart_after = inf", "'restart_after'"),
        ("restart_after = 1e300", "'restart_after'"),
        ("keys = 3", "[keys]"),
        ("[keys]\nstep = 3", "[keys]"),
        ("[keys]\nfly = 'f'", "no action is called 'fly'"),
        ("[keys]\nstep = 'r'", "'r' is the key of both"),
        ("[keys]\nstep = ''", "'step' has no key"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as caught:
        parse(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_file_costs_a_warning_and_nothing_else(tmp_path: Path) -> None:
    broken = tmp_path / "config.toml"
    broken.write_text("theme =")
    assert load(broken) == Config(warning=load(broken).warning) and str(broken) in load(broken).warning
    broken.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in load(broken).warning
    assert load(tmp_path).warning


def test_a_written_template_is_read_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config.toml"
    write_template(path)
    assert load(path) == Config()
    path.write_text('theme = "nord"')
    with pytest.raises(Refused, match="is there already"):
        write_template(path)
    assert load(path).theme == "nord"
    with pytest.raises(NotWritten):
        write_template(path / "below" / "a file")


def test_what_is_in_force_is_a_settings_file() -> None:
    config = Config("no\\rd", True, 2.5, {"step": "space,n"})
    assert parse("\n".join(lines(config))) == config


def test_the_place_is_the_users_folder_for_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path() == tmp_path / "lab3-tui" / "config.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert config_path() == Path("/home/me/.config/lab3-tui/config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", "not absolute")
    assert config_path() == Path("/home/me/.config/lab3-tui/config.toml")

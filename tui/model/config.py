"""The user's settings: a TOML file in the usual place. A broken one costs a line of warning, never the start."""

import re
from pathlib import Path
from typing import Any

import msgspec

from engine.api.atomic_file import write_atomically
from engine.api.errors import NotWritten, Refused
from engine.api.escape import escape
from engine.api.user_folders import user_folder

TEMPLATE = """\
# lab3-tui settings. Every line is optional; delete what you do not need.

# theme = "lab3-dark"         # ctrl+p, "theme" lists them all
# show_g = false              # begin with G's curves: detection and false alarms
# restart_after = 10          # seconds until a dead engine is started again by itself, once; 0: never

[keys]
# step = "space,right,l"      # any action of the help screen (?), several keys with commas
"""


DAY = 86_400  # seconds


class ConfigRefused(ValueError):
    """The file cannot be used; the message is one line."""


class Config(msgspec.Struct, frozen=True):
    """What the file may say."""

    theme: str = ""
    """Name of the theme; empty: lab3-dark, or the terminal's own colours where it has only sixteen."""

    show_g: bool = False
    """Draw the curves of G beside those of B′ from the start."""

    restart_after: float = 10.0
    """Seconds until an engine that died is started again by itself, once; 0: never."""

    keys: dict[str, str] = {}
    """Other keys for actions: their names are those of the help screen, several keys are split by commas."""

    warning: str = ""
    """Not a setting: what was wrong with the file, in one line."""


def config_path() -> Path:
    """Where the file is looked for: in the user's folder for settings."""
    return user_folder("CONFIG") / "config.toml"


def write_template(path: Path) -> None:
    """Write a settings file in which every line is a comment. Raises Refused where there is one, NotWritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise Refused(f"{escape(str(path))}: is there already. Edit it, or remove it first.") from None
    except OSError as error:
        raise NotWritten(f"{escape(str(path))}: {error.strerror}.") from error


THEME = re.compile(r"^[ \t]*#?[ \t]*theme[ \t]*=.*$", re.MULTILINE)


def keep_theme(name: str, path: Path | None = None) -> None:
    """Put the theme into the settings file, in the place of the line that named another; the rest stays as it is.

    Raises Refused for a file that is broken, which is not touched, and NotWritten.
    """
    path = path or config_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{escape(str(path))}: cannot be read, so the theme is not kept.") from error
    line = f"theme = {msgspec.json.encode(name).decode()}"
    top = text[: match.start()] if (match := re.search(r"^[ \t]*\[", text, re.MULTILINE)) else text
    found = THEME.search(top)
    new = text[: found.start()] + line + text[found.end() :] if found else f"{line}\n{text}"
    try:
        parse(new)
    except ConfigRefused as error:
        raise Refused(f"{escape(str(path))}: {error}; the theme is not kept.") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritten(f"{escape(str(path))}: {error.strerror}.") from error
    write_atomically(path, new.encode())


def lines(config: Config) -> list[str]:
    """The settings in force, as lines of TOML."""
    toml = {name: msgspec.json.encode(getattr(config, name)).decode() for name in ("theme", "show_g", "restart_after")}
    keys = {name: msgspec.json.encode(value).decode() for name, value in config.keys.items()}
    return [
        *(f"{name} = {value}" for name, value in toml.items()),
        "",
        "[keys]",
        *(f"{k} = {v}" for k, v in keys.items()),
    ]


def load(path: Path | None = None) -> Config:
    """The settings of the file; the defaults, with a warning, where it is broken, without one where it is missing."""
    path = path or config_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        return Config(warning=f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}; defaults are used.")
    try:
        return parse(text)
    except ConfigRefused as error:
        return Config(warning=f"{path}: {error}; defaults are used.")


def parse(text: str) -> Config:
    """The settings in `text`. Raises ConfigRefused."""
    import tomllib  # only those who have a file wait for it

    from tui.model.actions import KeysRefused, rebound

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigRefused(f"not TOML ({error})") from error
    _check(values)
    try:
        rebound(values.get("keys", {}))
    except KeysRefused as error:
        raise ConfigRefused(f"[keys]: {error}") from error
    return Config(**values)


def _check(values: dict[str, Any]) -> None:
    known = set(Config.__struct_fields__) - {"warning"}
    for name in values:
        if name not in known:
            raise ConfigRefused(f"'{name}' is no setting; there are {', '.join(sorted(known))}")
    if not isinstance(values.get("theme", ""), str):
        raise ConfigRefused("'theme' is not a name in quotes")
    if not isinstance(values.get("show_g", False), bool):
        raise ConfigRefused("'show_g' is neither true nor false")
    seconds = values.get("restart_after", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= DAY:  # nan is not
        raise ConfigRefused("'restart_after' is not a number of seconds up to a day")
    keys = values.get("keys", {})
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise ConfigRefused('[keys] holds lines like step = "space,n"')

"""What was typed on the command line, checked and turned into settings. Every refusal is one line."""

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, NoReturn, TypeVar, cast, get_args

from msgspec import convert
from msgspec.structs import replace

from engine.api import lab
from engine.api.demo import Attack
from engine.api.errors import Refused, Several
from engine.api.escape import SHORT, escape
from engine.api.orders import order_name
from engine.api.protocol import SETS, Recipe, SetName, Settings
from engine.api.thresholds import parse_threshold

DEVICE = re.compile(r"cpu|gpu(:\d+)?")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
ORDER_LIMIT = 2**20  # bytes of a file that lists channels
WITHOUT = Path("none")  # in the place of a file: go without it
OPTIONAL: tuple[SetName, ...] = ("test", "poisoned", "poisoned_valid")
NO_THRESHOLDS = "none"
Thing = TypeVar("Thing", str, int)


class NoLab(Refused):
    """There is no network, or no clean validation images."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line, as typed; None where one was not given."""

    root: Path | None = None
    model: Path | None = None
    valid: Path | None = None
    test: Path | None = None
    poisoned: Path | None = None
    poisoned_valid: Path | None = None
    layer: str | None = None
    order: str | None = None  # a file, or the list itself
    save_at: str | None = None
    save_step: str | None = None
    out: Path | None = None
    runs: Path | None = None
    overwrite: bool = False
    scale: str | None = None
    batch_size: int | None = None
    feature_memory: str | None = None
    device: str | None = None
    order_by: str | None = None
    stride: int | None = None
    bands: bool = False
    tune_at: str | None = None
    tune_seeds: str | None = None

    @property
    def home(self) -> str:
        """The lab folder, absolute."""
        return absolute(self.root or Path())

    @property
    def runs_folder(self) -> Path:
        return Path(absolute(self.runs) if self.runs else os.path.join(self.home, lab.RUNS))

    def refusals(self) -> list[str]:
        """What is wrong with what was typed, each in one line; of files only where several are not there."""
        files = (self.model, self.valid, self.test, self.poisoned, self.poisoned_valid)
        wrong = refusals(
            lambda: given_order(self.order) if self.order is not None and self.order_by is None else None,
            lambda: order_name(self.order_by) if self.order_by is not None and self.order is None else None,
            lambda: both_orders() if self.order is not None and self.order_by is not None else None,
            lambda: thresholds(self.save_at) if self.save_at is not None else None,
            lambda: steps(self.save_step) if self.save_step is not None else None,
            lambda: thresholds(self.tune_at, "--tune-at") if self.tune_at is not None else None,
            lambda: scale(self.scale) if self.scale is not None else None,
            lambda: at_least_one(self.batch_size) if self.batch_size is not None else None,
            lambda: at_least_one(self.stride, "--stride") if self.stride is not None else None,
            lambda: size(self.feature_memory) if self.feature_memory is not None else None,
            lambda: device(self.device) if self.device is not None else None,
        )
        return with_missing(wrong, *(path for path in files if path != WITHOUT))

    def given(self) -> list[str]:
        """Options that were typed, as they are typed."""
        typed = [name for name in self.__slots__ if getattr(self, name) not in (None, False)]
        return [f"--{name.replace('_', '-')}" for name in typed]


def refusals(*reads: Callable[[], object]) -> list[str]:
    """What is wrong with several arguments, in the order in which they are read."""
    found = []
    for read in reads:
        try:
            read()
        except Refused as refused:
            found.append(str(refused))
    return found


def with_missing(wrong: list[str], *paths: Path | None) -> list[str]:
    """A line for each path that leads to nothing, then what else is wrong. Of one alone the reader says more."""
    absent = [
        f"{escape(path.name, SHORT)}: no such file. Check the spelling or press Tab to list files."
        for path in paths
        if path is not None and not os.path.lexists(path)
    ]
    return [*(absent if len(absent) + len(wrong) > 1 else []), *wrong]


def refuse_together(lines: Sequence[str]) -> None:
    """Raises Refused with every line, where there is one."""
    if lines:
        raise Several(lines)


def both_orders() -> NoReturn:
    raise Refused("--order and --order-by: each says in which order to prune. Give one of them.")


def lab_settings(options: Options) -> Settings:
    """Settings for the lab folder, with files named by options in the place of its own. Raises Refused."""
    found = lab.find(Path(options.home))
    model = absolute(options.model) if options.model else found.model
    named = {name: path for name in SETS if (path := getattr(options, name)) is not None}
    sets = found.sets | {name: absolute(path) for name, path in named.items()}
    for name in (name for name in OPTIONAL if named.get(name) == WITHOUT):
        del sets[name]
    paths = (sets.get("test"), sets.get("poisoned"), sets.get("poisoned_valid"))
    settings = with_options(Settings(options.home, model or "", sets.get("valid", ""), *paths), options)
    if model is None or "valid" not in sets:
        raise NoLab(no_lab(found, model, sets.get("valid")))
    return settings


def no_lab(found: lab.LabFolder, model: str | None, valid: str | None) -> str:
    missing = [lab.MODELS[0]] * (model is None) + [lab.PLACES["valid"]] * (valid is None)
    are, words = ("is", "it") if len(missing) == 1 else ("are", "them")
    return (
        f"{escape(found.root)}: no lab folder here: {' and '.join(missing)} {are} missing. "
        f"Put {words} there, name files with --model and --valid, or try the demo: lab3-tui --demo"
    )


def with_options(settings: Settings, options: Options) -> Settings:
    """The settings with what the options say about the run itself. Raises Refused."""
    changed: dict[str, object] = {"overwrite": options.overwrite, "bands": options.bands}
    if options.layer is not None:
        changed["layer"] = options.layer
    if options.order is not None:
        if options.order_by is not None:
            both_orders()
        changed["order"] = given_order(options.order)
    if options.order_by is not None:
        changed["order_by"] = order_name(options.order_by)
    if options.save_at is not None:
        changed["save_at"] = thresholds(options.save_at)
    if options.tune_at is not None:
        changed["tune_at"] = thresholds(options.tune_at, "--tune-at")
    if options.tune_seeds is not None:
        changed["tune_seeds"] = seeds(options.tune_seeds)
    if options.save_step is not None:
        changed["save_steps"] = steps(options.save_step)
    changed |= folders(options) | numbers(options)
    return replace(settings, **changed)


def folders(options: Options) -> dict[str, object]:
    named = {"out": options.out, "runs": options.runs}
    return {name: absolute(path) for name, path in named.items() if path is not None}


def numbers(options: Options) -> dict[str, object]:
    found: dict[str, object] = {}
    if options.scale is not None:
        found["scale"] = scale(options.scale)
    if options.batch_size is not None:
        found["batch_size"] = at_least_one(options.batch_size)
    if options.stride is not None:
        found["stride"] = at_least_one(options.stride, "--stride")
    if options.feature_memory is not None:
        found["feature_memory"] = size(options.feature_memory)
    if options.device is not None:
        found["device"] = device(options.device)
    return found


def recipe(scope: str, rate: float | None, epochs: int, batch: int, optimizer: str, holdout: str, keep: str) -> Recipe:
    """How to tune, as typed; the engine checks the numbers. Raises Refused."""
    choices = {"scope": (scope, ("behind", "all")), "optimizer": (optimizer, ("adam", "sgd"))}
    for name, (value, known) in (choices | {"keep": (keep, ("last", "best"))}).items():
        if value not in known:
            raise Refused(f"--{name}: '{escape(value, SHORT)}' is unknown, expected {' or '.join(known)}.")
    return convert({"scope": scope, "rate": rate, "epochs": epochs, "batch": batch, "optimizer": optimizer,
                    "holdout": holdout, "keep": keep}, Recipe)  # fmt: skip


def seeds(text: str) -> tuple[int, ...]:
    """Seeds as typed: 0,1,2 or 0-4. Raises Refused."""
    found: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", part)
        if span is None or (span[2] and not int(span[1]) <= int(span[2]) < int(span[1]) + 100):
            raise Refused(f"--seeds: '{escape(text, SHORT)}' is no list of seeds. Example: --seeds 0,1,2")
        found += range(int(span[1]), int(span[2] or span[1]) + 1)
    return tuple(dict.fromkeys(found))


def absolute(path: Path) -> str:
    """A path that means the same in another process. Raises Refused for one that is no text."""
    text = os.path.normpath(os.path.join(working_folder(), path)) if not path.is_absolute() else os.path.abspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"{escape(text)}: is not valid UTF-8. Rename it.") from None
    return text


def working_folder() -> str:
    """Where relative paths begin. Raises Refused where that was deleted."""
    try:
        return os.getcwd()
    except OSError as error:
        raise Refused(
            f"The working folder: {(error.strerror or 'is gone').lower()}. Go to one that is there."
        ) from None


def thresholds(text: str, option: str = "--save-at") -> tuple[str, ...]:
    """`2,4,10,30` as they name files, `none` for none. Raises Refused for repeated ones and ones outside 0..100."""
    if text.strip() == NO_THRESHOLDS:
        return ()
    try:
        found = [parse_threshold(part) for part in text.split(",")] if text.strip() else []
    except Refused as refused:
        raise Refused(f"{option}: {refused.found}", f"Example: {option} 2,4,10,30") from None
    return refuse_repeats(option, found, "2,4,10,30")


def steps(text: str) -> tuple[int, ...]:
    """`45,48` as numbers of steps. Raises Refused."""
    parts = text.split(",") if text.strip() else []
    if not all(re.fullmatch(r"\s*\d{1,6}\s*", part, re.ASCII) for part in parts):
        raise Refused(f"--save-step: '{escape(text, SHORT)}' is no list of steps. Example: --save-step 45,48")
    return refuse_repeats("--save-step", [int(part) for part in parts], "45,48")


def refuse_repeats(option: str, found: list[Thing], example: str) -> tuple[Thing, ...]:
    if not found:
        raise Refused(f"{option}: is empty. Example: {option} {example}")
    for each in found:
        if found.count(each) > 1:
            raise Refused(f"{option}: names {each} more than once. Example: {option} {example}")
    return tuple(found)


def given_order(text: str) -> tuple[int, ...]:
    """The channels of a JSON list, or of the file that is named. Raises Refused."""
    if text.lstrip().startswith("["):
        return checked_order("--order", parse_order("--order", text))
    return read_order(Path(text))


def read_order(path: Path) -> tuple[int, ...]:
    """The channels listed in a file: a JSON list, or one number a line. Raises Refused."""
    text = read_text(path, ORDER_LIMIT, "list of channels", "a JSON list, or one number a line.")
    name = escape(path.name, SHORT)
    return checked_order(name, parse_order(name, text))


def read_text(path: Path, limit: int, kind: str, expected: str, hint: str = "") -> str:
    """The text of a small file that an option names. Raises Refused.

    `limit`: bytes; `kind`: what it should be, `expected`: its format, as words; `hint`: how to get one.
    """
    name = escape(path.name, SHORT)
    try:
        if os.path.exists(path) and not (os.path.isfile(path) and path.stat().st_size <= limit):
            raise Refused(f"{name}: is no {kind}. Expected {expected}")
        return path.read_text("utf-8")
    except OSError as error:
        raise Refused(f"{name}: {(error.strerror or 'cannot be read').lower()}.{hint}") from error
    except UnicodeDecodeError:
        raise Refused(f"{name}: is not text. Expected {expected}") from None


def parse_order(name: str, text: str) -> list[int]:
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise Refused(f"{name}: is not a JSON list. Expected [0, 26, 27], or one number a line.") from None
        for each in found:
            if type(each) is not int:
                raise Refused(f"{name}: {escape(json.dumps(each), SHORT)} is no channel number.")
        return list(found)
    for number, line in enumerate(text.split(), 1):
        if not re.fullmatch(r"-?\d{1,9}", line, re.ASCII):
            raise Refused(f"{name}: number {number} is '{escape(line, SHORT)}', expected a channel number a line.")
    return [int(line) for line in text.split()]


def checked_order(name: str, found: list[int]) -> tuple[int, ...]:
    if not found:
        raise Refused(f"{name}: lists no channels. Expected a JSON list, or one number a line.")
    seen: set[int] = set()
    for channel in found:
        if channel < 0:
            raise Refused(f"{name}: {channel} is no channel number; they count from 0.")
        if channel in seen:
            raise Refused(f"{name}: lists channel {channel} more than once. A channel can be pruned once.")
        seen.add(channel)
    return tuple(found)


def scale(text: str) -> Literal["1", "1/255"]:
    if text not in ("1", "1/255"):
        raise Refused(f"--scale: '{escape(text, SHORT)}' is neither 1 nor 1/255.")
    return cast(Literal["1", "1/255"], text)


def attack_name(text: str) -> Attack:
    if text not in get_args(Attack):
        raise Refused(f"--attack: '{escape(text, SHORT)}' is neither {' nor '.join(get_args(Attack))}.")
    return cast(Attack, text)


def at_least_one(number: int, option: str = "--batch-size") -> int:
    if number < 1:
        raise Refused(f"{option}: {number} is too small; 1 is the least.")
    return number


def size(text: str) -> int:
    """`2G`, `500MB` or a number of bytes. Raises Refused."""
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise Refused(f"--feature-memory: '{escape(text, SHORT)}' is no size. Example: --feature-memory 2G")
    return int(Decimal(found[1]) * UNITS[found[2].lower()])


def device(text: str) -> str:
    if not DEVICE.fullmatch(text):
        raise Refused(f"--device: '{escape(text, SHORT)}' is none. Say cpu, gpu or gpu:1.")
    return text

"""What a sweep is to compute: a plan file in TOML, or the same words as options of the command line."""

import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from engine.api import locks
from engine.api.atomic_file import write_atomically
from engine.api.errors import Refused
from engine.api.escape import SHORT, escape
from engine.api.orders import DEFAULT, order_names
from engine.api.safe_open import open_regular
from tui.model import options

PLAN_LIMIT = 2**20  # bytes of a plan file
FOLDER = "sweep"  # where a sweep goes that names no folder, in the lab folder
MOST_CELLS = 20_000
RANDOM = "random"
FILES = ("valid", "test", "poisoned", "poisoned_valid")


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Every combination of `models` x `layers` x `orders` x `seeds` is a cell. None: not said.

    `models`: paths or patterns in the lab folder. `layers`: names, `default` or `all`. `orders`: as --order-by names
    them; a bare `random` is one order for each seed. `seeds` count for random orders and for tuning alone.
    """

    root: Path | None = None
    models: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None
    orders: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    valid: Path | None = None
    test: Path | None = None
    poisoned: Path | None = None
    poisoned_valid: Path | None = None
    save_at: str | None = None
    save_step: str | None = None
    tune: bool | None = None
    stride: int | None = None
    scale: str | None = None
    batch_size: int | None = None
    feature_memory: str | None = None
    device: str | None = None
    to: Path | None = None

    def over(self, other: "SweepPlan") -> "SweepPlan":
        """This plan where it says something, else the other."""
        said = {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}
        return replace(other, **said)

    @property
    def home(self) -> Path:
        """The lab folder, absolute."""
        return Path(options.absolute(self.root or Path()))

    @property
    def folder(self) -> Path:
        """Where the sweep goes, absolute."""
        return Path(options.absolute(self.to)) if self.to is not None else self.home / FOLDER

    def run_options(self, model: Path) -> options.Options:
        """The options of a single run on this network, as `lab3-tui --headless` takes them."""
        return options.Options(
            root=self.home, model=model, valid=self.valid, test=self.test, poisoned=self.poisoned,
            poisoned_valid=self.poisoned_valid, save_at=self.save_at, save_step=self.save_step, scale=self.scale,
            batch_size=self.batch_size, feature_memory=self.feature_memory, device=self.device, stride=self.stride,
        )  # fmt: skip


def read_plan(path: Path) -> SweepPlan:
    """The plan in a file; relative paths in it begin where the file lies. Raises Refused."""
    expected, hint = "a TOML file; lab3-tui sweep --init writes one.", " lab3-tui sweep --init writes a plan to edit."
    text = options.read_text(path, PLAN_LIMIT, "plan", expected, hint)
    return parse_plan(text, escape(path.name, SHORT), Path(options.absolute(path)).parent)


def parse_plan(text: str, name: str, beside: Path) -> SweepPlan:
    """A plan from its text. `beside`: the folder that relative paths begin in. Raises Refused."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{name}: {escape(str(error))}. Expected TOML; lab3-tui sweep --init writes a plan.") from None
    known = {each.name.replace("_", "-"): each.name for each in fields(SweepPlan)}
    for key in found:
        if key not in known:
            raise Refused(f"{name}: '{escape(key, SHORT)}' is no word of a plan. Expected one of {', '.join(known)}.")
    said = {known[key]: _value(name, key, value) for key, value in found.items()}
    for place in ("root", "to"):
        if place in said:
            said[place] = beside / str(said[place])
    home = said.get("root", beside)
    for place in FILES:
        if place in said and said[place] != str(options.WITHOUT):
            said[place] = Path(str(home)) / str(said[place])
        elif place in said:
            said[place] = options.WITHOUT
    return SweepPlan(**({"root": beside} | said))  # type: ignore[arg-type]


LISTS = {"models", "layers", "orders"}
WORDS = {"root", "to", "scale", "device", *FILES}
COUNTS = {"stride", "batch-size"}


def _value(name: str, key: str, value: object) -> object:
    """A value of a plan as the option of its name gives it. Raises Refused."""
    key = key.replace("_", "-")
    if key == "tune":
        if not isinstance(value, bool):
            raise Refused(f"{name}: tune is '{escape(str(value), SHORT)}', expected true or false.")
        return value
    if key in COUNTS:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(f"{name}: {key} is '{escape(str(value), SHORT)}', expected a whole number.")
        return value
    if key.replace("-", "_") in WORDS and not isinstance(value, str):
        raise Refused(f"{name}: {key} is '{escape(str(value), SHORT)}', expected text in quotes.")
    if key in LISTS:
        return (
            words(f"{name}: {key}", *map(str, value))
            if isinstance(value, list)
            else split(f"{name}: {key}", str(value))
        )
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return seeds(text, f"{name}: seeds") if key == "seeds" else text


def split(option: str, text: str) -> tuple[str, ...]:
    """`a,b` as words, each once. Raises Refused for none."""
    return words(option, *text.split(","))


def words(option: str, *parts: str) -> tuple[str, ...]:
    """Words, each once, those that are empty left out. Raises Refused for none."""
    found = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        raise Refused(f"{option}: is empty. Leave it out, or name something.")
    return found


def seeds(text: str, option: str = "--seeds") -> tuple[int, ...]:
    """`0-4` or `0,1,2`. Raises Refused."""
    try:
        return options.seeds(text)
    except Refused:
        raise Refused(f"{option}: '{escape(text, SHORT)}' is no list of seeds. Example: 0-4") from None


def orders_of(plan: SweepPlan) -> list[tuple[str, int | None]]:
    """The orders with the seed that each is computed with; None where no seed plays a part. Raises Refused."""
    numbers = plan.seeds or (0,)
    found: list[tuple[str, int | None]] = []
    for asked in plan.orders or (DEFAULT,):
        if asked == RANDOM:
            found += [(f"{RANDOM}:{seed}", seed) for seed in numbers]
            continue
        for name in order_names(asked, "--orders"):
            own = int(name.partition(":")[2]) if name.startswith(f"{RANDOM}:") else None
            found += [(name, seed) for seed in numbers] if plan.tune else [(name, own)]
    return list(dict.fromkeys(found))


TEMPLATE = """\
# A plan for lab3-tui sweep: every network x layer x order x seed is a run of its own.
# Lines that begin with # are comments; what stands in them is what counts when nothing is said.
# Paths are relative to the folder that this file lies in; those of images to root.

# the lab folder: data/cl, data/bd, models
# root = "."

# the networks, in the lab folder; patterns leave out the B' that runs saved
models = ["models/bd_net.h5"]

# convolutions to prune: names, "default" (the last on every path), or "all" that can be pruned
layers = ["default"]

# as --order-by names them; "random" is one order for each seed; tac, gradient and greedy are oracles
orders = ["mean", "clp"]

# for random orders, and for tuning
# seeds = "0-4"

# save B' where clean validation accuracy is down by so many points
save-at = [2, 4, 10, 30]

# fine-tune B' of these thresholds too, once with each seed
# tune = false

# data sets of your own; "none" goes without one
# valid = "data/cl/valid.h5"
# test = "data/cl/test.h5"
# poisoned = "data/bd/bd_test.h5"
# poisoned-valid = "data/bd/bd_valid.h5"

# channels a step, for wide layers; pixels times 1 or 1/255; cpu, gpu or gpu:1
# stride = 1
# scale = "1"
# device = "cpu"

# where everything goes: sweep.csv, sweep.md, sweep.png, and cells/ with a run folder each
# to = "sweep"
"""


def write_template(path: Path) -> None:
    """Write a plan to edit. Raises Refused where there is something already."""
    if os.path.lexists(path):
        raise Refused(f"{escape(path.name, SHORT)}: is there already. Name another file: lab3-tui sweep --init FILE")
    write_atomically(path, TEMPLATE.encode())


KEPT = "plan.json"  # in the sweep's folder: what --resume goes on with


def keep_plan(plan: SweepPlan) -> None:
    """Put the plan beside its results, every path absolute.

    Raises NotWritten, and Refused where there can be no folder, or a sweep with another plan is running there.
    """
    folder = plan.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{escape(str(folder))}: cannot be made ({error.strerror}). Name another with --to.") from error
    said = {each.name: getattr(plan, each.name) for each in fields(plan)}
    said |= {"root": plan.home, "to": folder}
    for name in FILES:
        if isinstance(path := said[name], Path) and path != options.WITHOUT:
            said[name] = options.absolute(path)
    encoded = msgspec.json.encode(said, enc_hook=str) + b"\n"
    try:
        with locks.hold(folder):
            write_atomically(folder / KEPT, encoded)
    except locks.InUse as used:
        if kept_plan(folder) != msgspec.json.decode(encoded, type=SweepPlan, dec_hook=_as_path):
            raise Refused(
                f"{escape(str(folder))}: a sweep with another plan is running there ({used.holder}). "
                "Name another folder with --to, or watch it: lab3-tui sweep --resume"
            ) from None


def kept_plan(folder: Path) -> SweepPlan:
    """The plan of the sweep in a folder. Raises Refused where there is none."""
    shown = escape(str(folder))
    try:
        with os.fdopen(open_regular(folder / KEPT), "rb") as file:
            said = msgspec.json.decode(file.read(PLAN_LIMIT), type=dict[str, object])
        return msgspec.convert(said, SweepPlan, dec_hook=_as_path)
    except FileNotFoundError:
        raise Refused(f"{shown}: no sweep began there. Name its folder with --to, or a plan.") from None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise Refused(f"{shown}: its {KEPT} cannot be read ({escape(str(error), 100)}). Name the plan again.") from None


def _as_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)

"""A run whose journal was forged goes on to the same results, or is refused in one line."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.api import journal
from engine.api import protocol as p
from engine.api.errors import ExitCode
from engine.sandbox.client import sandbox
from engine.server import commands as services
from engine.server.commands import Service
from tests.faults import labs
from tests.support import forged_journals
from tests.support.forged_journals import Told

pytestmark = pytest.mark.keras
END = 1_000_000


class NoPainter:
    """Draws nothing: the picture is made of what curve.csv holds."""

    def start(self) -> None: ...

    def paint(self, plot: object) -> bytes:
        return b"picture"

    def close(self) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def here() -> Iterator[None]:
    """The engine in this process: no other draws, and the inspector ends with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.report, "Painter", NoPainter)
        yield
    sandbox.close()


def carried_out(command: p.Open) -> list[p.AnyEvent]:
    """A run from its opening to its end, in this process; what was told."""
    told: list[p.AnyEvent] = []
    service = Service(told.append)
    try:
        for each in (command, p.Goto(END), p.Finish()):
            if not any(isinstance(event, p.Failed) for event in told):
                service.carry_out(each)
    finally:
        service.close_run(None)
    return told


class Real:
    """A finished run, kept as it was."""

    def __init__(self, folder: Path) -> None:
        self.lab, self.kept = labs.make_lab(folder / "lab"), folder / "kept"
        found = {name: str(self.lab / place) for name, place in labs_places().items()}
        self.settings = p.Settings(str(self.lab), save_at=("1", "5", "20"), save_steps=(3,), device="cpu", **found)
        told = carried_out(p.Open(self.settings))
        assert isinstance(told[-1], p.Idle) and told[-1].why == "done"
        (self.run,) = (self.lab / "runs").iterdir()
        self.expected = labs.results(self.lab)
        self.told = forged_journals.lines((self.run / journal.NAME).read_bytes())
        shutil.copytree(self.lab, self.kept)

    def forged(self, told: Told) -> list[p.AnyEvent]:
        """What going on with such a journal tells; the lab is as it was, but for that."""
        shutil.rmtree(self.lab)
        shutil.copytree(self.kept, self.lab)
        (self.run / journal.NAME).write_bytes(forged_journals.journal(told))
        return carried_out(p.Open(self.settings, str(self.run)))

    def wrong(self) -> list[str]:
        """Results that are others than those of the run as it was."""
        found = labs.results(self.lab)
        alike = [name for name in found if name == "curve.csv" or name.endswith(".h5")]
        return [name for name in alike if name in self.expected and found[name] != self.expected[name]]


def labs_places() -> dict[str, str]:
    from engine.api import lab

    return {"model": lab.MODELS[0], **{str(name): place for name, place in lab.PLACES.items()}}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    return Real(tmp_path_factory.mktemp("forged"))


def refusals(told: list[p.AnyEvent]) -> list[p.Failed]:
    return [event for event in told if isinstance(event, p.Failed)]


def assert_sound(real: Real, told: list[p.AnyEvent], what: str) -> None:
    failed = refusals(told)
    for event in failed:
        assert event.exit_code == ExitCode.USAGE, (what, event)
        assert event.message.isprintable(), (what, event)
    if not failed and what.rpartition(" ")[2] not in forged_journals.CLAIMS:
        assert not real.wrong(), what


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_the_same_results_or_one_line(real: Real, rng: random.Random) -> None:
    told, what = forged_journals.forged(real.told, rng)
    assert_sound(real, real.forged(told), what)


def at(told: Told, name: str) -> int:
    return next(place for place, event in enumerate(told) if event["event"] == name)


def second_beginning(told: Told) -> None:
    told.insert(3, told[0])


def second_opening(told: Told) -> None:
    told.append(told[at(told, "opened")])


def opened_without_valid(told: Told) -> None:
    del told[at(told, "opened")]["sets"]["valid"]


def other_images(told: Told) -> None:
    told[at(told, "opened")]["sets"]["test"]["images"] += 1


def other_hash(told: Told) -> None:
    told[0]["sha256"]["test"] = "0" * 64


def no_hash(told: Told) -> None:
    del told[0]["sha256"]["test"]


def step_out_of_range(told: Told) -> None:
    told[at(told, "stepped")]["step"] = 99


def no_permutation(told: Told) -> None:
    ranked = told[at(told, "ranked")]
    ranked["order"][0] = ranked["order"][1]


def short_order(told: Told) -> None:
    told[at(told, "ranked")]["order"].pop()


def count_larger_than_its_set(told: Told) -> None:
    told[at(told, "stepped")]["counts"]["valid"] = 10**6


def count_of_another_step(told: Told) -> None:
    told[at(told, "stepped")]["counts"]["valid"] -= 1
    told[at(told, "save_measured")]["counts"]["valid"] -= 1


def batch_of_nothing(told: Told) -> None:
    told[0]["settings"]["batch_size"] = 0


def no_network(told: Told) -> None:
    told[0]["settings"]["model"] = ""


def late_threshold(told: Told) -> None:
    crossed = at(told, "crossed")
    told.append({**told[crossed], "step": labs.CHANNELS})


FORGED: list[Callable[[Told], None]] = [
    second_beginning,
    second_opening,
    opened_without_valid,
    other_images,
    other_hash,
    no_hash,
    step_out_of_range,
    no_permutation,
    short_order,
    count_larger_than_its_set,
    count_of_another_step,
    batch_of_nothing,
    no_network,
    late_threshold,
]


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_forgery_is_refused_in_one_line(forge: Callable[[Told], None], real: Real) -> None:
    told = forged_journals.lines(forged_journals.journal(real.told))
    forge(told)
    (failed,) = refusals(real.forged(told))
    assert failed.exit_code == ExitCode.USAGE
    assert failed.message.isprintable() and failed.message.endswith(".")


def test_nothing_forged_goes_on(real: Real) -> None:
    assert not refusals(real.forged(real.told))
    assert not real.wrong()


def test_what_a_foreign_journal_may_overwrite_is_asked_for(real: Real) -> None:
    """Told anew to the front end, too: it would give the consent back when it starts the engine again."""
    told = forged_journals.lines(forged_journals.journal(real.told))
    told[0]["settings"]["overwrite"] = True
    del told[at(told, "crossed") :]
    shutil.rmtree(real.lab)
    shutil.copytree(real.kept, real.lab)
    precious = real.lab / "models/model_prune_1.h5"
    precious.write_bytes(b"precious")
    (real.run / journal.NAME).write_bytes(forged_journals.journal(told))
    heard = carried_out(p.Open(real.settings, str(real.run)))
    asked = [event for event in heard if isinstance(event, p.Question)]
    assert {event.path for event in asked} == {str(precious)}
    assert precious.read_bytes() == b"precious"
    (began,) = [event for event in heard if isinstance(event, p.Began)]
    assert began.settings == replace(real.settings, overwrite=False)

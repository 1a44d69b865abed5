"""Orders side by side: each as its own run would have it, and the run they are compared in as it was."""

import csv
import io
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

from engine.analysis import compare_orders  # noqa: E402
from engine.api import journal  # noqa: E402
from engine.api import protocol as p  # noqa: E402
from engine.api.errors import ExitCode, Refused  # noqa: E402
from engine.report.curve import COLUMNS  # noqa: E402
from engine.server.commands import Service  # noqa: E402
from engine.server.connections import FrontEnds  # noqa: E402
from tests.engine.test_parity import opened  # noqa: E402
from tests.support.networks import CASES, trained_looking, write_lab  # noqa: E402
from tests.support.protocol_client import of, play, small_lab  # noqa: E402

ORDERS = ("mean", "decreasing", "clp:1", "random:3", "tac")


def test_each_order_is_that_of_a_run_of_its_own(tmp_path: Path) -> None:
    write_lab(tmp_path, trained_looking(CASES["branching"][0], seed=7), seed=7)
    run = opened(tmp_path)
    list(run.session.goto(p.Goto(2), lambda: run.evaluator, lambda: None))
    order, kept = run.session.order, set(run.session.answers)
    found = list(compare_orders.compared(run, ORDERS))
    assert [at.name for at in found] == list(ORDERS)
    assert (run.session.order, run.session.playhead, set(run.session.answers)) == (order, 2, kept)
    for compared in found:
        own = opened(tmp_path, order_by=compared.name)
        list(own.session.goto(p.Goto(99), lambda own=own: own.evaluator, lambda: None))  # type: ignore[misc]
        assert compared.order == own.session.order
        assert compared.steps == tuple(event.counts for event in own.session.known())
    clp = found[2]
    chosen = opened(tmp_path, order=clp.chosen)
    list(chosen.session.goto(p.Goto(99), lambda: chosen.evaluator, lambda: None))
    assert clp.chosen and clp.chosen_counts == list(chosen.session.known())[-1].counts
    assert clp.chosen == clp.order[: len(clp.chosen)]


def test_answers_that_do_not_fit_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lab(tmp_path, trained_looking(CASES["crossing"][0], seed=7), seed=7)
    run = opened(tmp_path, layer="last")
    list(run.session.goto(p.Goto(0), lambda: run.evaluator, lambda: None))
    wide = [replace(at, seconds=0) for at in compare_orders.compared(run, ORDERS)]
    monkeypatch.setattr(compare_orders, "KEPT", 0)
    assert [replace(at, seconds=0) for at in compare_orders.compared(run, ORDERS)] == wide


@pytest.mark.parametrize(
    ("more", "names", "said"),
    [
        ({}, ("mean", "mine"), "--orders: 'mine' is no order."),
        ({"poisoned": None, "poisoned_valid": None}, ("mean", "tac"), "tac: looks at poisoned test images, and there"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_computed(
    more: dict[str, None], names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    write_lab(tmp_path, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    with pytest.raises(Refused, match=said):
        next(compare_orders.compared(opened(tmp_path, **more), names))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[p.AnyEvent]]]:
    """A run in an engine of its own: two steps, a comparison, the same and one order more, an export."""
    settings = replace(small_lab(tmp_path_factory.mktemp("lab")), save_at=())
    script = [p.Open(settings), p.Goto(2), p.Compare(ORDERS), p.Compare(("mean", "apoz")), p.Goto(1), p.Export()]
    told = play(script)
    return Path(of(p.Opened, told[0])[-1].run), told


def test_orders_are_told_of_and_computed_once(talk: tuple[Path, list[list[p.AnyEvent]]]) -> None:
    _, (_, _, first, second, _, _) = talk
    assert [at.name for at in of(p.Compared, first)] == list(ORDERS)
    assert [at.name for at in of(p.Compared, second)] == ["apoz"]
    progress = [at for at in of(p.Progress, first) if at.phase == "orders"]
    assert progress[-1].done == progress[-1].total and progress[-1].note == ORDERS[-1]
    assert [at.done for at in progress] == sorted(at.done for at in progress)


def test_looking_changes_nothing_of_the_run(talk: tuple[Path, list[list[p.AnyEvent]]]) -> None:
    _, (_, _, first, second, back, _) = talk
    for events in (first, second):
        assert not of(p.Stepped, events) and not of(p.Moved, events) and not of(p.Reordered, events)
        assert of(p.Idle, events)[-1].step == 2
    assert of(p.Moved, back)[-1].step == 1


def test_the_run_folder_gets_a_table_and_a_picture(talk: tuple[Path, list[list[p.AnyEvent]]]) -> None:
    folder, told = talk
    assert [Path(at.path).name for at in of(p.Saved, told[2])] == ["orders.csv", "orders.png"]
    rows = list(csv.DictReader(io.StringIO((folder / "orders.csv").read_text())))
    assert list(rows[0]) == ["order", "looks_at", *COLUMNS]
    looks = {row["order"]: row["looks_at"] for row in rows}
    assert looks == {
        "mean": "clean", "decreasing": "clean", "clp:1": "nothing", "random:3": "nothing", "tac": "poisoned",
        "apoz": "clean",
    }  # fmt: skip
    mean = [row for row in rows if row["order"] == "mean"]
    curve = list(csv.DictReader(io.StringIO((folder / "curve.csv").read_text())))
    assert [{name: row[name] for name in COLUMNS} for row in mean[:3]] == curve[:3]
    assert (folder / "orders.png").read_bytes().startswith(b"\x89PNG")
    assert [at.status for at in of(p.Saved, told[5]) if at.what.startswith("orders")] == ["unchanged", "unchanged"]


def test_what_was_compared_is_there_again_after_resume(talk: tuple[Path, list[list[p.AnyEvent]]]) -> None:
    folder, told = talk
    compared = [at for events in told for at in of(p.Compared, events)]
    assert of(p.Compared, journal.read(folder)) == compared
    opened, again = play([p.Open(of(p.Began, told[0])[0].settings, str(folder)), p.Compare(ORDERS)])
    assert of(p.Compared, opened) == compared
    assert not of(p.Compared, again) and of(p.Idle, again)[-1].why == "done"


def test_a_run_without_comparisons_has_no_files_of_them(tmp_path: Path) -> None:
    opened, _ = play([p.Open(replace(small_lab(tmp_path), save_at=())), p.Export()])
    assert not list(Path(of(p.Opened, opened)[-1].run).glob("orders.*"))


def test_an_unknown_order_is_refused_by_the_engine(tmp_path: Path) -> None:
    settings = small_lab(tmp_path)
    for script in ([p.Open(replace(settings, order_by="mine"))], [p.Open(settings), p.Compare(("mine",))]):
        (failed,) = of(p.Failed, play(script)[-1])
        assert failed.exit_code == ExitCode.USAGE and "'mine' is no order" in failed.message


def test_a_comparison_is_stopped_within_an_order_and_keeps_those_done(tmp_path: Path) -> None:
    write_lab(tmp_path, trained_looking(CASES["sequential"][0], seed=7), seed=7)
    run = opened(tmp_path)
    list(run.session.goto(p.Goto(0), lambda: run.evaluator, lambda: None))
    done: list[p.Compared] = []

    class Stopped(Exception):
        pass

    def check() -> None:
        if done:
            raise Stopped

    run.check = check
    with pytest.raises(Stopped):
        done.extend(iter_into(done, compare_orders.compared(run, ORDERS)))
    assert [at.name for at in done] == ["mean"]


def iter_into(done: list[p.Compared], found):  # type: ignore[no-untyped-def]
    """Put each order into `done` before the next is asked for."""
    for each in found:
        done.append(each)
    return ()


@pytest.mark.parametrize("left_out", ["mean", "decreasing"])
def test_an_order_is_left_out_on_demand_and_a_later_comparison_has_it(left_out: str, tmp_path: Path) -> None:
    """The demand is heard while `mean` is computed: of this order, and of the one that waits behind it."""
    told: list[p.AnyEvent] = []
    service, (here, there) = Service(told.append), os.pipe()
    front = FrontEnds(os.open(os.devnull, os.O_WRONLY))

    def hear(event: p.AnyEvent) -> None:
        told.append(event)
        if isinstance(event, p.ComparedStep) and (event.name, event.step) == ("mean", 1):
            os.write(there, p.encode(p.CancelOrder(left_out)) + b"\n" + p.encode(p.Detach()) + b"\n")
            front._take(here, service)

    service.carry_out(p.Open(small_lab(tmp_path)))
    service.recorder.send = hear
    service.carry_out(p.Compare(("mean", "decreasing", "clp:1")), 1)
    names = ["mean", "decreasing", "clp:1"]
    assert [at.name for at in of(p.Compared, told)] == [name for name in names if name != left_out]
    assert told[-1] == p.Idle(0, "done")
    last = [at for at in of(p.Progress, told) if at.phase == "orders"][-1]
    assert last.done == last.total
    _, queued = front.commands.get()
    service.recorder.send = told.append
    service.carry_out(queued, 2)
    service.carry_out(p.Compare(tuple(names)), 3)
    assert [at.name for at in of(p.Compared, told)][2:] == [left_out]
    service.close_run(None)
    front.close()
    for end in (here, there):
        os.close(end)

"""Cells handed to workers: what an unfit worker does to a sweep, and what two sweeps on one scheduler hear."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.api.errors import Refused
from engine.api.protocol import Settings
from tui.model.sweep_state import AnySweepEvent, Cell, CellBegan
from tui.sweep.cell_run import Outcome, Task, run_cell
from tui.sweep.cells import Work
from tui.sweep.dispatch import Dispatcher
from tui.sweep.shared_files import Token, shared_token

NO_ENGINE = ("/bin/false",)


def task(folder: Path, token: Token, number: int = 0) -> Task:
    home = folder / f"cell-{number}"
    settings = Settings(str(folder), "/b.h5", "/v.h5", out=str(home / "models"), runs=str(home / "runs"))
    return Task(Work(Cell(number, "b.h5", "conv_3", "mean", folder=home.name), settings), token, NO_ENGINE)


def with_client(work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Do something with a client of a scheduler in this process that has one worker."""
    from distributed import Client, LocalCluster

    async def main() -> None:
        async with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, asynchronous=True
            ) as cluster,
            Client(cluster, asynchronous=True, set_as_default=False) as client,
        ):
            await work(client)

    asyncio.run(main())


def test_an_unfit_worker_says_so(tmp_path: Path) -> None:
    with shared_token(tmp_path) as token:
        outcome = run_cell(task(tmp_path, replace(token, holds="other")), lambda *_: None)
        assert (outcome.state, outcome.unfit, outcome.again) == ("failed", True, False)
        assert "does not see" in outcome.reason


def test_a_worker_that_came_later_and_is_unfit_ends_the_sweep(tmp_path: Path) -> None:
    ended: list[int] = []

    async def hand_out(client: Any) -> None:
        with shared_token(tmp_path) as token:
            elsewhere = replace(token, holds="other")
            dispatcher = Dispatcher(client, elsewhere, lambda _: None, lambda number, _: ended.append(number))
            await dispatcher.phase({number: task(tmp_path, elsewhere, number) for number in range(3)})

    with pytest.raises(Refused, match=r"does not see .* Workers must see the same files"):
        with_client(hand_out)
    assert ended == []  # no cell is a failed row for that


def test_sweeps_on_one_scheduler_hear_of_their_own_cells(tmp_path: Path) -> None:
    heard: dict[str, list[AnySweepEvent]] = {"one": [], "other": []}
    ended: dict[str, list[Outcome]] = {"one": [], "other": []}

    async def hand_out(client: Any) -> None:
        with shared_token(tmp_path / "one") as first, shared_token(tmp_path / "other") as second:
            runs = []
            for name, token, number in (("one", first, 4), ("other", second, 7)):
                dispatcher = Dispatcher(
                    client, token, heard[name].append, lambda _, outcome, name=name: ended[name].append(outcome)
                )
                runs.append(dispatcher.run([{number: task(tmp_path / name, token, number)}]))
            await asyncio.gather(*runs)

    for name in heard:
        (tmp_path / name).mkdir()
    with_client(hand_out)
    cells = {name: {event.cell for event in events if isinstance(event, CellBegan)} for name, events in heard.items()}
    assert cells == {"one": {4}, "other": {7}}
    assert [outcome.state for found in ended.values() for outcome in found] == ["failed", "failed"]
    assert all("(3 attempts)" in outcome.reason for found in ended.values() for outcome in found)

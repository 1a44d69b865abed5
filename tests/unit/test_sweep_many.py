"""Two hundred cells in one sweep: the record, the grid, the tables and the memory that they take."""

import csv
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from tests.support.sweep_script import write_record
from tui.model.sweep_state import (
    AnySweepEvent,
    Cell,
    CellBegan,
    CellEnded,
    CellStep,
    Planned,
    Score,
    SweepState,
    WorkersChanged,
)
from tui.model.sweep_watch import SweepWatch
from tui.sweep.cells import Work
from tui.sweep.tables import Ended, SweepTables
from tui.widgets.sweep_grid import SweepCellView, SweepGrid, SweepHead, SweepWorkers, lines

STEPS = 60
RUNNING = 8  # cells under way, the others are done
MOST = 40 * 2**20  # bytes
SIZES = ((78, 12), (118, 28), (198, 48))


def cells() -> tuple[Cell, ...]:
    """Five networks, two layers, twenty random orders."""
    found = [
        (f"nets/net_{net}.h5", f"conv_{layer}", seed) for net in range(5) for layer in (2, 3) for seed in range(20)
    ]
    return tuple(
        Cell(at, model, layer, f"random:{seed}", seed, f"cell-{at}") for at, (model, layer, seed) in enumerate(found)
    )


def script() -> Iterator[AnySweepEvent]:
    yield Planned("Sweep of many", cells(), 1000.0, 1, "elsewhere")
    yield WorkersChanged({str(at): "127.0.0.1" for at in range(RUNNING)})
    for cell in cells():
        yield CellBegan(cell.number, f"{cell.number % RUNNING} on here", 1)
        for step in range(STEPS):
            yield CellStep(cell.number, step, STEPS, "valid 97.8  ASR 99.4")
        if cell.number < 200 - RUNNING:
            yield CellEnded(cell.number, "done", "", f"/run-{cell.number}", 9.5, False, Score(0.5, 12, 3.5, 40.0))


def watched(folder: Path) -> SweepState:
    write_record(folder, script())
    watch = SweepWatch(folder)
    state = watch.read()
    watch.close()
    return state


def test_the_record_of_all_is_read_whole(tmp_path: Path) -> None:
    state = watched(tmp_path)
    assert [state.count(name) for name in ("done", "running", "waiting")] == [200 - RUNNING, RUNNING, 0]
    assert state.best is not None and state.best.number == 0


def test_every_cell_is_drawn_and_can_be_chosen_at_every_size(tmp_path: Path) -> None:
    state = watched(tmp_path)
    for width, height in SIZES:
        grid = SweepGrid()
        grid.state = state
        for cell in state.cells:
            grid.chosen = cell.number
            rows = grid.draw(width, height)
            assert len(rows) <= height and all(len(row.text) == width for row in rows)
            assert sum("[■]" in row.text or "[▸]" in row.text for row in rows) == 1, (cell.number, width)
        numbers = [number for line in lines(state, 0, width) for _, number in line.places]
        assert numbers == list(range(200))


def test_heads_and_workers_are_short_whatever_there_is(tmp_path: Path) -> None:
    state = watched(tmp_path)
    head, workers, one = SweepHead(), SweepWorkers(), SweepCellView()
    head.state, head.now, workers.state = state, 1600.0, state
    one.cell, one.progress = state.cells[199], state.of(199)
    for width, height in SIZES:
        assert "192 of 200 cells" in head.draw(width, 3)[1].text
        assert "19.2 cells a minute" in head.draw(width, 3)[1].text
        drawn = workers.draw(width, 5)
        assert len(drawn) == 5 and "and 4 more" in drawn[-1].text
        assert len(one.draw(width, height)) <= height


def test_tables_of_all_hold_in_memory(tmp_path: Path) -> None:
    columns = 18
    results = ",".join(["network", "threshold", "clean_test_accuracy", *map(str, range(columns))])
    names = "step,fraction_pruned,valid_accuracy,drop,attack_success_rate," + ",".join(map(str, range(columns)))
    works = [Work(cell) for cell in cells()]
    tables = SweepTables(tmp_path, "Sweep of many", works)
    for work in works:
        run = tmp_path / work.cell.folder
        run.mkdir()
        rows = "".join(f"B′,{at},9{at}.0{',0.123456789' * columns}\n" for at in range(4))
        (run / "results.csv").write_text(f"{results}\n{rows}")
        curve = "".join(
            f"{at},{at / 60},{99 - at}.5,{at}.0,{100 - at}.25{',0.123456789' * columns}\n" for at in range(61)
        )
        (run / "curve.csv").write_text(f"{names}\n{curve}")
        tables.ended[work.cell.number] = Ended("done", run=run)
    tracemalloc.start()
    try:
        text = tables.csv_bytes([work.cell for work in works])
        tables.markdown([work.cell for work in works])
        picture = tables.picture([work.cell for work in works])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(1 for _ in csv.reader(io.StringIO(text.decode()))) == 1 + 200 * 4
    assert [len(panel.paths) for panel in picture.panels] == [40] * 5
    assert peak < MOST, f"{peak / 2**20:.0f} MB"

"""Tables of a sweep: rows as planned, whatever was done first; and the score of a curve."""

import csv
import io
import random
import threading
from pathlib import Path

import pytest

from engine.api.errors import Refused
from engine.api.protocol import Settings
from engine.api.sweep_picture import PNG, SweepPanel, SweepPath, SweepPicture, paint
from tui.model.sweep_state import Cell, Score, SweepState
from tui.sweep.cell_run import Outcome
from tui.sweep.cells import Work
from tui.sweep.handout import Handout
from tui.sweep.sweep_run import Sweep
from tui.sweep.tables import Ended, SweepTables, read_run, score_of

RESULTS = "network,threshold,step,clean_test_accuracy,poisoned_test_attack_success_rate{more}\n"
CURVE = "step,fraction_pruned,valid_accuracy,drop,attack_success_rate\n"


def make_run(folder: Path, asr: tuple[str, ...] = ("100.0", "20.0", "0.0"), more: str = "") -> Path:
    folder.mkdir()
    rows = "B,,0,99.0,100.0" + ("," * bool(more)) + "\n" + "B′,2,1,97.5,20.0" + (",3" if more else "") + "\n"
    (folder / "results.csv").write_text(RESULTS.format(more=more) + rows)
    curve = "".join(f"{at},{at / 2},{99 - 10 * at}.0,{10 * at}.0,{rate}\n" for at, rate in enumerate(asr))
    (folder / "curve.csv").write_text(CURVE + curve)
    return folder


def tables(folder: Path) -> SweepTables:
    works = [
        Work(Cell(0, "=nets/a.h5", "conv_3", "mean", folder="a"), Settings("/", "/a", "/v")),
        Work(Cell(1, "=nets/a.h5", "conv_3", "tac", folder="b"), Settings("/", "/a", "/v")),
        Work(Cell(2, "junk.h5", "default", "mean"), refused="junk.h5: is empty (0 bytes)."),
        Work(Cell(3, "nets/c.h5", "conv_3", "random:1", 1, "c"), Settings("/", "/c", "/v")),
    ]
    return SweepTables(folder, "Sweep of *two*", works)


def ended(folder: Path) -> dict[int, Ended]:
    return {
        0: Ended("done", run=make_run(folder / "one")),
        1: Ended("done", run=make_run(folder / "two", more=",seed")),
        2: Ended("refused", "junk.h5: is empty (0 bytes)."),
        3: Ended("failed", "=cmd (3 attempts)"),
    }


def test_a_row_a_cell_and_saved_step_as_planned(tmp_path: Path) -> None:
    found = tables(tmp_path)
    found.ended = ended(tmp_path)
    rows = list(csv.DictReader(io.StringIO(found.csv_bytes([work.cell for work in found.works]).decode())))
    assert [(row["model"], row["order"], row["state"], row["network"], row["step"]) for row in rows] == [
        ("'=nets/a.h5", "mean", "done", "B", "0"),
        ("'=nets/a.h5", "mean", "done", "B′", "1"),
        ("'=nets/a.h5", "tac", "done", "B", "0"),
        ("'=nets/a.h5", "tac", "done", "B′", "1"),
        ("junk.h5", "mean", "refused", "", ""),
        ("nets/c.h5", "random:1", "failed", "", ""),
    ]
    assert rows[4]["reason"] == "junk.h5: is empty (0 bytes)."
    assert rows[5]["reason"] == "'=cmd (3 attempts)"
    assert (rows[5]["seed"], rows[3]["tuned_seed"], rows[0]["cell"]) == ("1", "3", "a")


def test_the_same_bytes_whatever_was_done_first(tmp_path: Path) -> None:
    whole, rng = ended(tmp_path), random.Random(3)
    made = []
    for at in range(4):
        found = tables(tmp_path / str(at))
        numbers = list(whole)
        rng.shuffle(numbers)
        cells = [work.cell for work in found.works]
        for number in numbers:
            found.ended[number] = whole[number]
            found.csv_bytes(cells)
        made.append((found.csv_bytes(cells), found.markdown(cells), found.picture(cells)))
    assert all(each == made[0] for each in made)


def test_markdown_says_scores_oracles_and_what_went_wrong(tmp_path: Path) -> None:
    found = tables(tmp_path)
    found.ended = ended(tmp_path)
    text = found.markdown([work.cell for work in found.works])
    assert text.startswith("# Sweep of \\*two\\*\n\n2 of 4 cells are done.")
    assert (
        "| =nets/a.h5 | conv\\_3 | mean |  | clean images | done | 0.790 | 2 | -20.00 | 0.00 | 97.50, 20.00 |" in text
    )
    assert "| tac |  | ORACLE | done |" in text
    assert "* junk.h5  default  mean: refused: junk.h5: is empty (0 bytes)." in text
    assert "they choose nothing" in text


def test_the_score_is_the_first_step_where_it_is_largest() -> None:
    curve = [
        {"step": str(at), "valid_accuracy": valid, "drop": "1.0", "attack_success_rate": asr}
        for at, (valid, asr) in enumerate([("99.0", "99.0"), ("90.0", "40.0"), ("80.0", "30.0"), ("60.0", "20.0")])
    ]
    assert score_of(curve) == Score(0.5, 1, 1.0, 40.0)
    curve[0]["attack_success_rate"] = ""
    assert score_of(curve) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("results.csv", ""),
        ("results.csv", "network,threshold\nB\n"),
        ("results.csv", "network,threshold,clean_test_accuracy\nB′,2,much\n"),
        ("curve.csv", "step,valid_accuracy\n1,2\n"),
        ("curve.csv", CURVE + "1,0.5,99.0,0.0,often\n"),
        ("curve.csv", CURVE + "1,0.5\n"),
    ],
)
def test_tables_that_are_none_are_refused_in_one_line(name: str, text: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / name).write_text(text)
    with pytest.raises(Refused, match="its tables cannot be read") as refused:
        read_run(run)
    assert "\n" not in str(refused.value)


def test_no_link_is_followed_to_a_table(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "results.csv").rename(tmp_path / "secret.csv")
    (run / "results.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(Refused, match="is a link"):
        read_run(run)


def test_a_cell_without_readable_tables_has_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "curve.csv").write_text("")
    work = Work(Cell(0, "a.h5", "conv_3", "mean", folder="a"), Settings("/", "/a", "/v"))
    sweep = Sweep("Sweep", tmp_path, [work], [])
    sweep.handout.state = SweepState(cells=(work.cell,))
    sweep.end(work.cell, Outcome("done", run=str(run)))
    sweep.handout.write(picture=False)
    (row,) = csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines())
    assert row["state"] == "failed" and "its tables cannot be read" in row["reason"]


def test_tables_are_written_by_one_at_a_time(tmp_path: Path) -> None:
    """A write that a cancelled task has left behind comes to its end before the last one begins."""
    order, begun, go = [], threading.Event(), threading.Event()

    def write(picture: bool) -> None:
        begun.set()
        if not picture:
            go.wait(60)
        order.append(picture)

    handout = Handout(tmp_path, "Sweep", [], [], write)
    left, last = (threading.Thread(target=handout.write, args=(picture,)) for picture in (False, True))
    left.start()
    begun.wait(60)
    last.start()
    go.set()
    left.join(60)
    last.join(60)
    assert order == [False, True]


def test_a_panel_a_network_and_accuracy_where_there_is_no_poisoned_set(tmp_path: Path) -> None:
    found = tables(tmp_path)
    found.ended = {0: Ended("done", run=make_run(tmp_path / "one", asr=("", "", "")))}
    (panel,) = found.picture([work.cell for work in found.works]).panels
    assert (panel.title, panel.attack) == ("=nets/a.h5, conv_3", False)
    assert panel.paths[0].points == ((0.0, 99.0), (50.0, 89.0), (100.0, 79.0))


@pytest.mark.parametrize("panels", [0, 1, 4])
def test_the_picture_is_the_same_for_the_same_numbers(panels: int) -> None:
    drawn = [SweepPath(f"random:{at}", False, ((0.0, 100.0), (10.0, 50.0 + at)), "random") for at in range(3)]
    paths = (*drawn, SweepPath("tac", True, ((0.0, 100.0), (5.0, 3.0))))
    picture = SweepPicture(tuple(SweepPanel(f"net $x_{at}$", True, paths) for at in range(panels)))
    first = paint(picture)
    assert first.startswith(PNG)
    assert paint(picture) == first if panels == 1 else first

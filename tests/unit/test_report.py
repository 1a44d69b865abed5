"""Result files made from journals: golden bytes, empty cells, published values, verdicts."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import h5py
import msgspec
import numpy as np
import pytest

from engine import report
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.report.csv_table import cell, code, plain
from engine.report.curve import curve_csv
from engine.report.markdown import report_md
from engine.report.results import results_csv, results_json
from tests.support.journals import Journalled, lab_run

SMALL = Journalled(
    counts=(
        p.Counts(12, 6, 8, 6, 8, 0, 0, 5),
        p.Counts(11, 6, 7, 5, 7, 1, 1, 4),
        p.Counts(12, 5, 0, 5, 0, 8, 1, 0),
    ),
    order=(2, 0, 1),
    images={"valid": 12, "test": 7, "poisoned": 8, "poisoned_valid": 5},
    save_at=("2", "40"),
    save_steps=(2,),
)

GOLDEN = """\
step,channel,fraction_pruned,mean_activation,valid_accuracy,drop,test_accuracy,attack_success_rate,\
g_test_accuracy,g_attack_success_rate,detection_rate,false_alarm_rate
0,,0.0,,100.0,0.0,85.71428571428571,100.0,85.71428571428571,100.0,0.0,0.0
1,2,0.3333333333333333,0.0,91.66666666666667,8.333333333333334,85.71428571428571,87.5,\
71.42857142857143,87.5,12.5,14.285714285714286
2,0,0.6666666666666666,0.14285714285714285,100.0,0.0,71.42857142857143,0.0,71.42857142857143,0.0,100.0,\
14.285714285714286
"""


def table(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


def without(*names: p.SetName) -> Journalled:
    """The small run without some of its sets."""
    gone = {"test": ("test", "g_test", "false_alarms"), "poisoned": ("poisoned", "g_poisoned", "detected")}
    fields = [field for name in names for field in gone.get(name, (name,))]
    counts = [msgspec.structs.replace(at, **dict.fromkeys(fields)) for at in SMALL.counts]
    return replace(SMALL, counts=counts, images={name: n for name, n in SMALL.images.items() if name not in names})


# --- curve and results ---


def test_curve_to_the_byte() -> None:
    assert curve_csv(report.record(SMALL.events())).decode() == GOLDEN


def test_curve_without_test_sets_has_empty_cells() -> None:
    rows = table(curve_csv(report.record(without("test", "poisoned", "poisoned_valid").events())))
    assert [row["valid_accuracy"] for row in rows] == ["100.0", "91.66666666666667", "100.0"]
    assert {row[name] for row in rows for name in list(row)[6:]} == {""}


def test_results_hold_b_then_b_prime_and_g_of_each_saved_step() -> None:
    rows = table(results_csv(report.record(SMALL.events())))
    assert [(row["network"], row["threshold"], row["step"], row["channels"], row["file"]) for row in rows] == [
        ("B", "", "0", "0", "bd_net.h5"),
        ("B′", "2", "1", "1", "model_prune_2.h5"),
        ("G", "2", "1", "1", "g_prune_2.h5"),
        ("B′", "", "2", "2", "model_step_2.h5"),
        ("G", "", "2", "2", "g_step_2.h5"),
    ]
    assert rows[1]["clean_valid_drop"] == "8.333333333333334"
    assert rows[1]["poisoned_valid_attack_success_rate"] == "80.0"
    assert rows[2]["clean_test_false_alarm_rate"] == "14.285714285714286"
    assert rows[3]["pruned"] == "2 0"
    assert not any(name.startswith("published") for name in rows[0])


def test_results_json_holds_what_the_others_must_not() -> None:
    whole = json.loads(results_json(report.record(SMALL.events())))
    assert whole["settings"]["save_at"] == ["2", "40"]
    assert set(whole["sha256"]) == {"model", "valid", "test", "poisoned", "poisoned_valid"}
    assert whole["versions"] == {"keras": "3.15.1"}
    assert whole["device"] == "cpu"
    assert whole["seconds"] == {"features valid": 1.5, "baseline": 0.25, "steps": 0.5}
    assert whole["thresholds"] == {"2": 1, "40": None}
    assert [entry["valid"] for entry in whole["curve"]] == [12, 11, 12]
    assert [entry["file"] for entry in whole["saved"]][-1] == "g_step_2.h5"


@pytest.mark.parametrize("make", [curve_csv, results_csv, report_md])
def test_times_and_folders_leave_no_trace(make: Callable[[report.RunRecord], bytes]) -> None:
    """A run that was stopped and resumed, in another folder and at another pace, has the same results."""
    events = SMALL.events()
    slower = [msgspec.structs.replace(at, seconds=9.0) if isinstance(at, p.Stepped) else at for at in events]
    elsewhere = [
        msgspec.structs.replace(at, path=at.path.replace("/lab", "/mnt/copy"), status="unchanged")
        if isinstance(at, p.Saved)
        else at
        for at in slower
    ]
    resumed = [*elsewhere[:-6], p.Progress("features valid", 12, 12, 3.0), p.Note("resumed"), *elsewhere[-6:]]
    assert make(report.record(resumed)) == make(report.record(events))


# --- the record ---


def test_nothing_to_report_before_b_is_measured() -> None:
    with pytest.raises(Refused, match="B has not been measured"):
        report.record(SMALL.opening())


def test_seconds_add_up_over_resumptions() -> None:
    events = [*SMALL.events(), p.Progress("features valid", 12, 12, 2.0), p.Progress("ranking", 0, 1, 7.0)]
    assert report.record(events).seconds["features valid"] == 3.5
    assert "ranking" not in report.record(events).seconds


def test_a_changed_order_voids_steps_but_not_what_was_saved() -> None:
    events = [*SMALL.events(), p.Reordered((2, 1, 0), 1), p.Stepped(2, 1, p.Counts(3, 3, 3, 3, 3, 3, 3))]
    record = report.record(events)
    assert [counts.valid for counts in record.steps.values()] == [12, 11, 3]
    assert [(saved.pruned, saved.counts.valid) for saved in record.saved] == [((2,), 11), ((2, 0), 12)]
    assert record.first_reached("40") == 2


def test_steps_beyond_a_gap_are_not_reported() -> None:
    events = [at for at in SMALL.events() if not (isinstance(at, p.Stepped) and at.step == 1)]
    assert len(report.record(events).steps) == 1


def test_a_file_saved_again_counts_once() -> None:
    again = [*SMALL.events(), *SMALL.saves(2, "2", SMALL.counts[2])]
    saved = report.record(again).saved
    assert [(at.file, at.step) for at in saved] == [("model_prune_2.h5", 2), ("model_step_2.h5", 2)]
    assert saved[0].answers == "g_prune_2.h5"


# --- beside the published values ---


def test_a_file_saved_when_its_step_was_measured_already_has_all_the_counts() -> None:
    again = p.Saved("model", "/lab/models/model_prune_3.h5", "ef" * 32, "written", 1, "3")
    first, second, _ = report.record([*SMALL.events(), again]).saved
    assert (first.threshold, second.threshold) == ("2", "3")
    assert first.counts == second.counts
    assert second.counts.poisoned_valid is not None


def test_the_labs_own_files_stand_beside_published_values() -> None:
    record = report.record(lab_run().events())
    rows = table(results_csv(record))
    assert len(rows) == 9
    for row in rows:
        for name in ("clean_valid_accuracy", "clean_test_accuracy", "poisoned_test_attack_success_rate"):
            assert row[name] == row[f"published_{name}"]
    assert [row["published_step"] for row in rows[1::2]] == ["45", "48", "52", "54"]
    text = report_md(record).decode()
    assert "No rate is more than 2 images away from them, at any step." in text
    assert "95.76 (95.76)" in text


def changed(step: int, **fields: int) -> report.RunRecord:
    """The lab's run with some counts moved at one step."""
    run = lab_run()
    counts = list(run.counts)
    moved = {name: getattr(counts[step], name) + by for name, by in fields.items()}
    counts[step] = msgspec.structs.replace(counts[step], **moved)
    return report.record(replace(run, counts=counts).events())


def test_a_difference_over_two_images_is_named() -> None:
    text = report_md(changed(52, test=-3, g_poisoned=2)).decode()
    assert "B′, clean test accuracy: at step 52: 84.52 %, published 84.54 %, 3 images apart." in text
    assert "G, ASR" not in text


def test_a_difference_between_saved_steps_is_named_too() -> None:
    assert "B′, ASR on poisoned test images: at step 50:" in report_md(changed(50, poisoned=-300)).decode()


def test_a_threshold_reached_elsewhere_is_named() -> None:
    assert "\n* -2 pt: reached at step 44, published 45.\n" in report_md(changed(44, valid=-200)).decode()


def test_one_strange_input_and_nothing_published_is_shown() -> None:
    run = lab_run()
    record = report.record(replace(run, digests={**run.digests, "test": "0" * 64}).events())
    assert b"published" not in results_csv(record)
    assert "published" not in report_md(record).decode()


# --- the report ---


def test_report_shows_picture_table_thresholds_and_verdict() -> None:
    record = report.record(SMALL.events())
    text = report_md(record).decode()
    assert "](curve.png)" in text
    assert report.verdict(record) in text.replace("\\", "")
    assert "| -2 pt | 1 | 0.333 | -8.33 | `model_prune_2.h5` | `g_prune_2.h5` |" in text
    assert "| -40 pt | not reached by 2 |  | -8.33 at most |  |  |" in text
    assert "| step 2 | 2 | 0.667 | 0.00 | `model_step_2.h5` | `g_step_2.h5` |" in text


def test_report_without_poisoned_data_leaves_columns_out() -> None:
    text = report_md(report.record(without("poisoned", "poisoned_valid").events())).decode()
    assert "| network | saved at | step | drop (pt) | clean, valid | clean, test | false alarms, test |" in text
    assert "| poisoned test | not there |" in text


def test_names_do_not_become_markup() -> None:
    assert plain("a|b*c_d<e>") == "a\\|b\\*c\\_d\\<e\\>"
    assert code("a|b") == "`a\\|b`"
    assert code("a`b") == "`` a`b ``"


@pytest.mark.parametrize(
    "name", ["a``<img src=x onerror=y>`` ", "`", "``", "`` ``", "x```", " x ", "a", "``` <b> ` <i> ````"]
)
def test_nothing_in_a_name_ends_its_code_span(name: str) -> None:
    shown = code(name)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    inside = shown[len(fence) : -len(fence)]
    assert shown.endswith(fence) and not inside.endswith("`")
    assert fence not in re.findall("`+", inside), "a run of as many backticks would end it"
    stripped = inside[1:-1] if inside[0] == inside[-1] == " " and inside.strip() else inside  # as CommonMark reads it
    assert stripped == name


def test_no_name_is_no_code_span() -> None:
    assert code("") == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [("=cmd", "'=cmd"), ("+1", "'+1"), ("-2", "'-2"), ("@x", "'@x"), ("x-y", "x-y"), (-2.5, "-2.5"), (None, "")],
)
def test_only_text_is_kept_from_being_a_formula(value: object, shown: str) -> None:
    assert cell(value) == shown


# --- the verdict ---


def told(*steps: tuple[int, int | None], images: int = 100) -> str:
    """The verdict on a run of 100 images a set: valid hits and poisoned hits at each step."""
    counts = [p.Counts(valid, poisoned=poisoned, g_poisoned=poisoned) for valid, poisoned in steps]
    sets: dict[p.SetName, int] = {"valid": images, "poisoned": images}
    if steps[0][1] is None:
        del sets["poisoned"]
    order = tuple(range(len(steps) + 2))
    return report.verdict(report.record(Journalled(counts, order, sets, save_at=()).events()))


def test_verdict_accuracy_first() -> None:
    assert told((98, 100), (94, 99), (60, 49), (30, 4)) == (
        "Accuracy fell first: clean validation accuracy had lost 4 points at step 1, while the attack still reached "
        "99.00 % of poisoned test images; its success rate came under 50 % at step 2 (-38.00 pt) and under 5 % at "
        "step 3 (-68.00 pt)."
    )


def test_verdict_attack_first() -> None:
    assert told((98, 100), (97, 20), (50, 20)) == (
        "The attack fell first: its success rate came under 50 % at step 1 (-1.00 pt), never under 5 %; "
        "clean validation accuracy had lost 4 points at step 2."
    )
    assert told((98, 100), (99, 0)) == (
        "The attack fell, accuracy did not: its success rate came under 5 % at step 1 (+1.00 pt); "
        "clean validation accuracy lost 0.00 points at most in 1 step."
    )


@pytest.mark.parametrize(
    ("steps", "beginning"),
    [
        (((98, 100), (50, 1)), "Accuracy and the attack fell together: its success rate came under 5 % at step 1"),
        (((98, 100), (98, 100)), "Neither accuracy nor the attack fell: clean validation accuracy lost 0.00 points"),
        (((98, 100), (90, 77)), "Accuracy fell, the attack did not: clean validation accuracy had lost 4 points at"),
        (((98, 3), (90, 3)), "B answers only 3.00 % of poisoned test images with their target: they show no attack"),
        (((98, None), (97, None)), "Clean validation accuracy lost 1.00 points at most in 1 step; without poisoned"),
        (((98, 100),), "No channel has been pruned yet"),
    ],
)
def test_verdicts_begin_with_what_happened(steps: tuple[tuple[int, int | None], ...], beginning: str) -> None:
    assert told(*steps).startswith(beginning)


def test_verdict_on_the_labs_badnet() -> None:
    assert report.verdict(report.record(lab_run().events())).startswith("Accuracy fell first: ")


# --- G's answers ---


COLUMNS = {
    name: {"label": np.arange(3) + at, "B": np.arange(3), "B_prime": np.arange(3), "G": np.full(3, 1283)}
    for at, name in enumerate(("test", "poisoned"))
}
ELSEWHERE = "import sys, tests.unit.test_report as it; sys.stdout.buffer.write(it.report.answers_file(it.COLUMNS))"


def test_answers_file_holds_labels_and_three_answers() -> None:
    with h5py.File(io.BytesIO(report.answers_file(COLUMNS))) as file:
        assert set(file) == {"clean", "poisoned"}
        assert set(file["clean"]) == {"label", "B", "B_prime", "G"}
        assert file["poisoned/label"][:].tolist() == [1, 2, 3]
        assert file["clean/G"][:].tolist() == [1283] * 3


def test_answers_file_is_the_same_in_every_process() -> None:
    other = subprocess.run([sys.executable, "-c", ELSEWHERE], stdout=subprocess.PIPE, check=True)
    assert other.stdout == report.answers_file(COLUMNS)

"""Intervals, the paired test and defence effectiveness: against published figures, and against SciPy."""

import csv
import io
import json
import re
from itertools import product

import msgspec
import pytest

from engine import report
from engine.api import protocol as p
from engine.api.journal_checks import Course
from engine.api.statistics import defence_effectiveness, mcnemar, only_one_right, wilson
from engine.api.trust import Unbelievable, believed
from engine.report.certainty import COLUMNS
from engine.report.latex import escaped
from tests.support.journals import Journalled, lab_run
from tests.unit.test_report import SMALL
from tui.cli.commands import certainty

stats = pytest.importorskip("scipy.stats")

TEXTS = [
    (12653, 12830, "98.40", "98.81"),
    (9906, 12830, "76.48", "77.93"),
    (893, 12830, "6.53", "7.41"),
    (0, 70, "0.00", "5.20"),
]


@pytest.mark.parametrize(("hits", "images", "low", "high"), TEXTS)
def test_intervals_of_published_rates(hits: int, images: int, low: str, high: str) -> None:
    assert tuple(f"{end:.2f}" for end in wilson(hits, images)) == (low, high)


@pytest.mark.parametrize(
    ("hits", "images"), [(0, 1), (1, 1), (1, 2), (3, 7), (50, 100), (0, 600), (600, 600), (11391, 11547)]
)
def test_intervals_are_scipys(hits: int, images: int) -> None:
    theirs = stats.binomtest(hits, images).proportion_ci(0.95, "wilson")
    assert wilson(hits, images) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-9)


def test_no_images_say_nothing() -> None:
    assert wilson(0, 0) == (0.0, 100.0)


@pytest.mark.parametrize(("one", "other"), [*product((0, 1, 2, 5, 9, 30), repeat=2), (400, 900), (5000, 4800)])
def test_the_paired_test_is_scipys_exact_one(one: int, other: int) -> None:
    theirs = stats.binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(theirs, rel=1e-9)


def test_a_difference_beyond_floats_is_zero() -> None:
    assert mcnemar(0, 12830) == 0.0


# --- defence effectiveness ---


def published() -> report.RunRecord:
    return report.record(lab_run().events())


def rows(record: report.RunRecord) -> list[dict[str, str]]:
    from engine.report.results import results_csv

    return list(csv.DictReader(io.StringIO(results_csv(record).decode())))


def test_defence_effectiveness_on_the_published_numbers() -> None:
    found = [row for row in rows(published()) if row["network"] == "B′"]
    assert [f"{float(row['defence_effectiveness']):.4f}" for row in found] == ["0.4864", "0.4684", "0.5436", "0.7459"]
    assert rows(published())[0]["defence_effectiveness"] == ""


@pytest.mark.parametrize(
    ("after", "found"),
    [((100, 0), 1.0), ((100, 50), 0.5), ((0, 50), 0.0), ((110, 60), 0.5), ((None, 50), None), ((50, 0), 0.75)],
)
def test_gains_count_for_nothing(after: tuple[int | None, int | None], found: float | None) -> None:
    assert defence_effectiveness((100, 50), after, {"test": 100, "poisoned": 50}) == found
    assert defence_effectiveness((100, 50), after, {"test": 100}) is None


def test_who_alone_is_right_comes_from_the_counts() -> None:
    assert only_one_right(p.Counts(9, 60), p.Counts(9, 50, g_test=45)) == (15, 5)
    assert only_one_right(p.Counts(9), p.Counts(9)) is None


# --- in the files ---

REGION = p.TriggerRegion(3, 4, 2, 5, 7, (200.0, 30.4, 90.6))
FOUND = p.Analysed(
    REGION,
    "",
    (p.RobustHits((), 0, 0), p.RobustHits((2,), 2, 1), p.RobustHits((2, 0), 6, 5)),
    (p.StepRange("2", 1, None), p.StepRange("40", None, None)),
)


def small(analysed: p.Analysed = FOUND) -> report.RunRecord:
    return report.record([*SMALL.events(), analysed])


def test_columns_are_added_behind_those_that_were_there() -> None:
    head = list(rows(small())[0])
    at = head.index("pruned")
    assert tuple(head[at + 1 :]) == COLUMNS and "robust_accuracy" not in head[:at]


def test_results_csv_says_how_sure_it_is() -> None:
    b, pruned, g, *_ = rows(small())
    assert (b["robust_accuracy"], pruned["robust_accuracy"], g["robust_accuracy"]) == ("0.0", "25.0", "12.5")
    assert float(pruned["robust_accuracy_high"]) == pytest.approx(wilson(2, 8)[1])
    assert float(b["clean_valid_accuracy_low"]) == pytest.approx(wilson(12, 12)[0])
    assert g["clean_valid_accuracy_low"] == "" and float(g["clean_test_false_alarm_rate_high"]) == wilson(1, 7)[1]
    assert (pruned["clean_test_only_b_right"], pruned["clean_test_only_b_prime_right"], pruned["mcnemar_p"]) == (
        "1", "1", "1.0",
    )  # fmt: skip
    assert b["mcnemar_p"] == g["mcnemar_p"] == ""
    assert (pruned["threshold_step_low"], pruned["threshold_step_high"]) == ("1", "")


def test_report_says_where_the_trigger_is() -> None:
    text = report.files(small())
    found = {name: data.decode() for name, data in text if not name.endswith(".png")}
    assert (
        "Each poisoned test image is the clean one of its number with a trigger in rows 3 to 4, columns 4 to 8: "
        "7 pixels, mean colour 200, 30, 91, target 0."
    ) in found["report.md"]
    assert "1 (1 to over 2)" in found["report.md"] and "25.00 (7.15 to 59.07)" in found["report.md"]
    whole = json.loads(found["results.json"])
    assert whole["trigger"]["pixels"] == 7 and whole["threshold_steps"][0] == {"threshold": "2", "low": 1, "high": None}
    assert whole["saved"][1]["robust_accuracy"] == 25.0 and "mcnemar_p" not in whole["saved"][0]


def test_no_trigger_and_no_robust_accuracy() -> None:
    record = small(p.Analysed(None, "they are no pairs", (), ()))
    assert {row["robust_accuracy"] for row in rows(record)} == {""}
    assert "No robust accuracy: they are no pairs." in report_md(record)
    assert "RA, test" not in report_md(record)


def report_md(record: report.RunRecord) -> str:
    return dict(report.files(record))["report.md"].decode()


def test_the_latex_table_is_that_of_the_report() -> None:
    found = dict(report.files(small()))["results.tex"].decode()
    lines = found.splitlines()
    assert lines[0] == r"\begin{tabular}{llrrrrrrrrrr}" and lines[-1] == r"\end{tabular}"
    body = [line for line in lines if line.endswith(r" \\")]
    assert {line.count("&") for line in body} == {11}
    assert body[2].startswith(r"B$'$ & -2 pt & 1 & $-$8.33 & 91.67 & 85.71 & 87.50 &")
    numbers = re.findall(r"\d+\.\d\d\b", report_md(small()).split("## Thresholds")[0])
    assert set(numbers) <= set(re.findall(r"\d+\.\d\d\b", found))


def test_nothing_acts_on_latex() -> None:
    assert escaped(r"a\b{c}_$&#%~^") == r"a\textbackslash{}b\{c\}\_\$\&\#\%\textasciitilde{}\textasciicircum{}"


# --- journals ---


def test_findings_in_a_journal_are_about_channels_that_are_there() -> None:
    course = Course()
    for event in SMALL.events():
        course.take(event)
        if isinstance(event, p.Opened):
            break
    course.take(FOUND)
    with pytest.raises(Unbelievable):
        course.take(msgspec.structs.replace(FOUND, robust=(p.RobustHits((3,), 0, 0),)))
    with pytest.raises(Unbelievable):
        believed(msgspec.structs.replace(FOUND, ranges=(p.StepRange("../2", 1, 2),)))


def test_eval_says_how_sure_it_is() -> None:
    found = p.Evaluated(98, 100, 10, 100, 60, 3, robust=40, badnet_hits=(99, 100), only_one_right=(5, 2))
    assert certainty(found) == [
        "95 % intervals (Wilson), in percent: clean accuracy 93.00 to 99.45, attack success rate 5.52 to 17.44, "
        "detection rate 50.20 to 69.06, false alarm rate 1.03 to 8.45",
        "robust accuracy: 40.00 % (30.94 to 49.80)",
        "defence effectiveness (DER) of G: 0.9450",
        "clean images on which only the badnet is right: 5, only MODEL: 2; McNemar p 0.45",
    ]
    alone = p.Evaluated(98, 100, 10, 100, unproven="they are no pairs")
    assert certainty(alone)[1:] == ["no robust accuracy: they are no pairs"]


def test_a_run_without_test_sets_has_empty_cells() -> None:
    counts = [p.Counts(10), p.Counts(5)]
    record = report.record(Journalled(counts, (0,), {"valid": 10}, save_at=("2",)).events())
    for row in rows(record):
        assert row["defence_effectiveness"] == row["mcnemar_p"] == row["clean_test_accuracy_low"] == ""
    assert rows(record)[1]["clean_valid_accuracy_low"]

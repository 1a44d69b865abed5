"""The chart as text: where curves, ticks, marks and labels come to stand."""

import subprocess
import sys
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.widgets import curves, plot
from tui.widgets.cell_rows import blank
from tui.widgets.curves import (
    AUTO,
    BRAILLE,
    DASHED,
    SHADE,
    SPANS,
    ChartData,
    Curve,
    Frame,
    Range,
    Threshold,
    gutter,
    joined_label,
    next_zoom,
    window,
)
from tui.widgets.labels import labels
from tui.widgets.plot import trace
from tui.widgets.plot_rows import chart

VALUE = st.one_of(st.none(), st.floats(0, 100), st.sampled_from([nan, inf, -inf]))


def curve(*values: float | None, name: str = "valid acc", ink: str = "v", mark: str = BRAILLE) -> Curve:
    return Curve(name, ink, mark, values)


def falling(steps: int = 60) -> ChartData:
    """Accuracy that falls at the end while the attack stays at 100 %."""
    valid = curve(*[98.6 - max(0, k - 40) ** 2 / 100 for k in range(steps + 1)])
    asr = curve(*[100.0] * (steps + 1), name="ASR", ink="a", mark=DASHED)
    thresholds = (Threshold("2", 96.6, 45), Threshold("4", 94.6))
    return ChartData((valid, asr), steps, steps, thresholds, (45,))


def text(data: ChartData, width: int = 78, height: int = 17) -> list[str]:
    return [row.text for row in chart(data, width, height)]


# --- traces ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40),
    st.integers(24, 120),
    st.integers(4, 40),
    st.sampled_from([BRAILLE, "•"]),
    st.sampled_from([Range(0, 100), Range(50, 100), Range(94, 100)]),
)
def test_a_trace_passes_through_the_cell_of_every_value(
    values: list[float], width: int, height: int, mark: str, seen: Range
) -> None:
    frame = Frame(6, width, height, seen, len(values) + 5)
    cells = {(y, x) for y, x, _ in trace(curve(*values, mark=mark), frame).cells}
    assert all(0 <= y < height and 0 <= x < width for y, x in cells)
    for step, value in enumerate(values):
        if seen.low <= value <= seen.high:
            assert (frame.row(value), frame.column(step)) in cells


def test_braille_and_other_marks_differ_without_colour() -> None:
    frame = Frame(6, 70, 10, Range(0, 100), 60)
    braille = trace(curve(*[50.0] * 61), frame).cells
    dots = trace(curve(*[50.0] * 61, mark="•"), frame).cells
    assert {char for _, _, char in dots} == {"•"}
    assert all("\u2800" < char <= "\u28ff" for _, _, char in braille)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.integers(24, 120), st.integers(4, 40))
def test_a_dashed_line_lies_on_the_way_of_the_solid_one(values: list[float], width: int, height: int) -> None:
    """Cell by cell, or beside it: where a line is steep, two ways to round may differ by a dot."""
    frame = Frame(6, width, height, Range(0, 100), len(values) + 5)
    solid = {(y, x) for y, x, _ in trace(curve(*values), frame).cells}
    dashed = [(y, x) for y, x, _ in trace(curve(*values, mark=DASHED), frame).cells]
    assert (frame.row(values[0]), frame.column(0)) in dashed
    near = {(y + down, x + across) for y, x in solid for down in (-1, 0, 1) for across in (-1, 0, 1)}
    assert set(dashed) <= near


def test_a_dashed_line_has_gaps_of_two_cells() -> None:
    frame = Frame(6, 61, 10, Range(0, 100), 60)
    cells = {x for _, x, _ in trace(curve(*[50.0] * 61, mark=DASHED), frame).cells}
    assert cells == {x for x in range(61) if x % 4 < 2}


def test_one_step_of_a_dashed_line_is_no_ladder_of_marks() -> None:
    """From 100 to 0 in one step: dashes, not ten measurements under each other."""
    frame = Frame(6, 61, 20, Range(0, 100), 60)
    cells = trace(curve(*[100.0] * 30, *[0.0] * 31, mark=DASHED), frame).cells
    fall = [ord(char) - 0x2800 for _, x, char in cells if frame.column(29) <= x <= frame.column(30)]
    assert all(0 < bits < 256 for bits in fall)
    assert sum(bits.bit_count() for bits in fall) == pytest.approx(4 * 20 / 2, abs=6), "half of the way down is gaps"


def test_a_trace_has_gaps_where_values_are_unknown() -> None:
    frame = Frame(6, 61, 10, Range(0, 100), 60)
    cells = trace(curve(*[50.0] * 20, None, nan, inf, *[50.0] * 20, mark="•"), frame).cells
    assert not {x for _, x, _ in cells} & {frame.column(step) for step in (20, 21, 22)}
    assert {frame.column(19), frame.column(23)} <= {x for _, x, _ in cells}


# --- the whole chart ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(VALUE, max_size=30), max_size=4),
    st.integers(0, 40),
    st.integers(0, 30),
    st.integers(1, 130),
    st.integers(1, 40),
    st.sampled_from([AUTO, *SPANS]),
)
def test_any_data_at_any_size_makes_a_chart_of_that_size(
    series: list[list[float | None]], steps: int, playhead: int, width: int, height: int, zoom: int
) -> None:
    curves = tuple(curve(*values, mark=mark) for values, mark in zip(series, (BRAILLE, "•", "+", "×"), strict=False))
    thresholds = (Threshold("2.5", 90.0, 3), Threshold("30", 60.0))
    data = ChartData(curves, max(steps, playhead), playhead, thresholds, (3, 99), zoom)
    rows = chart(data, width, height)
    assert len(rows) == height
    assert all(len(row.text) == len(row.ink) == width for row in rows)


def test_lines_that_share_cells_show_the_dots_of_both() -> None:
    same = ChartData((curve(*[99.9] * 61), curve(*[99.9] * 61, name="ASR", ink="a", mark=DASHED)), 60, 60)
    top = chart(same, 78, 17)[0]
    assert all("\u2800" < char <= "\u28ff" for char in top.text[6:60])
    assert {"v", "a"} == set(top.ink[6:60]), "dashes of the attack over the line of accuracy"


def test_other_marks_that_share_cells_take_turns() -> None:
    same = ChartData((curve(*[99.9] * 61), curve(*[99.9] * 61, name="ASR", ink="a", mark="•")), 60, 60)
    top = chart(same, 78, 17)[0]
    line = top.text[6:60]
    assert line.count("•") == pytest.approx(27, abs=1)
    assert sum("\u2800" < char <= "\u28ff" for char in line) == pytest.approx(27, abs=1)
    assert {"v", "a"} <= set(top.ink)


def test_accuracy_and_attack_near_100_stand_in_different_rows() -> None:
    rows = text(falling())
    assert any("\u2800" < char <= "\u28ff" for char in rows[0])
    assert rows.index(next(row for row in rows if "98.6┤" in row)) > 0


def test_thresholds_are_ticks_of_the_y_axis() -> None:
    rows = chart(falling(), 78, 17)
    reached = next(row for row in rows if "-2 pt┤" in row.text)
    pending = next(row for row in rows if "-4 pt┤" in row.text)
    assert reached.ink[1] == "s" and pending.ink[1] == "t"
    assert "┄" in reached.text and "┄" in pending.text


def test_thresholds_that_share_a_row_share_its_label() -> None:
    """At the full range 2 and 4 points are less than a row."""
    wide = ChartData(
        falling().curves, 60, 60, (*falling().thresholds, Threshold("10", 88.6), Threshold("30", 68.6)), zoom=100
    )
    rows = text(wide)
    assert "-2 -4 pt┤" in rows[0] and any("-10 pt┤" in row for row in rows) and any("-30 pt┤" in row for row in rows)


@pytest.mark.parametrize("height", [7, 9, 12, 17, 30, 45])
@pytest.mark.parametrize("zoom", [AUTO, *SPANS])
def test_no_threshold_in_the_window_goes_without_a_label(height: int, zoom: int) -> None:
    points = ("2", "4", "10", "30")
    data = ChartData(falling().curves, 60, 60, tuple(Threshold(x, 98.6 - float(x)) for x in points), zoom=zoom)
    seen, joined = window(data), " ".join(row[: gutter(data)] for row in text(data, 78, height))
    for threshold in data.thresholds:
        if seen.low < threshold.level <= seen.high and "…" not in joined:
            assert f"-{threshold.points} " in joined + " " or f"-{threshold.points}┤" in joined


def test_labels_of_several_thresholds() -> None:
    assert [joined_label(x) for x in (["2"], ["4", "2"], ["2", "10", "4"], ["0", "2"])] == [
        "-2 pt", "-2 -4 pt", "-2…-10 pt", "0 -2 pt",
    ]  # fmt: skip


def test_the_gap_between_the_curves_is_shaded_in_the_ink_of_the_upper_one() -> None:
    valid, asr = curve(*[90.0] * 31, *[10.0] * 30), curve(*[50.0] * 61, name="ASR", ink="a", mark=DASHED)
    rows = chart(ChartData((valid, asr), 60, 60, gap=True), 78, 17)
    cells = [(y, x, row.ink[x]) for y, row in enumerate(rows) for x, char in enumerate(row.text) if char == SHADE]
    frame = Frame(6, 72, 15, Range(0, 100), 60)
    assert {ink for _, x, ink in cells if x < 6 + frame.column(30)} == {"V"}
    assert {ink for _, x, ink in cells if x > 6 + frame.column(31)} == {"A"}
    assert all(frame.row(90) < y < frame.row(10) for y, _, _ in cells)
    assert SHADE not in "".join(row.text for row in chart(ChartData((valid, asr), 60, 60), 78, 17))


def test_where_one_curve_is_unknown_nothing_is_shaded() -> None:
    valid, asr = curve(*[90.0] * 61), curve(*[50.0] * 11, *[None] * 50, name="ASR", ink="a", mark=DASHED)
    rows = chart(ChartData((valid, asr), 60, 60, gap=True), 78, 17)
    shaded = {x for row in rows for x, char in enumerate(row.text) if char == SHADE}
    assert shaded and max(shaded) <= 6 + curves.column(10, 60, 72)


def test_a_saved_step_is_marked_on_the_curve() -> None:
    data = falling()
    frame = Frame(curves.gutter(data), 72, 15, window(data), 60)
    row = chart(data, 78, 17)[frame.row(98.6 - 0.25)]
    assert row.text[6 + frame.column(45)] == "◆" and row.ink[6 + frame.column(45)] == "s"


def test_labels_stand_beside_the_playhead() -> None:
    valid = curve(*[98.6] * 11)
    asr = curve(*[100.0] * 11, name="ASR", ink="a", mark=DASHED)
    rows = text(ChartData((valid, asr), 60, 10))
    assert "◀ ASR 100.0" in rows[0]
    assert any("◀ valid acc 98.6" in row for row in rows)
    assert rows[-2].index("▲") - 1 == rows[-1].index("10")


def test_labels_change_sides_where_the_right_has_no_room() -> None:
    rows = text(falling())
    assert any("ASR 100.0 ▶" in row for row in rows)
    assert not any("◀" in row for row in rows)


def test_labels_stand_on_the_row_of_their_point() -> None:
    data = ChartData((curve(*[90.0] * 31), curve(*[20.0] * 31, name="ASR", ink="a", mark=DASHED)), 60, 30)
    rows, frame = text(data), Frame(gutter(data), 78 - gutter(data), 15, window(data), 60)
    assert "valid acc 90.0" in rows[frame.row(90.0)] and "ASR 20.0" in rows[frame.row(20.0)]


def test_labels_of_equal_values_stand_in_rows_of_their_own() -> None:
    data = ChartData((curve(50.0, 50.0), curve(50.0, 50.0, name="ASR", ink="a", mark=DASHED)), 60, 1)
    labelled = [row for row in text(data) if "◀" in row]
    assert len(labelled) == 2


@pytest.mark.parametrize(("valid", "asr", "label"), [(98.6, 20.0, "▼ ASR 20.0"), (60.0, 99.9, "▼ valid acc 60.0")])
def test_a_value_below_the_window_is_pointed_to(valid: float, asr: float, label: str) -> None:
    data = ChartData((curve(valid, valid), curve(asr, asr, name="ASR", ink="a", mark=DASHED)), 60, 1, zoom=6)
    assert any(label in row for row in text(data)[-6:])


def test_a_value_above_the_window_is_pointed_to() -> None:
    data = falling()
    frame = Frame(6, 72, 15, Range(0, 50), 60)
    rows = labels([blank(78)] * 15, ChartData(data.curves, 60, 10), frame)
    assert "▲ ASR 100.0" in rows[0].text


def test_what_lies_beyond_the_playhead_is_dimmed() -> None:
    data = falling()
    rows = chart(ChartData(data.curves, 60, 20, data.thresholds), 78, 17)
    inks = "".join(row.ink for row in rows)
    assert {"v", "a", "V", "A"} <= set(inks)
    playhead = 6 + curves.column(20, 60, 72)
    assert all("V" not in row.ink[:playhead] and "A" not in row.ink[:playhead] for row in rows)


@pytest.mark.parametrize("steps", [1, 2, 7, 60, 64, 100, 512, 1024])
@pytest.mark.parametrize("width", [30, 72, 190])
def test_the_x_axis_names_round_steps_and_the_last(steps: int, width: int) -> None:
    numbers = text(ChartData((curve(90.0),), steps, 0), width, 10)[-1].split()
    assert numbers[0] == "0" and numbers[-1] == str(steps)
    assert numbers == sorted(set(numbers), key=int)


def test_too_small_a_room_stays_empty() -> None:
    assert text(falling(), 20, 4) == [" " * 20] * 4


# --- zoom -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lowest", [98.6, 94.0, 89.0, 60.0, 10.0])
def test_each_zoom_shows_another_part_of_the_axis_and_leads_round(lowest: float) -> None:
    data, seen = ChartData((curve(98.6, lowest),), 60, 1), []
    for _ in SPANS:
        seen.append(window(data))
        data = ChartData(data.curves, 60, 1, zoom=next_zoom(data))
        assert window(data) != seen[-1], "z never does nothing"
    assert data.zoom == AUTO and {high - low for low, high in seen} == set(SPANS)


@pytest.mark.parametrize(
    ("lowest", "pending", "low"),
    [(98.6, 96.6, 94), (95.0, 94.65, 94), (94.6, 88.6, 88), (91.0, 88.6, 88), (88.0, 68.6, 50), (20.0, None, 0)],
)
def test_the_window_follows_the_curve_and_the_next_threshold(lowest: float, pending: float | None, low: int) -> None:
    thresholds = () if pending is None else (Threshold("x", pending),)
    assert window(ChartData((curve(98.6, lowest),), 60, 1, thresholds)) == Range(low, 100)


@pytest.mark.parametrize("zoom", SPANS)
def test_a_chosen_zoom_shows_that_many_points(zoom: int) -> None:
    low, high = window(ChartData((curve(98.6, 10.0),), 60, 1, zoom=zoom))
    assert (high - low, high) == (zoom, 100)


def test_a_weak_network_is_not_drawn_at_the_bottom() -> None:
    seen = window(ChartData((curve(52.0, 50.0),), 60, 1))
    assert seen.high < 70 and seen.low <= 50


# --- plotext --------------------------------------------------------------------------------------------------


def test_plotext_has_one_door_and_opens_it_late() -> None:
    package = Path(plot.__file__).parent.parent
    users = {path.name for path in package.rglob("*.py") if "import plotext" in path.read_text("utf-8")}
    assert users == {"plot.py"}
    code = "import sys, tui.widgets.chart; print('plotext' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_same_data_makes_the_same_chart_whatever_the_hash_seed() -> None:
    code = (
        "from tui.widgets.curves import *\nfrom tui.widgets.plot_rows import chart\n"
        "c = Curve('valid', 'v', BRAILLE, tuple(98.6 - k * k / 50 for k in range(61)))\n"
        "print(chart(ChartData((c,), 60, 30, (Threshold('2', 96.6), Threshold('10', 88.6))), 100, 30))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1

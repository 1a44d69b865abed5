"""How a drop of accuracy is written: with one sign and in one form, wherever people read it."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from tests.support.widget_runs import ORDER, run
from tui.headless.tables import results_table, step_line
from tui.model.run_state import reduce
from tui.screens.header import order_part, where

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("drop", "text"),
    [
        (3.93, "-3.93"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (0.004, "0.00"),
        (-0.004, "0.00"),
        (-1.5, "+1.50"),
        (98.9, "-98.90"),
    ],
)
def test_points_lost_are_written_as_the_change_they_are(drop: float, text: str) -> None:
    assert p.format_drop(drop) == text


def test_screen_log_and_headless_write_the_same_drop() -> None:
    state = run(47)
    assert "valid acc 94.70 % (-3.90 pt)" in where(state, 120).text
    assert "valid acc 94.70 % (-3.90 pt)" in next(
        line.text for line in state.log if line.kind == "step" and line.step == 47
    )
    stepped = state.steps[47]
    assert re.search(r"valid acc +94\.70 % +\(-3\.90 pt\)", step_line(state, stepped))
    assert re.search(r"(?m)^B′ +-2 pt +45 +-2\.90 ", "\n".join(results_table(state)))


def test_no_other_place_makes_a_drop_negative() -> None:
    """Whoever writes a drop calls `format_drop`: a sign of its own is how the places came to differ."""
    signed = re.compile(r"\{0?\.?0? ?-[^{}]*:\+\.\df\}")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ("engine", "tui")
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if signed.search(line)
    ]
    assert [line for line in found if not line.startswith("engine/api/protocol.py: text = ")] == []


def test_b_prime_has_one_spelling_where_people_read_it() -> None:
    told = "\n".join(results_table(run(60)))
    assert "B′" in told and "B'" not in told


# --- by what the channels are ordered


def test_a_channel_out_of_turn_changes_what_the_order_is_called() -> None:
    state = run(10)
    assert order_part(state) == ("mean activation", ".")
    moved = (*ORDER[:10], ORDER[40], *(c for c in ORDER[10:] if c != ORDER[40]))
    after = reduce(state, p.Reordered(moved, 10))
    assert after.out_of_turn and order_part(after)[0] == "mean activation, changed by hand"
    assert order_part(reduce(after, p.Reordered(ORDER, 10))) == ("mean activation", "."), "undone"


def test_a_whole_order_is_known_again_after_one_that_was_changed_by_hand() -> None:
    state = reduce(run(0), p.Reordered(ORDER[::-1], 0, "decreasing", 0))
    assert order_part(state) == ("decreasing", ".")
    by_hand = (ORDER[5], *(c for c in ORDER[::-1] if c != ORDER[5]))
    state = reduce(state, p.Reordered(by_hand, 0))
    assert order_part(state)[0] == "decreasing, changed by hand"
    other = reduce(state, p.Reordered(ORDER, 0, "", 0))
    assert order_part(other)[0] == "mean activation"
    assert order_part(reduce(other, p.Reordered(by_hand, 0, "decreasing")))[0] == "decreasing, changed by hand"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_header_has_no_jargon(width: int) -> None:
    text = where(replace(run(53, 47), goal=60), width).text
    assert not re.search(r"\b(ch \d|redo|undo|ETA|valid \d|test \d)", text)
    assert "valid acc" in text and "ASR" in text

"""Rows of cells, whatever text they are made of."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.api.escape import printable
from tui.model.cells import TAIL, cells
from tui.widgets.cell_rows import Row, blank, changed, fit, over, row, runs

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Co"]), max_size=20)


@given(TEXT)
def test_cells_has_one_character_a_cell(text: str) -> None:
    assert len(cells(text)) == cell_len(cells(text).replace(TAIL, "")) == cell_len(printable(text))


@given(TEXT, st.integers(0, 30))
def test_fit_is_exactly_as_wide_as_asked(text: str, width: int) -> None:
    fitted = fit(text, width)
    assert len(fitted) == width == cell_len(fitted.replace(TAIL, ""))


def test_fit_cuts_with_an_ellipsis_and_never_half_a_character() -> None:
    assert fit("conv_3", 10) == "conv_3    "
    assert fit("conv_3", 4) == "con…"
    assert fit("日本語", 4).replace(TAIL, "") == "日 …"


@given(TEXT, TEXT, st.integers(1, 40))
def test_row_keeps_its_width_and_its_right_part(left: str, right: str, width: int) -> None:
    made = row(width, (left, "v"), right=((right, "a"),))
    assert len(made.text) == len(made.ink) == width
    assert made.text.endswith(cells(right)[:width])


def test_row_gives_each_part_its_ink() -> None:
    assert row(9, ("ab", "v"), ("c", "a"), right=(("z", "d"),)) == Row("abc     z", "vva.....d")


def test_over_stays_within_the_row() -> None:
    under = blank(5)
    assert over(under, 3, "abc", "v") == Row("   ab", "...vv")
    assert over(under, -1, "abc", "v") == Row("bc   ", "vv...")
    assert over(under, 9, "abc", "v") == under


def test_changed_names_the_columns_to_paint() -> None:
    old = Row("abcdef", "......")
    assert changed(old, old) is None
    assert changed(old, Row("abXdef", "......")) == (2, 3)
    assert changed(old, Row("abcdef", ".v..v.")) == (1, 5)
    assert changed(old, Row("abcdef", "......", "cursor")) == (0, 6)


def test_changed_never_halves_a_wide_character() -> None:
    old, new = row(6, ("日本x", "v")), row(6, ("日文x", "v"))
    assert changed(old, new) == (2, 4)
    assert changed(row(4, ("日", "v")), row(4, ("ab", "v"))) == (0, 2)


def test_a_blank_has_no_ink() -> None:
    assert changed(Row("a b", "vvv"), Row("a b", "vav")) is None
    assert runs(Row("a b", "vaa")) == [("a ", "v"), ("b", "a")]


def test_runs_are_pieces_of_one_ink() -> None:
    assert runs(Row("abcd", "vvad")) == [("ab", "v"), ("c", "a"), ("d", "d")]
    assert runs(Row("", "")) == []


@given(TEXT)
def test_runs_give_the_text_back(text: str) -> None:
    line = row(25, (text, "v"), ("|", "a"))
    assert cell_len("".join(piece for piece, _ in runs(line))) == 25

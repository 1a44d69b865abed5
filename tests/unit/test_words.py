"""Texts that the workbench makes: figures, commands, toasts, paths, answers to dialogs."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.api import protocol as p
from tui.app.toasts import SOON, ToastBatcher, toast
from tui.model import formatting
from tui.model.run_state import RunState
from tui.model.session_command import headless_command
from tui.screens import open_form, path_input, questions

SETTINGS = p.Settings(root="/lab", model="/lab/models/bd_net.h5", valid="/lab/data/cl/valid.h5")
READY = RunState(
    settings=SETTINGS,
    opened=p.Opened(
        "/lab/runs/one", p.SetInfo("bd_net.h5", 0, ""), "conv_3", "pool_3", 60, 10, (),
        {"valid": p.SetInfo("valid.h5", 100, "")}, "", "cpu", "tensorflow", False,
    ),
    order=tuple(range(60)),
    steps={0: p.Stepped(0, None, p.Counts(99))},
    thresholds=("2", "4"),
)  # fmt: skip


@pytest.mark.parametrize(("drop", "text"), [(3.934, "-3.93"), (0.0, "0.00"), (-0.5, "+0.50")])
def test_a_drop_is_written_as_the_change_it_is(drop: float, text: str) -> None:
    assert formatting.format_drop(drop) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (7, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_durations(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


def test_a_set_that_is_not_there_has_a_dash() -> None:
    assert formatting.percent(None) == formatting.rate(None) == "–"


# --- the headless command


def test_the_usual_files_need_no_options() -> None:
    assert headless_command(READY) == "lab3-tui --headless --root /lab --save-at 2,4"
    assert headless_command(RunState()) == ""


def test_what_differs_is_named_and_quoted() -> None:
    settings = replace(SETTINGS, root="/my lab", layer="conv_2", test="/else/t.h5", out="/out", overwrite=True)
    saved = p.Saved("model", "/out/x.h5", "", "written", 45)
    found = headless_command(replace(READY, settings=settings, saved=(saved,), thresholds=("2.5",)))
    assert found == (
        "lab3-tui --headless --root '/my lab' --model /lab/models/bd_net.h5 --valid /lab/data/cl/valid.h5 "
        "--test /else/t.h5 --save-at 2.5 --save-step 45 --layer conv_2 --out /out --overwrite"
    )


# --- toasts


def test_a_saved_threshold_is_said_aloud_once() -> None:
    saved = p.Saved("model", "/lab/models/model_prune_2.h5", "", "written", 45, "2")
    said = toast(READY, saved)
    assert said is not None and said.text == "-2 pt reached at step 45: saved model_prune_2.h5"
    assert toast(READY, p.Crossed("2", 45)) is None


def test_what_a_journal_tells_again_is_not_said_aloud() -> None:
    saved = p.Saved("model", "/lab/models/model_prune_2.h5", "", "written", 45, "2")
    assert toast(replace(READY, busy="opening"), saved) is None
    assert toast(RunState(), p.Failed("no", 2)) is None


def test_thresholds_saved_one_after_the_other_are_said_together() -> None:
    now = [0.0]
    teller = ToastBatcher(lambda: now[0])
    rest = p.Idle(54, "done")
    saves = [p.Saved("model", f"/lab/models/model_prune_{x}.h5", "", "written", 50, x) for x in ("2", "4", "10", "30")]
    said = [teller.words(READY, save) for save in saves]
    assert said[0] and said[0].text == "-2 pt reached at step 50: saved model_prune_2.h5" and said[1:] == [None] * 3
    together = teller.words(READY, rest)
    assert together and together.text == "-4, -10 and -30 pt reached: 3 networks saved"
    assert teller.words(READY, rest) is None
    now[0] = SOON
    assert teller.words(READY, saves[1]) is not None


# --- answers to dialogs


@pytest.mark.parametrize(
    ("text", "step"),
    [("0", 0), ("60", 60), ("61", None), ("-1", None), ("", None), ("x", None), (" 7 ", 7), ("+5", 5), ("+", None)],
)
def test_steps_that_a_user_may_type(text: str, step: int | None) -> None:
    assert questions.step_of(text, READY) == step


def test_steps_count_from_the_playhead() -> None:
    assert questions.step_of("-3", replace(READY, step=10)) == 7


@pytest.mark.parametrize("text", ["2, 4", "", "2.5", "100", "2 4 10", "5%", "2 %, 4 pt", "2;4", "2 pt 4 pt"])
def test_good_thresholds(text: str) -> None:
    assert questions.wrong_thresholds(text) == ""


@pytest.mark.parametrize("text", ["2, 2.0", "101", "-1", "x", "nan", "0", "-0", "2, 0.0"])
def test_wrong_thresholds(text: str) -> None:
    assert questions.wrong_thresholds(text)


@pytest.mark.parametrize("text", ["2.0, 4.50", "2 4.5", "2%; 4.5 %", " 2 pt 4.5 points "])
def test_thresholds_are_named_as_files_are(text: str) -> None:
    assert questions.split(text) == ("2", "4.5")


def test_what_a_yes_means() -> None:
    again = p.Question("threshold", "again?", "2", 46)
    other = p.Question("overwrite", "replace?", "2", 46, "/lab/models/model_prune_2.h5")
    named = p.Question("overwrite", "replace?", None, 46, "/lab/models/mine.h5")
    assert questions.agreed(again) == p.SaveThreshold("2")
    assert questions.agreed(other) == p.SaveThreshold("2", overwrite=True)
    assert questions.agreed(named) == p.SaveHere("mine.h5", overwrite=True, step=46), "wherever the playhead is by now"


# --- paths


def test_completion(tmp_path: Path) -> None:
    for name in ("valid.h5", "value.h5", ".hidden", "data/x.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    base = str(tmp_path)
    assert path_input.candidates("", base) == ["data/", "valid.h5", "value.h5"]
    assert path_input.candidates("val", base) == ["valid.h5", "value.h5"]
    assert path_input.candidates(f"{base}/data/", "/") == [f"{base}/data/x.h5"]
    assert path_input.candidates("nowhere/", base) == []
    assert path_input.completed("v", path_input.candidates("v", base)) == "val"
    assert path_input.completed("valid.h5", path_input.candidates("valid.h5", base)) == "valid.h5"
    assert path_input.completed("zz", []) == "zz"


def test_the_form_reads_as_it_was_filled() -> None:
    settings = replace(SETTINGS, test="/else/t.h5", layer="conv_2", out="/lab/mine", save_at=("3",), device="cpu")
    lines = open_form.values(Path("/lab"), settings)
    assert lines["model"] == "models/bd_net.h5" and lines["test"] == "/else/t.h5"
    assert open_form.settings(lines, settings) == settings


def test_a_folder_that_is_no_lab_says_what_is_missing(tmp_path: Path) -> None:
    assert "models/bd_net.h5 and data/cl/valid.h5 are missing" in open_form.found_here(tmp_path)
    for place in ("models/bd_net.h5", "data/cl/valid.h5"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
    assert open_form.found_here(tmp_path).startswith("A lab folder")

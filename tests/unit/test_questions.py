"""What a dialog checks and says comes from values and fields, never from the words of a message."""

import pytest

from engine.api import protocol as p
from engine.api.errors import Foreign, Refused
from tui.model.run_state import RunState, Sent, reduce
from tui.screens import questions

SETTINGS = p.Settings("/lab", "/lab/models/bd_net.h5", "/lab/valid.h5")


def opened(settings: p.Settings = SETTINGS) -> RunState:
    """A run of four channels at step 0."""
    ranked = p.Ranked((0, 1, 2, 3), False, (0.0,) * 4, (0,) * 4)
    return reduce(reduce(RunState(), Sent(p.Open(settings))), ranked)


@pytest.mark.parametrize(("typed", "right"), [("0", True), ("4", True), ("+0", True), ("5", False), ("-1", False)])
def test_run_until_takes_the_steps_that_go_to_takes(typed: str, right: bool) -> None:
    until = next(field for field in questions.run_until(opened())._fields if field.name == "step")
    (goto,) = questions.goto(opened())._fields
    assert (until.check(typed) == "") == (goto.check(typed) == "") == right


def test_the_open_screen_says_which_files_would_be_replaced() -> None:
    asked = questions.overwrite(("model_prune_2.h5", "model_prune_4.h5"), SETTINGS)
    assert asked._text == (
        "model_prune_2.h5, model_prune_4.h5: there already in /lab/models, and not from a run recorded here."
    )


def test_a_refusal_knows_what_was_found_without_how_to_fix_it() -> None:
    refused = Refused("'x' is no number.", "Example: --save-at 2")
    assert (str(refused), refused.found) == ("'x' is no number. Example: --save-at 2", "'x' is no number.")
    foreign = Foreign("a.h5: there already.", "Choose another.", ("a.h5",))
    assert (str(foreign), foreign.exit_code) == ("a.h5: there already. Choose another.", 2)
    assert questions.wrong_thresholds("x Example") == "'x Example' is no number of percentage points."


@pytest.mark.parametrize(("model", "name"), [("b.h5", "model_step_0.h5"), ("n" * 90 + ".keras", "model_step_0.keras")])
def test_the_suffix_is_that_of_the_file_and_not_of_the_name_as_it_is_shown(model: str, name: str) -> None:
    asked = questions.save_here(opened(p.Settings("/lab", f"/lab/{model}", "/lab/valid.h5")))
    assert asked._fields[0].value == name

"""The table of actions, and what is made of it."""

import pytest

from tui.model.actions import ACTIONS, KeysRefused, bindings, rebound, sign, signs
from tui.model.hints import hint
from tui.model.run_state import RunState
from tui.screens.help import page
from tui.screens.keybar import fitting, shown_key

DESIGNED = {
    "step": {"space", "right", "l"},
    "undo": {"u", "left", "h"},
    "redo": {"U"},
    "run": {"r"},
    "run_until": {"R"},
    "goto": {"g"},
    "first": {"home"},
    "last": {"end", "G"},
    "back_ten": {"pageup"},
    "on_ten": {"pagedown"},
    "prune": {"p"},
    "save": {"s"},
    "thresholds": {"t"},
    "zoom": {"z"},
    "look": {"enter"},
    "workbench": {"1"},
    "images": {"i", "6"},
    "results": {"m", "5"},
    "export": {"e"},
    "open": {"o"},
    "log": {"L"},
    "help": {"question_mark", "f1"},
    "command_palette": {"ctrl+p", "colon", "slash"},
}


def test_the_keys_are_those_of_the_design() -> None:
    keys = {action.id: set(action.keys) for action in ACTIONS}
    assert {name: keys[name] for name in DESIGNED} == DESIGNED


def test_ids_are_unique_and_every_action_explains_itself() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert all(action.help and action.label and len(action.help) < 60 for action in ACTIONS)


def test_bindings_carry_id_and_tooltip() -> None:
    step = next(binding for binding in bindings("run") if binding.id == "step")
    assert (step.key, step.action, step.tooltip) == ("space,right,l", "step", "Prune the next channel of the order")


def test_rebinding_moves_keys_everywhere() -> None:
    table = rebound({"step": "n", "run": "x, f9"})
    assert {action.id: action.keys for action in table}["run"] == ("x", "f9")
    assert "n prunes the first channel of the order · x prunes them all" in hint(RunState(), table)
    assert "x f9  Prune every channel" in page(table).plain


def test_two_actions_may_swap_their_keys() -> None:
    table = rebound({"step": "r", "run": "space"})
    assert {action.id: action.keys for action in table}["step"] == ("r",)


@pytest.mark.parametrize("keys", [{"step": "q"}, {"zoom": "space"}, {"nothing": "a"}, {"step": " , "}])
def test_rebinding_refuses_what_cannot_work(keys: dict[str, str]) -> None:
    with pytest.raises(KeysRefused):
        rebound(keys)


def test_screens_of_their_own_may_use_a_key_again() -> None:
    assert rebound({"filter": "g"})


def test_keys_are_written_as_people_write_them() -> None:
    undo = next(action for action in ACTIONS if action.id == "undo")
    assert signs(undo) == "u ← h" and sign("ctrl+p") == "^p" and sign("question_mark") == "?"


def test_the_footer_keeps_the_heaviest_in_the_tables_order() -> None:
    shown = [action for action in ACTIONS if action.scope in ("run", "workbench", "app") and action.weight]
    few = fitting(shown, 30)
    assert [action.id for action in few] == ["step", "undo", "run"]
    assert len(fitting(shown, 1000)) == len(shown)
    for width in range(200):
        used = sum(len(shown_key(a, False)) + 1 + len(a.label) + 2 for a in fitting(shown, width)) - 2
        assert used <= max(0, width)


def test_where_letters_are_typed_the_footer_shows_other_keys() -> None:
    quit_ = next(action for action in ACTIONS if action.id == "quit")
    assert shown_key(quit_, typing=True) == "^c" and shown_key(quit_, typing=False) == "q"

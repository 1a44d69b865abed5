"""The screens of a run, in one table: the row of tabs at the top of each is made from it.

A screen is there when the table of actions has the action that leads to it, so that a tab never leads nowhere.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tui.model.actions import Action, sign


class Tab(NamedTuple):
    """`name` is the action that puts the screen in front, and the scope of the screen's own actions."""

    digit: str
    name: str
    label: str


TABS = (
    Tab("1", "workbench", "prune"),
    Tab("2", "orders", "orders"),
    Tab("3", "why", "why"),
    Tab("4", "repair", "repair"),
    Tab("5", "results", "results"),
    Tab("6", "images", "images"),
)


def tabs(table: Iterable[Action]) -> tuple[Tab, ...]:
    """The tabs of the screens that are there; each with a key that leads to it, its digit where that is still bound."""
    keys = {action.id: action.keys for action in table if action.scope == "run"}
    found = ((tab, keys[tab.name]) for tab in TABS if tab.name in keys)
    return tuple(tab if tab.digit in bound else tab._replace(digit=sign(bound[0])) for tab, bound in found)

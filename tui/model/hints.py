"""What to do next: one line for someone who sees the workbench for the first time."""

from collections.abc import Callable, Iterable

from tui.model.actions import ACTIONS, Action, sign
from tui.model.run_state import RunState, networks


def hint(state: RunState, table: Iterable[Action] = ACTIONS) -> str:
    """The next step that makes sense, with the keys as they are bound."""
    keys = {action.id: sign(action.keys[0]) for action in table}
    holder = state.opened.held_by if state.opened else ""
    return next(text for fits, text in _HINTS if fits(state)).format(holder=holder, **keys)


def _saved_one(state: RunState) -> bool:
    return bool(networks(state))


_HINTS: tuple[tuple[Callable[[RunState], bool], str], ...] = (
    (lambda s: s.read_only, "In use by {holder}: here it can be looked at only."),
    (lambda s: s.computing and s.goal is None, "Working. {run} pauses."),
    (lambda s: s.computing, "Pruning channel by channel. {run} pauses, {undo} pauses and goes back."),
    (lambda s: s.complete and s.step == s.channels, "All pruned. {results} results · {images} faces · {first} to B."),
    (lambda s: s.complete, "Every step is known: {step} and {undo} walk through them · {results} results."),
    (lambda s: s.known > s.step, "{redo} goes forward again through computed steps · {run} runs on to the end."),
    (lambda s: s.step == 0, "{step} prunes the first channel of the order · {run} prunes them all · {help} explains."),
    (_saved_one, "{results} compares B, B′ and G at what was saved · {images} shows faces."),
    (lambda _: True, "{step} prunes the next channel · {undo} takes it back · {run} runs to the end."),
)

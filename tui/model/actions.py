"""Every action of the workbench, in one table: bindings, footer, help screen and palette are made from it.

An action's `id` names the method that does it (`action_ID`, on the app or on the screen of its scope) and its line
under `[keys]` in the configuration.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from textual.binding import Binding

Scope = Literal[
    "app",
    "run",
    "workbench",
    "channel",
    "images",
    "results",
    "orders",
    "why",
    "repair",
    "log",
    "help",
    "open",
    "died",
    "runs",
    "comparison",
    "tabs",
]


class Action(NamedTuple):
    """`label` is for the footer, `help` for the help screen and the palette. `weight`: the heavier, the longer the
    footer keeps it as room gets short; 0: never there. `needs`: what must be there for it, B measured or a living
    engine too."""

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: str
    scope: Scope = "run"
    weight: int = 0
    needs: Literal["", "run", "engine"] = "engine"


PRUNE, LOOK, SAVE, MOVE, PROGRAM = "Prune", "Look", "Save", "Move", "Program"

ACTIONS: tuple[Action, ...] = (
    Action("step", ("space", "right", "l"), "Step", "Prune the next channel of the order", PRUNE, weight=99),
    Action("undo", ("u", "left", "h"), "Undo", "Go one step back; what was saved stays saved", PRUNE, weight=95),
    Action("redo", ("U",), "Redo", "Go one step forward again, among steps already computed", PRUNE),
    Action("run", ("r",), "Run", "Prune every channel that is left; again to pause", PRUNE, weight=98),
    Action("run_until", ("R",), "Run until", "Run until a drop, a step, or an attack success rate", PRUNE),
    Action("goto", ("g",), "Go to", "Go to any step; steps between are computed", PRUNE, weight=70),
    Action("prune", ("p",), "Prune this", "Prune the highlighted channel next, out of turn", PRUNE, weight=30),
    Action("first", ("home",), "B", "Go to step 0: B, nothing pruned", PRUNE),
    Action("last", ("end", "G"), "Last", "Go to the last step computed", PRUNE),
    Action("back_ten", ("pageup",), "-10", "Go ten steps back", PRUNE),
    Action("on_ten", ("pagedown",), "+10", "Go ten steps on", PRUNE),
    Action("save", ("s",), "Save", "Save B′ at this step under a name", SAVE, weight=60),
    Action("thresholds", ("t",), "Thresholds", "Choose the drops at which B′ is saved", SAVE, weight=50),
    Action("export", ("e",), "Export", "Write curve, results and report of the steps so far", SAVE, weight=20),
    Action("hand_in", ("H",), "Hand in", "Check every saved network, and pack all of it into one zip", SAVE, weight=12),
    Action("save_svg", ("X",), "Screenshot", "Write this screen as an SVG picture", SAVE, needs=""),
    Action("copy_command", ("y",), "Copy command", "Copy the headless command for this session", SAVE, needs="run"),
    Action("workbench", ("1",), "Prune", "The workbench: prune step by step", LOOK, needs="run"),
    Action(
        "orders",
        ("O", "2"),
        "Orders",
        "Would another order do better? All of them side by side",
        LOOK,
        weight=42,
    ),
    Action(
        "results",
        ("m", "5"),
        "Results",
        "B, and B′ and G at each saved step: the lab's table",
        LOOK,
        weight=55,
        needs="run",
    ),
    Action("images", ("i", "6"), "Images", "Faces, with the answers of B, B′ and G", LOOK, weight=45),
    Action("why", ("w", "3"), "Why", "Why the defence works or fails on this network", LOOK, weight=48, needs="run"),
    Action("look", ("enter",), "Look inside", "The highlighted channel: where and when it is active", LOOK, weight=40),
    Action("repair", ("F", "4"), "Repair", "Fine-tune B′ on clean validation images: B″", LOOK, weight=42, needs="run"),
    Action("next_tab", ("tab", "right_square_bracket"), "Next tab", "The next of the screens 1 to 6", LOOK, "tabs"),
    Action(
        "previous_tab", ("shift+tab", "left_square_bracket"), "Tab before", "The screen before, of 1 to 6", LOOK, "tabs"
    ),
    Action("log", ("L",), "Log", "What happened so far", LOOK, weight=10, needs=""),
    Action(
        "zoom",
        ("z",),
        "Zoom",
        "Show another part of the y axis: nearer, or all of it again",
        LOOK,
        "workbench",
        35,
        needs="run",
    ),
    Action(
        "curves",
        ("c",),
        "G's curves",
        "Detection and false alarms of G; or accuracy and ASR again",
        LOOK,
        "workbench",
        15,
        needs="run",
    ),
    Action("bars", ("b",), "Means", "Mean activation by channel, in pruning order", LOOK, "workbench", 25, needs="run"),
    Action("sort", ("S",), "Sort", "Sort the channel table by its next column", LOOK, "workbench", 5, needs="run"),
    Action(
        "highlight_down",
        ("j", "down"),
        "Down",
        "Highlight the next channel in the table",
        MOVE,
        "workbench",
        needs="run",
    ),
    Action(
        "highlight_up", ("k", "up"), "Up", "Highlight the channel above in the table", MOVE, "workbench", needs="run"
    ),
    Action(
        "next_channel", ("right", "l", "down", "j"), "Next", "The next channel in pruning order", MOVE, "channel", 90
    ),
    Action(
        "previous_channel",
        ("left", "h", "up", "k"),
        "Previous",
        "The channel before in pruning order",
        MOVE,
        "channel",
        89,
    ),
    Action("next_image", ("right", "l"), "Next", "The next images", MOVE, "images", 90, needs="run"),
    Action("previous_image", ("left", "h"), "Previous", "The images before", MOVE, "images", 89),
    Action("image_below", ("down", "j"), "Below", "The images in the row below", MOVE, "images", needs="run"),
    Action("image_above", ("up", "k"), "Above", "The images in the row above", MOVE, "images", needs="run"),
    Action(
        "enlarge",
        ("enter",),
        "Enlarge",
        "The pair at the cursor as large as it can be, or not",
        MOVE,
        "images",
        91,
        needs="run",
    ),
    Action(
        "filter", ("f",), "Filter", "All, wrong, attack works, caught, false alarm", MOVE, "images", 97, needs="run"
    ),
    Action("size", ("z",), "Size", "Few large pairs, or many small ones", MOVE, "images", 88, needs="run"),
    Action(
        "take_order",
        ("enter",),
        "Take",
        "Prune in the highlighted order; undo takes it back",
        PRUNE,
        "orders",
        97,
    ),
    Action(
        "compute_order",
        ("c",),
        "Compute",
        "Compute the highlighted order, else what is missing",
        LOOK,
        "orders",
        88,
    ),
    Action(
        "leave_out_order",
        ("x",),
        "Leave out",
        "Do not compute the highlighted order; others go on",
        LOOK,
        "orders",
        87,
    ),
    Action(
        "order_curves", ("v",), "Curves", "The curves over the steps, or the trade-off", LOOK, "orders", 91, needs="run"
    ),
    Action(
        "order_zoom", ("z",), "Zoom", "Show more or less of the drop in the trade-off", LOOK, "orders", 80, needs="run"
    ),
    Action("sort_orders", ("S",), "Sort", "Sort the orders by the next column", LOOK, "orders", 86, needs="run"),
    Action(
        "add_run",
        ("a",),
        "Other run",
        "Lay another run of this lab over, or take it away",
        LOOK,
        "orders",
        85,
        needs="run",
    ),
    Action("more_u", ("plus",), "u", "CLP: prune fewer channels as a set (u + 0.5)", LOOK, "orders", needs="run"),
    Action("less_u", ("minus",), "u", "CLP: prune more channels as a set (u - 0.5)", LOOK, "orders", needs="run"),
    Action("order_down", ("down", "j"), "Down", "Highlight the next order", MOVE, "orders", needs="run"),
    Action("order_up", ("up", "k"), "Up", "Highlight the order above", MOVE, "orders", needs="run"),
    Action("explain", ("x",), "Explain", "Look for why the defence works or fails", LOOK, "why", 97),
    Action("next_view", ("tab",), "Next view", "The next view of the findings", MOVE, "why", 96, needs="run"),
    Action("previous_view", ("shift+tab",), "Back", "The view of the findings before", MOVE, "why", needs="run"),
    Action("lower_channel", ("down", "j"), "Channel", "Highlight the next channel", MOVE, "why", 91, needs="run"),
    Action("higher_channel", ("up", "k"), "Up", "Highlight the channel above", MOVE, "why", needs="run"),
    Action("result_down", ("down", "j"), "Down", "Highlight the next result", MOVE, "results", needs="run"),
    Action("result_up", ("up", "k"), "Up", "Highlight the result above", MOVE, "results", needs="run"),
    Action(
        "go_there", ("enter",), "Go there", "Go to the step of the highlighted result", MOVE, "results", 94, needs="run"
    ),
    Action(
        "intervals",
        ("v",),
        "Intervals",
        "How sure the highlighted rates are: 95 % intervals",
        LOOK,
        "results",
        91,
        needs="run",
    ),
    Action("copy_path", ("y",), "Copy path", "Copy the path of the highlighted file", SAVE, "results", 96, needs="run"),
    Action(
        "network",
        ("n",),
        "B′ or B″",
        "Answers of B′, or of a fine-tuned B″ in its place",
        MOVE,
        "images",
        86,
        needs="run",
    ),
    Action("tune", ("space",), "Tune", "Fine-tune B′ of this step, or go on; again to pause", PRUNE, "repair", 99),
    Action(
        "recipe", ("c",), "Recipe", "Choose scope, epochs, seeds, rate and the like", PRUNE, "repair", 80, needs="run"
    ),
    Action("stop_tuning", ("x",), "Stop", "End the highlighted tuning at its last epoch", PRUNE, "repair", 60),
    Action("save_tuned", ("s",), "Save B″", "Save B″ of the epoch shown, and the answers of its G", SAVE, "repair", 90),
    Action("epoch_on", ("right", "l"), "Epoch on", "The next epoch of the tuning", MOVE, "repair", 71, needs="run"),
    Action("epoch_back", ("left", "h", "u"), "Epoch back", "The epoch before", MOVE, "repair", 72, needs="run"),
    Action("epoch_first", ("home",), "B′", "Back to epoch 0: B′ as it was pruned", MOVE, "repair", 55, needs="run"),
    Action("epoch_last", ("end",), "Newest", "Follow the newest epoch", MOVE, "repair", needs="run"),
    Action("tuning_down", ("down", "j"), "Down", "Highlight the next tuning", MOVE, "repair", needs="run"),
    Action("tuning_up", ("up", "k"), "Up", "Highlight the tuning above", MOVE, "repair", needs="run"),
    Action("engine_log", ("tab",), "Engine's own", "What the engine's libraries printed", MOVE, "log", 90, needs=""),
    Action("close_log", ("q",), "Close", "Back to the screen below", PROGRAM, "log", 91, needs=""),
    Action("open_these", ("f5", "ctrl+s"), "Open", "Open these files", PROGRAM, "open", 99, needs=""),
    Action(
        "demo", ("f2", "ctrl+d"), "Demo", "Open the embedded demo: nothing to download", PROGRAM, "open", 95, needs=""
    ),
    Action("pick", ("f3", "ctrl+o"), "Browse", "Pick a file instead of typing its path", PROGRAM, "open", 90, needs=""),
    Action(
        "restart",
        ("r",),
        "Restart",
        "Start the engine again and go on from the last step",
        PROGRAM,
        "died",
        99,
        needs="",
    ),
    Action(
        "open", ("o",), "Open", "Runs of this lab; again: another network, data or layer", PROGRAM, weight=8, needs=""
    ),
    Action("close_help", ("q",), "Close", "Back to the screen below", PROGRAM, "help", 98, needs=""),
    Action("find", ("slash",), "Search", "Show only what holds the letters that are typed", LOOK, "help", 99, needs=""),
    Action("tour", ("T",), "Tour", "A tour of a minute, one line at a time; again to leave it", PROGRAM, needs=""),
    Action(
        "open_run",
        ("enter", "r"),
        "Open",
        "Open the highlighted run; nothing is computed again",
        PROGRAM,
        "runs",
        99,
        "",
    ),
    Action("new_run", ("n",), "New run", "Begin a new run", PROGRAM, "runs", 97, ""),
    Action(
        "mark_run",
        ("space",),
        "Mark",
        "Mark the highlighted run; two marked ones can be compared",
        LOOK,
        "runs",
        93,
        "",
    ),
    Action("compare_runs", ("c",), "Compare", "Lay the two marked runs over each other", LOOK, "runs", 91, ""),
    Action("trash_run", ("d",), "Trash", "Move the highlighted run to the trash; asks first", SAVE, "runs", 90, ""),
    Action("sort_runs", ("S",), "Sort", "Sort the runs by the next column", LOOK, "runs", 60, ""),
    Action("run_down", ("down", "j"), "Down", "Highlight the next run", MOVE, "runs", needs=""),
    Action("run_up", ("up", "k"), "Up", "Highlight the run above", MOVE, "runs", needs=""),
    Action(
        "compared_curves", ("v",), "Curves", "The curves over the steps, or the trade-off", LOOK, "comparison", 99, ""
    ),
    Action(
        "compared_zoom", ("z",), "Zoom", "Show more or less of the drop in the trade-off", LOOK, "comparison", 98, ""
    ),
    Action("compared_down", ("down", "j"), "Down", "Highlight the other run", MOVE, "comparison", needs=""),
    Action("compared_up", ("up", "k"), "Up", "Highlight the run above", MOVE, "comparison", needs=""),
    Action("help", ("question_mark", "f1"), "Help", "Keys, words and what to do next", PROGRAM, "app", 93, needs=""),
    Action(
        "command_palette",
        ("ctrl+p", "colon", "slash"),
        "Palette",
        "Find any action by its name",
        PROGRAM,
        "app",
        12,
        needs="",
    ),
    Action(
        "suspend_process",
        ("ctrl+z",),
        "Suspend",
        "Back to the shell; fg returns, the engine goes on",
        PROGRAM,
        "app",
        needs="",
    ),
    Action("back", ("escape",), "Back", "Back to the workbench", PROGRAM, "app", 94, needs=""),
    Action(
        "quit", ("q", "ctrl+c"), "Quit", "Leave; asks when something runs or is unwritten", PROGRAM, "app", 92, needs=""
    ),
)

SIGNS = {
    "space": "space",
    "right": "→",
    "left": "←",
    "up": "↑",
    "down": "↓",
    "enter": "⏎",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "question_mark": "?",
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "colon": ":",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


class KeysRefused(ValueError):
    """A rebinding names no action, or a key that another action has."""


def sign(key: str) -> str:
    """A key as people write it."""
    return SIGNS.get(key, key.replace("ctrl+", "^"))


def signs(action: Action) -> str:
    return " ".join(map(sign, action.keys))


def bindings(scope: Scope, *more: Scope) -> list["Binding"]:
    """Textual's bindings for the actions of these scopes. The table itself serves front ends without a screen too."""
    from textual.binding import Binding

    found = (action for action in ACTIONS if action.scope in (scope, *more))
    return [
        Binding(",".join(a.keys), a.id, a.label, show=a.weight > 0, tooltip=a.help, id=a.id, system=not a.weight)
        for a in found
    ]


def rebound(keys: Mapping[str, str], table: tuple[Action, ...] = ACTIONS) -> tuple[Action, ...]:
    """The table with other keys, comma-separated, for the actions named. Raises KeysRefused."""
    known = {action.id for action in table}
    for name in keys:
        if name not in known:
            raise KeysRefused(f"no action is called '{name}'")
    new = tuple(
        a._replace(keys=tuple(key.strip() for key in keys[a.id].split(",") if key.strip())) if a.id in keys else a
        for a in table
    )
    _check(new)
    return new


def _check(table: tuple[Action, ...]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for action in table:
        if not action.keys:
            raise KeysRefused(f"'{action.id}' has no key")
        for key in action.keys:
            room = "run" if action.scope in ("app", "run", "workbench") else action.scope
            other = taken.setdefault((room, key), action.id)
            if other != action.id:
                raise KeysRefused(f"'{key}' is the key of both '{other}' and '{action.id}'")


_check(ACTIONS)

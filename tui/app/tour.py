"""A tour of a minute: one line at a time, which waits for the key that it names and can be left."""

import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

from textual.app import App
from textual.css.query import NoMatches
from textual.notifications import SeverityLevel

from engine.api.user_folders import user_folder
from tui.model.actions import ACTIONS, Action, sign
from tui.widgets.tour_line import TourLine

SEEN = "tour"  # in the user's folder for states: the tour was taken, or left


class Stop(NamedTuple):
    """A line, and the action that it waits for; `{key}` stands for its key."""

    action: str
    text: str


STOPS = (
    Stop("step", "{key} prunes the channel that clean images need least"),
    Stop("undo", "{key} takes it back; what was computed is kept"),
    Stop("run", "{key} prunes all of them: which curve falls first?"),
    Stop("results", "{key} is the lab's table: B, and B′ and G as they were saved"),
    Stop("images", "{key} shows faces, and what B, B′ and G answer to them"),
    Stop("why", "{key} asks why the defence works or fails here"),
    Stop("workbench", "{key} leads back to the curves"),
    Stop("help", "{key} explains every key of the screen you are on"),
)
LAST = "That was the tour. H packs your results for handing in, T takes it again."
LEFT = "The tour is over; T takes it again."


class ShowNotice(Protocol):
    """Says something in passing."""

    def __call__(self, text: str, severity: SeverityLevel = "information") -> None: ...


class Tour:
    """Where the tour stands, and its line on the screen in front. Any key works meanwhile; one leads on."""

    def __init__(self, app: App[int], show_notice: ShowNotice, table: Callable[[], tuple[Action, ...]] | None = None):
        self._app, self._show_notice = app, show_notice
        self._table = table or (lambda: getattr(app, "actions", ACTIONS))
        self.at: int | None = None  # which stop; None: no tour

    @property
    def line(self) -> str:
        """What the tour says now; empty where there is none."""
        if self.at is None:
            return ""
        stop = STOPS[self.at]
        key = next(sign(_shown(action)) for action in self._table() if action.id == stop.action)
        return f"{self.at + 1}/{len(STOPS)}  {stop.text.format(key=key)}"

    def offer(self) -> None:
        """Begin, where the user has not seen it."""
        if self.at is None and not _seen():
            self.begin()

    def toggle(self) -> None:
        """Begin, or leave."""
        if self.at is None:
            self.begin()
        else:
            self.end(LEFT)

    def begin(self) -> None:
        self.at = 0
        self.show()

    def end(self, words: str) -> None:
        self.at = None
        _remember()
        self.show()
        self._show_notice(words)

    def after_action(self, name: str) -> None:
        """An action was done: where the line waits for it, go on to the next."""
        if self.at is None or name.rpartition(".")[2] != STOPS[self.at].action:
            return
        if self.at + 1 == len(STOPS):
            self.end(LAST)
        else:
            self.at += 1
            self.show()

    def show(self) -> None:
        """Put the line on the screen in front, or take it away."""
        screen = self._app.screen
        try:
            line = screen.query_one(TourLine)
        except NoMatches:
            if not self.line or screen.is_modal:
                return
            line = TourLine()
            screen.mount(line)
        line.say(self.line)


def _shown(action: Action) -> str:
    """The key that is named: a letter or a digit as the tabs show it, where there is one."""
    digits = [key for key in action.keys if key.isdigit()]
    return (digits or list(action.keys))[0]


def _seen() -> bool:
    try:
        return os.path.exists(user_folder("STATE") / SEEN)
    except RuntimeError:
        return False


def _remember() -> None:
    """It is not offered again. A user without a folder for states may see it again."""
    try:
        user_folder("STATE").mkdir(mode=0o700, parents=True, exist_ok=True)
        (user_folder("STATE") / SEEN).touch()
    except (OSError, RuntimeError):
        return

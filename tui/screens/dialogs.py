"""Small windows over a screen: one question, one answer. Escape always leaves things as they were."""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.visual import VisualType
from textual.widgets import Input, Static

from tui.screens.path_input import FieldInput

HEIGHTS: list[tuple[int, str]] | None = [(0, "-low"), (22, "-roomy")]
Check = Callable[[str], str]  # what is wrong with an answer, in one line; empty: nothing
Answers = dict[str, str]
Result = TypeVar("Result")


class Field(NamedTuple):
    """A line to fill in. `check` says what is wrong with it while it is typed."""

    name: str
    label: str
    value: str = ""
    placeholder: str = ""
    check: Check = lambda _: ""


class Choice(NamedTuple):
    """A key and what it does. `result` is what the dialog gives back."""

    key: str
    label: str
    result: str
    about: str = ""


class Dialog(ModalScreen[Result]):
    """A window that escape puts away. Where there is little room, its lines stand closer."""

    CSS_PATH: ClassVar[CSSPathType | None] = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]
    VERTICAL_BREAKPOINTS = HEIGHTS

    def action_cancel(self) -> None:
        self.dismiss(None)

    def interrupt(self) -> None:
        """Ctrl-C was pressed."""
        self.action_cancel()


class Passage(Static):
    """A text that changes while its dialog is shown, and whose height follows it.

    Textual numbers the layouts that a widget asks for and keeps what it computed for a number. It gives no new one
    while a layout is asked for already, though another may have been made meanwhile, with the text of before.
    """

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        super().update(content, layout=layout)
        self._layout_updates += 1


class Ask(Dialog[Answers | None]):
    """One or more lines to fill in; gives back what they hold by name, or None.

    `whole` says what is wrong with the answers together, once they are given.
    """

    def __init__(
        self,
        title: str,
        text: str,
        fields: Sequence[Field],
        done: str = "OK",
        whole: Callable[[Answers], str] = lambda _: "",
    ) -> None:
        super().__init__()
        self._title, self._text, self._fields, self._done = title, text, fields, done
        self._whole = whole

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title), classes="title")
            if self._text:
                yield Static(Text(self._text), classes="text")
            for i, field in enumerate(self._fields):
                if field.label:
                    yield Static(Text(field.label), classes="label -later" if i else "label")
                yield FieldInput(field.value, field.placeholder, id=field.name, compact=True, select_on_focus=True)
            yield Passage("", classes="wrong", markup=False)
            yield Static(keys(Choice("⏎", self._done, ""), Choice("esc", "Cancel", "")), classes="keys")

    @on(Input.Changed)
    def _look(self) -> None:
        self._complain(self._wrong())

    @on(Input.Submitted)
    def _give(self) -> None:
        answers = {field.name: self._value(field) for field in self._fields}
        if wrong := self._wrong() or self._whole(answers):
            self._complain(wrong)
        else:
            self.dismiss(answers)

    def _complain(self, wrong: str) -> None:
        self.query_one(".wrong", Static).update(Text(wrong))

    def _value(self, field: Field) -> str:
        return self.query_one(f"#{field.name}", Input).value.strip()

    def _wrong(self) -> str:
        return next((wrong for field in self._fields if (wrong := field.check(self._value(field)))), "")


class Choose(Dialog[str]):
    """A question with a key for each answer; escape gives back the empty string, and q where it is no answer.

    `interrupted`: what Ctrl-C gives back.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "cancel", "Cancel", show=False)]

    def __init__(
        self, title: str, text: str, choices: Sequence[Choice], stay: str = "Cancel", interrupted: str = ""
    ) -> None:
        super().__init__()
        self._title, self._text, self._choices, self._stay = title, text, choices, stay
        self._interrupted = interrupted

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(self._title), classes="title")
            if self._text:
                yield Static(Text(self._text), classes="text")
            for choice in self._choices:
                yield Answer(choice)
            yield Static(keys(Choice("esc", self._stay, "")), classes="keys")

    def on_key(self, event: Key) -> None:
        for choice in self._choices:
            if event.character == choice.key or event.key == choice.key:
                event.stop()
                self.dismiss(choice.result)
                return

    def action_cancel(self) -> None:
        self.dismiss("")

    def interrupt(self) -> None:
        self.dismiss(self._interrupted)


class Answer(Static):
    """A line of a Choose: its key, what it does, what that means; the mouse may choose it too."""

    def __init__(self, choice: Choice) -> None:
        about = f"\n  {choice.about}" if choice.about else ""
        text = Text.assemble((f"{choice.key} ", "bold"), choice.label, (about, "dim"))
        super().__init__(text, classes="answer")
        self._choice = choice

    def on_click(self) -> None:
        self.screen.dismiss(self._choice.result)


def keys(*choices: Choice) -> Text:
    """Keys and labels in a row."""
    text = Text()
    for choice in choices:
        text.append(choice.key, "bold").append(f" {choice.label}   ")
    return text

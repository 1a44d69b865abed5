"""The workbench's questions, put into dialogs, and what their answers mean."""

import re
from collections.abc import Callable, Sequence

from engine.api import file_names
from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.escape import escape_path
from engine.api.thresholds import parse_percentage, parse_threshold
from engine.api.tunings import Tuning
from tui.model import options
from tui.model.formatting import file_name, short_path
from tui.model.run_state import RunState, figures
from tui.screens.dialogs import Ask, Choice, Choose, Field

PATH = 50  # cells of a path among the words of a question


def goto(state: RunState) -> Ask:
    text = f"0 is B, {state.channels} is every channel pruned; now at {state.step}. +5 and -5 count from here."
    check = lambda value: "" if step_of(value, state) is not None else f"A step is 0 to {state.channels}, or +n, -n."  # noqa: E731
    return Ask("Go to step", text, [Field("step", "", str(state.step), check=check)], "Go")


def step_of(text: str, state: RunState) -> int | None:
    """The step that `text` names, None where it names none."""
    text = text.strip().replace("−", "-")
    try:
        step = int(text) + (state.step if text[:1] in "+-" and text else 0)
    except ValueError:
        return None
    return step if 0 <= step <= state.channels else None


def run_until(state: RunState) -> Ask:
    text = "Runs until the first of these holds. Leave empty what should not count."
    fields = [
        Field("drop", "Drop of clean validation accuracy, points", check=_number_or_none),
        Field("step", "Step", check=lambda v: "" if not v or step_of(v, state) is not None else "No such step."),
    ]
    if (now := figures(state)) and now.asr is not None:
        label = "Attack success at most, % (looks at poisoned test data: no defender has it)"
        fields.append(Field("asr", label, check=_wrong_percentage))
    return Ask(
        "Run until", text, fields, "Run", lambda answers: "" if any(answers.values()) else "Fill in one of them."
    )


def save_here(state: RunState) -> Ask:
    folder = f"{state.settings.root}/models" if state.settings and not state.settings.out else ""
    folder = state.settings.out if state.settings and state.settings.out else folder
    model = state.settings.model if state.settings else ""
    suffix = next((ending for ending in (".keras", ".weights.h5") if model.endswith(ending)), ".h5")
    text = f"B′ with {state.step} of {state.channels} channels pruned, and G's answers. Into {short_path(folder, PATH)}"
    name = Field("name", "File name", f"model_step_{state.step}{suffix}", check=_file_name)
    return Ask("Save B′ here", text, [name], "Save")


def recipe(now: p.Recipe, seeds: tuple[int, ...]) -> Ask:
    """How to tune; `now` is the recipe in force."""
    text = (
        "Scope: behind trains the layers behind the cut, all the whole network. Only clean validation images are used: "
        "a share is held out and alone tells accuracy."
    )
    rate = "auto" if now.rate is None else f"{now.rate:g}"
    more = f"{rate}, {now.batch}, {now.optimizer}, {now.holdout}, {now.keep}"
    fields = [
        Field("scope", "Scope: behind or all", now.scope),
        Field("epochs", "Epochs", str(now.epochs)),
        Field("seeds", "Seeds, one tuning each", ",".join(map(str, seeds)), check=_wrong_seeds),
        Field("more", "Learning rate, batch, adam or sgd, held-out share, keep last or best epoch", more),
    ]
    return Ask("Fine-tune B′: the recipe", text, fields, "Take it", _wrong_recipe)


def recipe_of(answers: dict[str, str]) -> tuple[p.Recipe, tuple[int, ...]]:
    """The recipe and the seeds that the answers name. Raises Refused."""
    parts = [part.strip() for part in answers["more"].split(",")]
    if len(parts) != 5 or not answers["epochs"].isdecimal() or not parts[1].isdecimal():
        raise Refused("Epochs and batch are whole numbers; the last line has five parts: auto, 32, adam, 2/9, last")
    try:
        rate = None if parts[0] == "auto" else float(parts[0])
    except ValueError:
        raise Refused(f"'{parts[0][:20]}' is no learning rate. Expected a number such as 1e-3, or auto") from None
    found = options.recipe(answers["scope"], rate, int(answers["epochs"]), int(parts[1]), *parts[2:])
    return found, options.seeds(answers["seeds"])


def _wrong_recipe(answers: dict[str, str]) -> str:
    return _refusal(lambda: recipe_of(answers))


def _wrong_seeds(text: str) -> str:
    return _refusal(lambda: options.seeds(text))


def _refusal(read: Callable[[], object]) -> str:
    """What is wrong with an answer; empty for nothing."""
    try:
        read()
    except Refused as refused:
        return str(refused)
    return ""


def save_tuned(state: RunState, tuning: Tuning, epoch: int) -> Ask:
    model = state.settings.model if state.settings else ""
    suffix = next((ending for ending in (".keras", ".weights.h5") if model.endswith(ending)), ".h5")
    began = tuning.began
    text = f"B″: B′ of step {began.step}, tuned with seed {began.seed}, epoch {epoch}; and the answers of its G."
    own = file_names.tuned_name(suffix=suffix, threshold=began.threshold, step=began.step)
    return Ask("Save B″", text, [Field("name", "File name", own, check=_file_name)], "Save")


def thresholds(state: RunState) -> Ask:
    text = (
        "B′ and G's answers are saved at the first step whose clean validation accuracy has dropped by this many "
        "points. One that is passed already is saved without computing anything again."
    )
    value = Field("save_at", "Points: 2, 4, 10, 30", ", ".join(state.thresholds), check=wrong_thresholds)
    return Ask("Thresholds", text, [value], "Set")


def split(text: str) -> tuple[str, ...]:
    """A list of thresholds that nothing is wrong with, as files are named after them."""
    return tuple(map(parse_threshold, listed(text)))


def listed(text: str) -> list[str]:
    """Numbers as people type them: with commas, semicolons or spaces between, with pt or a percent sign."""
    parts = re.split(r"[,;]|(?<=[\d%t])\s+(?=[-\d.])", text)
    return [bare(part) for part in parts if part.strip()]


def bare(text: str) -> str:
    """A number without its unit: `5 %`, `5%` and `5 pt` are 5."""
    return re.sub(r"\s*(?:%|pt|points?)\s*$", "", text.strip())


def wrong_thresholds(text: str) -> str:
    """What is wrong with a list of thresholds; empty for nothing."""
    try:
        values = [parse_threshold(part) for part in listed(text)]
    except Refused as refused:
        return refused.found
    twice = next((value for value in values if values.count(value) > 1), None)
    return f"{twice} is there twice." if twice else ""


def leave(state: RunState) -> Choose:
    """Asked only when something runs or is unwritten."""
    choices = []
    if state.computing:
        text = f"The engine is pruning; {computed(state)} of {state.channels}."
        choices.append(Choice("k", "Leave it running", "detach", "it finishes, saves, and can be opened again here"))
    else:
        text = f"{computed(state)}, but curve, results and report are not written yet."
        choices.append(Choice("w", "Write them, then leave", "write"))
    choices.append(Choice("y", "Leave", "leave", "computed steps are in the run's journal: lab3-tui --resume goes on"))
    return Choose("Leave?", text, choices, "Stay", interrupted="leave")


def overwrite(files: Sequence[str], settings: p.Settings) -> Choose:
    """Files of others lie where B′ is to go."""
    folder = escape_path(settings.out or f"{settings.root}/models")
    text = f"{', '.join(files)}: there already in {folder}, and not from a run recorded here."
    yes = Choice("w", "Write over them", "yes", "what they hold is lost")
    return Choose("Replace these files?", text, [yes], "Choose other files or folders")


def computed(state: RunState) -> str:
    """How far the run has come, in words."""
    return f"{state.known} steps are computed" if state.known != 1 else "1 step is computed"


def question(asked: p.Question) -> Choose:
    """A question of the engine's."""
    if asked.about in ("overwrite", "replace"):
        title, yes = "Replace the file?", Choice("o", "Overwrite it", "yes")
    else:
        title, yes = "Save again?", Choice("y", "Save it for the channels pruned now", "yes")
    return Choose(title, asked.text, [yes], "Leave it as it is")


def agreed(asked: p.Question) -> p.AnyCommand:
    """The command that a yes means."""
    if asked.tuning is not None:
        return p.SaveTuned(asked.tuning, asked.epoch, file_name(asked.path or "") or None, overwrite=True)
    if asked.threshold is not None:
        return p.SaveThreshold(asked.threshold, overwrite=asked.about == "overwrite")
    return p.SaveHere(file_name(asked.path or "") or None, overwrite=True, step=asked.step)


def _number_or_none(text: str) -> str:
    return wrong_thresholds(text) if len(listed(text)) < 2 else "One number, please."


def _wrong_percentage(text: str) -> str:
    try:
        parse_percentage(bare(text) or "0")
    except Refused as refused:
        return refused.found
    return ""


def _file_name(text: str) -> str:
    try:
        file_names.file_name(text, "")
    except Refused as refused:
        return str(refused)
    return ""

"""`lab3-tui tune`: B′ of a step fine-tuned on clean validation images, and B″ saved."""

from engine.api import protocol as p
from engine.api.errors import Refused
from engine.api.tunings import Tuning
from tui.headless.headless_run import Connect, left_alone
from tui.headless.lab_commands import LabCommands
from tui.headless.narrator import Narrator
from tui.headless.tables import aligned
from tui.model.formatting import EMPTY
from tui.model.launch import Launch
from tui.model.run_state import RunState, epoch_line, tuned_figures

NO_PROMISE = (
    "The hold-out alone decides. Test and poisoned images are only looked at; another seed gives another ASR, and none "
    "of this is a guarantee."
)
HEADER = ("", "seed", "epoch", "hold-out %", "test %", "ASR test %", "RA test %", "detected %", "alarms %")


def run(launch: Launch, command: p.Tune, json: bool, connect: Connect, told: Narrator | None = None) -> int:
    """Prune up to the step and tune in an engine. Returns the exit code."""

    def heard(state: RunState, event: p.AnyEvent) -> None:
        if isinstance(event, p.Tuned) and event.epoch and not state.retelling:
            lab.tell(epoch_line(state, state.tunings[event.number], event.epoch))

    lab = LabCommands(launch, json, connect, told, heard)

    async def work() -> None:
        step = command.step or 0
        if step > lab.state.channels:
            raise Refused(f"--step {step}: there is no such step, expected 1..{lab.state.channels}.")
        if not all(each in lab.state.steps for each in range(step + 1)):
            await lab.perform(p.Goto(step))
        await lab.perform(command)
        lab.tell("", *table(lab.state, command))
        lab.said.stderr(NO_PROMISE)
        if lab.state.questions and lab.state.opened:
            raise Refused(left_alone(lab.state.opened.run, lab.state.questions))

    return lab.run(work)


def table(state: RunState, command: p.Tune) -> list[str]:
    """B′ as pruned, then each seed at the epoch that it keeps."""
    own = [at for at in state.tunings.values() if at.began.step == command.step and at.began.seed in command.seeds]
    same = [at for at in own if at.began.recipe == own[-1].began.recipe and set(at.began.pruned) == set(state.pruned)]
    rows: list[tuple[str, ...]] = [HEADER]
    for tuning in same[:1]:
        rows.append(("B′", "", "0", *_cells(state, tuning, 0)))
    rows += [("B″", str(at.began.seed), str(at.kept), *_cells(state, at, at.kept)) for at in same if at.last > 0]
    lines = aligned(rows, left=1)
    if same:
        began = same[0].began
        lines.append(
            f"trained on {began.trained:,} validation images, {began.held_out:,} others held out, of each class"
        )
    return lines


def _cells(state: RunState, tuning: Tuning, epoch: int) -> tuple[str, ...]:
    now = tuned_figures(state, tuning, epoch)
    shown = (now.holdout, now.test, now.asr, now.robust, now.detection, now.false_alarm)
    return tuple(EMPTY if value is None else f"{value:.2f}" for value in shown)

"""The run without a screen: every step, every result, over the same client as the workbench."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import ExitCode, LabError, Refused
from tui.headless.driver import Driver, drive
from tui.headless.narrator import Narrator, json_line, narrator
from tui.headless.tables import results_table, step_line
from tui.model.run_state import epoch_line

THE_END = 1_000_000  # a step beyond any layer's channels: the engine stops at the last
Connect = Callable[[], EngineClient]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `save_at`: thresholds instead of those that the run to go on with has. Lines are narrated."""

    command: p.Open
    save_at: tuple[str, ...] | None = None
    json: bool = False
    keep: bool = False
    first_line: str = ""
    last_lines: tuple[str, ...] = ()


class ThresholdMissed(LabError):
    """The run is complete, and a threshold was never reached."""

    exit_code = ExitCode.THRESHOLD_MISSED


def run(plan: Plan, connect: Connect = EngineClient, told: Narrator | None = None) -> int:
    """Run to the end. Returns the exit code."""
    return Headless(plan, connect(), told or narrator()).run()


class Headless:
    def __init__(self, plan: Plan, client: EngineClient, told: Narrator) -> None:
        self.plan = plan
        self.narrator = told
        self.driver = Driver(client, told, self.heard)
        self.driver.keep = plan.keep
        self.printed: dict[int, frozenset[int]] = {}  # by step: the channels that its line was about

    def run(self) -> int:
        if self.plan.first_line:
            self.narrator.stderr(self.plan.first_line)
        return drive(self.driver, self.work)

    async def work(self) -> None:
        driver, plan = self.driver, self.plan
        others = [] if plan.save_at is None else [p.SetThresholds(plan.save_at)]
        commands: list[p.AnyCommand] = [plan.command, *others, p.Goto(THE_END), p.Finish()]
        if plan.keep:  # the engine has to know all of it, should the connection drop
            for command in commands:
                await driver.client.send(command)
        for command in commands:
            await driver.perform(command, sent=plan.keep)
        self.conclude()

    def heard(self, event: p.AnyEvent) -> None:
        if isinstance(event, p.Opened):
            refuse_held(event)
        if self.plan.json:
            self.narrator.stdout(json_line(event))
        elif self.narrator.width is not None:  # on a terminal the narrator's line moves instead
            return
        elif isinstance(event, p.Stepped) and not self.driver.state.retelling:
            self.print_step(event)
        elif isinstance(event, p.Tuned) and event.epoch and not self.driver.state.retelling:
            self.narrator.stdout(epoch_line(self.driver.state, self.driver.state.tunings[event.number], event.epoch))
        elif isinstance(event, p.Idle):  # a run of before is told; its orders of before are nobody's business here
            for _, known in sorted(self.driver.state.steps.items()):
                self.print_step(known)

    def print_step(self, event: p.Stepped) -> None:
        """A line for a step, once for each set of channels pruned there."""
        pruned = frozenset(self.driver.state.order[: event.step])
        if self.printed.get(event.step) != pruned:
            self.printed[event.step] = pruned
            self.narrator.stdout(step_line(self.driver.state, event))

    def conclude(self) -> None:
        """The table, what the curve says, and whether all that was asked for is there."""
        finished = self.driver.state.finished
        if finished is None:
            raise LabError("The engine ended without its results.")
        if not self.plan.json:
            for line in ["", *results_table(self.driver.state, self.narrator.width)]:
                self.narrator.stdout(line)
        where = [] if self.narrator.width is None else ["", f"Results: {finished.run}"]
        for line in (*where, finished.verdict, *self.plan.last_lines):
            self.narrator.stderr(line)
        if self.driver.state.questions:
            raise Refused(left_alone(finished.run, self.driver.state.questions))
        if finished.missed:
            names = ", ".join(map(p.threshold_label, finished.missed))
            raise ThresholdMissed(f"Never reached: {names}. Everything else is written.")


def refuse_held(opened: p.Opened) -> None:
    """Raises Refused, as soon as the inputs stand, for a run that another process holds."""
    if opened.held_by:
        raise Refused(
            f"This folder is in use by another window ({opened.held_by}).",
            "Close it there, or wait until it has ended.",
        )


def left_alone(run: str, questions: Sequence[p.Question]) -> str:
    """What nobody here can answer: the files stay as they are, and the questions wait."""
    first, *others = questions
    more = f" So were {len(others)} more files." if others else ""
    how = "--overwrite and --out" if first.about == "overwrite" else f"the question, by lab3-tui --run {quote(run)}"
    return f"{first.text} It was left as it is; see {how}.{more}"

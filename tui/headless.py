"""The run without a screen: every step, every result, over the same client as the workbench."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import ExitCode, LabError, Refused
from engine.api.textsafe import escape_json
from tui.driver import Driver, drive
from tui.narration import Narrator, narrator
from tui.tables import results_table, step_line

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
        self.questions: list[p.Question] = []

    def run(self) -> int:
        if self.plan.first_line:
            self.narrator.say(self.plan.first_line)
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
        if isinstance(event, p.Question):
            self.questions.append(event)
        if self.plan.json:
            self.narrator.out(escape_json(p.encode(event).decode()))
        elif isinstance(event, p.Stepped):
            self.narrator.out(step_line(self.driver.state, event, self.narrator.width))

    def conclude(self) -> None:
        """The table, what the curve says, and whether all that was asked for is there."""
        finished = self.driver.state.finished
        if finished is None:
            raise LabError("The engine ended without its results.")
        if not self.plan.json:
            for line in ["", *results_table(self.driver.state)]:
                self.narrator.out(line)
        for line in (finished.verdict, *self.plan.last_lines):
            self.narrator.say(line)
        if self.questions:
            raise Refused(self.questions[0].text + " Nothing was replaced; see --overwrite and --out.")
        if finished.missed:
            names = ", ".join(map(p.minus, finished.missed))
            raise ThresholdMissed(f"Never reached: {names}. Everything else is written.")


def refuse_held(opened: p.Opened) -> None:
    """Raises Refused, as soon as the inputs stand, for a run that another process holds."""
    if opened.held_by:
        raise Refused(f"This folder is in use by another window ({opened.held_by}).")

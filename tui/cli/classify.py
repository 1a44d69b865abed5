"""`lab3-tui classify`: what G answers to pictures, with B's and B′'s own answers."""

import json as json_text

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import ExitCode, LabError, Refused
from engine.api.escape import escape_json
from tui.cli.commands import quiet_narrator
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect


class Backdoored(LabError):
    """A picture was answered "backdoored", and the user asked for that to be an exit code."""

    exit_code = ExitCode.THRESHOLD_MISSED


def run(command: p.Classify, check: bool, json: bool, connect: Connect = EngineClient) -> int:
    """A line a picture, in their order. Returns the exit code: with `check` 1 where one is backdoored."""
    told = quiet_narrator()

    def heard(event: p.AnyEvent) -> None:
        if not isinstance(event, p.Classified):
            return
        if json:
            told.stdout(escape_json(json_text.dumps(entry(event), ensure_ascii=False)))
        elif event.refusal is not None:
            told.stderr(event.refusal)
        else:
            told.stdout(line(event))
            for note in event.notes:
                told.stderr(f"{event.name}: {note}")

    driver = Driver(connect(), told, heard)

    async def work() -> None:
        await driver.perform(command)
        found = driver.state.classified
        refused = sum(event.refusal is not None for event in found)
        caught = sum(event.g == event.classes for event in found if event.refusal is None)
        if refused:
            raise Refused(f"{refused} of {len(found)} pictures could not be looked at.")
        if check and caught:
            raise Backdoored(f"{caught} of {len(found)} pictures are backdoored, as G has it.")

    return drive(driver, work)


def line(event: p.Classified) -> str:
    """G's answer first: it is what was asked for."""
    verdict = "backdoored" if event.g == event.classes else f"class {event.g}"
    return f"{event.name}  {event.g}  {verdict}  (B {event.b}, B′ {event.b_prime})"


def entry(event: p.Classified) -> dict[str, object]:
    """A picture for a program."""
    if event.refusal is not None:
        return {"image": event.name, "refusal": event.refusal}
    return {
        "image": event.name,
        "g": event.g,
        "backdoored": event.g == event.classes,
        "b": event.b,
        "b_prime": event.b_prime,
        "classes": event.classes,
        "notes": event.notes,
    }

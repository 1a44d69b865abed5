"""`lab3-tui explain`: why the defence works or fails on a network. The twin of the screen of that name."""

import sys

from engine.api import explanation
from engine.api import protocol as p
from engine.api.explanation import Findings
from tui.headless.headless_run import Connect
from tui.headless.lab_commands import LabCommands
from tui.headless.narrator import Narrator
from tui.headless.tables import aligned
from tui.model.launch import Launch
from tui.model.run_state import findings

HEADER = ("detector", "area", "95 %", "detected", "false alarms", "detected", "false alarms")
ABOVE = ("", "", "", "at 1 %", "at 1 %", "at 5 %", "at 5 %")


def run(launch: Launch, layers: bool, json: bool, connect: Connect, told: Narrator | None = None) -> int:
    """Look for the reasons in an engine. Returns the exit code."""
    lab = LabCommands(launch, json, connect, told)

    async def work() -> None:
        await lab.perform(p.Explain(layers))
        found = findings(lab.state)
        if found is not None:
            lab.tell(*report(found))
        sys.stdout.flush()
        if not any(saved.what == "report.md" for saved in lab.state.saved):  # else Explain wrote it anew
            await lab.perform(p.Export())
        if lab.state.opened:
            run = lab.state.opened.run
            lab.said.stderr(f"The answer in words: {run}/report.md; every number: {run}/diagnosis.json")

    return lab.run(work)


def report(found: Findings) -> list[str]:
    """The verdict, a line for each view, the detectors' table, and what may be wrong with it."""
    verdict = explanation.verdict(found)
    lines = [f"{verdict.name}: {verdict.meaning}", ""]
    lines += [f"  + {line}" for line in verdict.evidence]
    lines += [f"  ? {line}" for line in verdict.doubt]
    lines += ["", f"hint: {explanation.stimulation_told(found)}"]
    if found.detected is not None:
        lines += ["", *aligned([ABOVE, HEADER, *map(detector_row, found.detected.detectors)], left=1)]
        lines += ["", explanation.detectors_told(found)]
    oracle = explanation.ORACLE
    return [*lines, "", f"Everything but dormant and driven channels {oracle}."]


def detector_row(at: p.Detector) -> list[str]:
    _, test, poisoned = at.images
    rates = [
        f"{rate:.1f} %"
        for hits, alarms in zip(at.detected, at.false_alarms, strict=True)
        for rate in (p.percent(hits, poisoned), p.percent(alarms, test))
    ]
    return [at.name, f"{at.area:.3f}", f"{at.area_low:.3f} to {at.area_high:.3f}", *rates]

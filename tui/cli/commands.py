"""The commands beside the run itself: eval, inspect, demo train."""

import sys
from pathlib import Path

from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.demo import Attack
from engine.api.errors import ExitCode, LabError
from engine.api.inspection import Description, describe
from engine.api.statistics import defence_effectiveness, mcnemar, wilson
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect
from tui.headless.narrator import Narrator, Plain, narrator
from tui.headless.tables import aligned
from tui.model.run_state import RunState
from tui.terminal.outputs import complain, put


class Silent(Plain):
    """For output that people paste: stderr has only what they should know."""

    def on_event(self, _before: RunState, _state: RunState, event: p.AnyEvent) -> None:
        if isinstance(event, p.Note):
            self.stderr(event.text)


def quiet_narrator() -> Narrator:
    """A bar on a terminal, hardly a word elsewhere."""
    moving = narrator()
    return Silent() if isinstance(moving, Plain) else moving


def evaluate(command: p.Evaluate, connect: Connect = EngineClient, intervals: bool = False) -> int:
    """The two lines of the lab's eval.py; with a badnet G's, and two more. Returns the exit code.

    `intervals`: also how sure the rates are, and what they come to together.
    """
    told = quiet_narrator()
    driver = Driver(connect(), told, lambda _: None)

    async def work() -> None:
        await driver.perform(command)
        found = driver.state.evaluated
        if found is None:
            raise LabError("The engine ended without figures.")
        said = evaluation(found) if told.width is None else counted(found)
        for line in [*said, *(certainty(found) if intervals else [])]:
            told.stdout(line)
        for note in found.notes:
            told.stderr(note)

    return drive(driver, work)


def evaluation(found: p.Evaluated) -> list[str]:
    """Rates in every digit, as numpy's mean of hits times a hundred gives them."""
    lines = [
        f"Clean Classification accuracy: {_mean(found.clean_hits, found.clean_images)}",
        f"Attack Success Rate: {_mean(found.poisoned_hits, found.poisoned_images)}",
    ]
    if found.detected is not None and found.false_alarms is not None:
        lines.append(f"Detection rate: {_mean(found.detected, found.poisoned_images)}")
        lines.append(f"False alarm rate: {_mean(found.false_alarms, found.clean_images)}")
    return lines


def counted(found: p.Evaluated) -> list[str]:
    """For someone who reads it on a terminal: counts, and percent to two digits."""
    rows = [
        ("clean classification accuracy", found.clean_hits, found.clean_images),
        ("attack success rate", found.poisoned_hits, found.poisoned_images),
        ("detection rate", found.detected, found.poisoned_images),
        ("false alarm rate", found.false_alarms, found.clean_images),
    ]
    told = [
        (name, f"{hits:,}", f"of {total:,}", f"{p.percent(hits, total):.2f} %")
        for name, hits, total in rows
        if hits is not None
    ]
    return aligned(told, left=1)


def certainty(found: p.Evaluated) -> list[str]:
    """How sure the rates are, and what they come to together."""
    counts = {
        "clean accuracy": (found.clean_hits, found.clean_images),
        "attack success rate": (found.poisoned_hits, found.poisoned_images),
        "detection rate": (found.detected, found.poisoned_images),
        "false alarm rate": (found.false_alarms, found.clean_images),
    }
    ends = {name: wilson(hits, images) for name, (hits, images) in counts.items() if hits is not None}
    told = ", ".join(f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in ends.items())
    return [f"95 % intervals (Wilson), in percent: {told}", robust(found), *against_badnet(found)]


def robust(found: p.Evaluated) -> str:
    if found.robust is None:
        return f"no robust accuracy: {found.unproven}"
    low, high = wilson(found.robust, found.poisoned_images)
    return f"robust accuracy: {p.percent(found.robust, found.poisoned_images):.2f} % ({low:.2f} to {high:.2f})"


def against_badnet(found: p.Evaluated) -> list[str]:
    """What G, and MODEL, change of the badnet that they were made of."""
    if found.badnet_hits is None or found.only_one_right is None:
        return []
    images: dict[p.SetName, int] = {"test": found.clean_images, "poisoned": found.poisoned_images}
    der = defence_effectiveness(found.badnet_hits, (found.clean_hits, found.poisoned_hits), images)
    one, other = found.only_one_right
    return [
        f"defence effectiveness (DER) of G: {der:.4f}",
        f"clean images on which only the badnet is right: {one:,}, only MODEL: {other:,}; McNemar p "
        f"{mcnemar(one, other):.2g}",
    ]


def _mean(hits: int, images: int) -> float:
    return hits / images * 100


def train_demo(attack: Attack, path: str, connect: Connect = EngineClient) -> int:
    """Train one of the demo's networks anew. Returns the exit code."""
    told = narrator()
    driver = Driver(connect(), told, lambda _: None)

    async def work() -> None:
        await driver.perform(p.TrainDemo(attack, path))
        told.stdout(path)

    return drive(driver, work)


def inspect(path: Path, blank: bool = False) -> int:
    """Say what a file holds, `blank`: below an empty line. Returns the exit code: 2 where it would not be opened."""
    found = describe(path)
    lines = description(found)
    for line in ["", *lines] if blank and lines else lines:
        put(sys.stdout, line)
    if found.protection:
        complain(found.protection)
    if found.refusal:
        complain(found.refusal)
        return ExitCode.USAGE
    return ExitCode.DONE


def description(found: Description) -> list[str]:
    """What is known of a file, line by line."""
    tell = {"model": _model, "data": _data, "answers": _answers}
    facts = tell[found.kind](found) if found.kind else []
    if found.size:
        facts.append(("size", f"{found.size:,} bytes"))
    if found.sha256:
        facts.append(("SHA-256", found.sha256))
    if found.known:
        facts.append(("known as", f"the lab's own {found.known}"))
    facts += [("note", note) for note in found.notes]
    if not facts:
        return []
    width = max(len(name) for name, _ in facts)
    lines = [found.name, *(f"  {name:<{width}}  {value}" for name, value in facts)]
    return [*lines, "", *layers(found)] if found.layers else lines


WEIGHTS = {"weights": "h5", "weights.h5": "weights.h5"}  # by format, how the name of a file of weights ends


def _model(found: Description) -> list[tuple[str, str]]:
    kinds = {"h5": "Keras model (.h5)", "keras": "Keras model (.keras)"}
    kinds |= {form: f"weights of the lab's DeepID (.{ending})" for form, ending in WEIGHTS.items()}
    kind = kinds.get(found.format, found.format)
    facts = [("kind", kind + (f", written by Keras {found.writer}" if found.writer else ""))]
    if found.image and found.classes:
        facts.append(("input", f"{_image(found.image)} (channels, height, width as data files have them)"))
        facts.append(("output", f"{found.classes:,} classes"))
    facts.append(("parameters", f"{found.parameters:,}"))
    if found.layer:
        facts.append(("pruned layer", f"{found.layer}, ranked by {found.feature}"))
        facts += [("zero filters", f"{at.zero} of {at.filters} in {at.layer}") for at in found.zero_filters
                  if at.zero or at.layer == found.layer]  # fmt: skip
    return facts


def _answers(found: Description) -> list[tuple[str, str]]:
    """Rates in percent; on poisoned images a hit is the attack's target."""
    facts = [("kind", "answers of G (.h5), as this program writes them")]
    for at in found.answers:
        names = {"B": at.b, at.second.replace("B_prime", "B'").replace("B_tuned", 'B"'): at.other, "G": at.g}
        hits = ", ".join(f"{name} {hits:,} ({p.percent(hits, at.images):.2f} %)" for name, hits in names.items())
        what = "hit the label" if at.set == "clean" else "hit the target"
        share = p.percent(at.backdoored, at.images)
        facts.append(
            (at.set, f"{at.images:,} images; {what}: {hits}; G says backdoored: {at.backdoored:,} ({share:.2f} %)")
        )
    return facts


def _data(found: Description) -> list[tuple[str, str]]:
    facts = [("kind", "data set (.h5)")]
    if found.image:
        facts.append(
            ("images", f"{found.images:,} of {_image(found.image)}, {found.dtype}, stored in {_stored(found)}")
        )
    if found.pixels:
        facts.append(("pixels", f"{found.pixels[0]:g} to {found.pixels[1]:g} in the first images"))
    if found.labels:
        low, high = found.labels
        facts.append(("labels", f"{low} to {high}, {found.distinct_labels:,} different"))
    return facts


def _image(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))


def _stored(found: Description) -> str:
    return "one piece" if found.stored == "plain" else "chunks"


def layers(found: Description) -> list[str]:
    """The layers, and which of them can be pruned."""
    rows = [("layer", "type", "output", "")]
    for layer in found.layers:
        shape = " x ".join("?" if size is None else str(size) for size in layer.shape[1:])
        able = "can be pruned" if layer.refusal is None else ""
        able += ", the default" if layer.name == found.layer else ""
        if layer.refusal and "Conv" in layer.kind:
            able = f"cannot be pruned: {layer.refusal}"
        rows.append((layer.name, layer.kind, shape, able))
    return [f"  {line}" for line in aligned(rows, left=4)]

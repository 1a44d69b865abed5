"""`lab3-tui export`: G, or a network without its pruned channels, as a file that Keras alone opens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from engine.api import lab
from engine.api import protocol as p
from engine.api.client import EngineClient
from engine.api.errors import LabError, Refused
from engine.api.escape import SHORT, escape
from tui.cli.commands import quiet_narrator
from tui.headless.driver import Driver, drive
from tui.headless.headless_run import Connect
from tui.model import options

FORMS: dict[str, Literal["keras", "h5", "onnx"]] = {".keras": "keras", ".h5": "h5", ".onnx": "onnx"}


def run(
    what: Literal["g", "shrunk"],
    model: Path,
    to: Path,
    form: str | None,
    check: Sequence[Path] | None,
    scale: str,
    root: Path | None,
    overwrite: bool,
    device: str | None,
    badnet: Path | None = None,
    layer: str | None = None,
    connect: Connect = EngineClient,
) -> int:
    """Write the network and say how much is left of it. Returns the exit code."""
    command = p.ExportNetwork(
        what,
        options.absolute(model),
        options.absolute(to),
        options.absolute(badnet) if badnet else None,
        layer,
        form_of(what, to, form),
        options.scale(scale),
        tuple(map(options.absolute, check)) if check is not None else sets_of(root),
        overwrite,
        options.device(device) if device else None,
    )
    told = quiet_narrator()
    driver = Driver(connect(), told, lambda _: None)

    async def work() -> None:
        await driver.perform(command)
        if driver.state.exported is None:
            raise LabError("The engine ended without a file.")
        for line in report(what, driver.state.exported):
            told.stdout(line)

    return drive(driver, work)


def form_of(what: str, to: Path, form: str | None) -> Literal["keras", "h5", "onnx"]:
    """The form that the user names, or that the file's ending does. Raises Refused."""
    known = ("keras", "onnx") if what == "g" else ("keras", "h5")
    wanted = form or FORMS.get(to.suffix, "")
    found = next((each for each in FORMS.values() if each == wanted and each in known), None)
    if found is None:
        endings = " or ".join(f".{each}" for each in known)
        raise Refused(f"{escape(to.name, SHORT)}: names no form that can be written. Expected {endings}.")
    return found


def sets_of(root: Path | None) -> tuple[str, ...]:
    """The data files of the lab here, to compare on."""
    found = lab.find(Path(options.absolute(root or Path()))).sets
    return tuple(found.values())


def report(what: str, event: p.Exported) -> list[str]:
    """What was written, how large it is, and on how many images it was compared."""
    kept = f"{event.parameters:,} of {event.before:,} parameters"
    images = sum(event.images.values())
    alike = f"every answer on {images:,} images equal" if images else "compared on no image"
    if what == "shrunk" and images:
        alike += f", largest difference of scores {event.difference:.2g}"
    return [event.path, f"{kept}; {alike}", *(note for note in event.notes if images or "--check" in note)]

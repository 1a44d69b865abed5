"""The last page of a workbench that met a fault of its own: what happened, where the log is, how to go on."""

import traceback
from pathlib import Path
from time import strftime

from engine.api.engine_log import LOG_NAME
from engine.api.escape import printable
from engine.api.user_folders import user_folder
from tui.model.run_state import RunState

NAME = "crash.log"
WORDS = 200  # characters of what the fault says of itself


def crash_page(fault: BaseException, state: RunState, going_on: str, folder: Path | None = None) -> list[str]:
    """The page's lines, with the place of the log, which is written first.

    `going_on`: the options that take the run up again, empty where none has a step; `folder`: where the log goes,
    default the user's folder for states.
    """
    said = " ".join(printable(str(fault)).split())[:WORDS]
    lines = [f"lab3-tui stopped: it met a fault of its own ({type(fault).__name__}{f': {said}' if said else ''})."]
    if log := write_log(fault, folder):
        lines.append(f"What it was doing is in {printable(str(log))}; please send that along when you report it.")
    if state.opened is not None:
        lines.append(f"What the engine printed is in {printable(str(Path(state.opened.run) / LOG_NAME))}.")
    if going_on:
        lines.append(f"Every step that was computed is safe. Go on with: lab3-tui {going_on}")
    else:
        lines.append("Nothing is lost. Start it again with: lab3-tui")
    return lines


def write_log(fault: BaseException, folder: Path | None = None) -> Path | None:
    """Put the fault's traceback at the end of the log; None where that cannot be written."""
    try:
        place = (folder or user_folder("STATE")) / NAME
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with place.open("a", encoding="utf-8") as file:
            file.write(f"--- {strftime('%Y-%m-%d %H:%M:%S')}\n")
            file.writelines(traceback.format_exception(fault))
    except (OSError, RuntimeError):
        return None
    return place

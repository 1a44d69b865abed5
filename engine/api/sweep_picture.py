"""The picture of a sweep, as plain numbers; drawn in a process of its own: no front end imports matplotlib."""

import os
import subprocess
import sys

import msgspec

from engine.api.errors import LabError

COMMAND = (sys.executable, "-P", "-c", "from engine.report.sweep_picture import serve; serve()")
PNG = b"\x89PNG\r\n\x1a\n"
PATIENCE = 120  # seconds for a picture of many panels


class SweepPath(msgspec.Struct, frozen=True):
    """A run on the trade-off, a point (x, y) a step. `oracle`: its order looks at poisoned images.

    `band`: runs of one such name, as random orders of one layer, are drawn as a band from three on.
    """

    name: str
    oracle: bool
    points: tuple[tuple[float, float], ...]
    band: str = ""


class SweepPanel(msgspec.Struct, frozen=True):
    """The runs of one network. `attack`: x is the drop of clean validation accuracy in points, y the ASR in percent;
    without poisoned images x is the percent of channels pruned, y clean validation accuracy."""

    title: str
    attack: bool
    paths: tuple[SweepPath, ...]


class SweepPicture(msgspec.Struct, frozen=True):
    """A panel a network."""

    panels: tuple[SweepPanel, ...]


def paint(picture: SweepPicture) -> bytes:
    """The picture as PNG; the same numbers give the same bytes on the same machine. Raises LabError."""
    try:
        painted = subprocess.run(
            COMMAND, input=msgspec.json.encode(picture), capture_output=True, timeout=PATIENCE, env=os.environ
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"The picture could not be drawn: {error}.") from error
    if painted.returncode or not painted.stdout.startswith(PNG):
        words = painted.stderr.decode("utf-8", "replace").strip().splitlines()
        raise LabError(f"The picture could not be drawn: {words[-1][:200] if words else 'the painter failed'}.")
    return painted.stdout

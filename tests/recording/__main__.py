"""A minute of the demo as an animated SVG: the real engine, keys pressed as the tour asks for them.

    python -m tests.recording [--to FILE.svg]

Takes about a minute and a half.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.recording.film import GROUND, PLAIN, Frame, Line, Run, film, joined
from tests.screenshots.__main__ import Session, session

if TYPE_CHECKING:
    from rich.segment import Segment

    from tui.app.app import LabApp

SIZE = (100, 30)
LARGEST = 1_000_000  # bytes of the film
READ = 3.5  # seconds that a still screen stands
LONGEST = 8.0  # seconds that something moving is shown
MOVING = 0.25  # seconds between two pictures of what moves


class Camera:
    """Takes frames of a session."""

    def __init__(self, it: Session) -> None:
        self.it, self.frames, self.caption = it, [], ""  # type: ignore[var-annotated]

    def take(self, seconds: float) -> None:
        self.frames.append(Frame(screen(self.it.app), seconds, self.caption))

    async def press(self, key: str, caption: str, seconds: float = READ) -> None:
        """A key, and the screen that it leads to."""
        self.caption = caption
        await self.it.press(key)
        await asyncio.sleep(0.6)
        self.take(seconds)

    async def while_busy(self) -> None:
        """What moves, until the engine is free; shown for LONGEST seconds at most, however long it takes here."""
        start = len(self.frames)
        while self.it.app.latest.busy or self.it.app.state is not self.it.app.latest:
            await asyncio.sleep(MOVING)
            self.take(MOVING)
        moved = joined(self.frames[start:])
        share = min(1.0, LONGEST / max(MOVING, sum(frame.seconds for frame in moved)))
        self.frames[start:] = [frame._replace(seconds=frame.seconds * share) for frame in moved]


def screen(app: "LabApp") -> tuple[Line, ...]:
    """What is on the screen, row by row."""
    strips = app.screen._compositor.render_strips()
    return tuple(tuple(run(segment) for segment in strip if segment.text) for strip in strips)


def run(segment: "Segment") -> Run:
    style = segment.style
    colour = style.color.get_truecolor().hex if style and style.color else PLAIN
    ground = style.bgcolor.get_truecolor().hex if style and style.bgcolor else GROUND
    if style and style.reverse:
        colour, ground = ground, colour
    return Run(segment.text, colour, "" if ground == GROUND else ground, bool(style and style.bold))


async def play(camera: Camera) -> None:
    """The tour, from B to the results, and the zip at its end."""
    camera.caption = "lab3-tui --demo"
    await asyncio.sleep(1)
    camera.take(READ)
    for number in range(3):
        await camera.press("space", "space", 0.7 if number < 2 else 2.5)
    await camera.press("u", "u", 2.5)
    camera.caption = "r"
    await camera.it.press("r")
    await camera.while_busy()
    camera.take(READ)
    await camera.press("5", "5", 4.5)
    await camera.press("i", "6")
    await camera.it.until(lambda: camera.it.pair() is not None, "images")
    await asyncio.sleep(0.6)
    camera.take(READ)
    await camera.press("3", "3", 3.0)
    await camera.press("1", "1", 2.0)
    await camera.press("question_mark", "?", READ)
    await camera.press("escape", "esc", 2.0)
    camera.caption = "H"
    await camera.it.press("H")
    await camera.while_busy()
    camera.take(5.0)


async def shoot(to: Path) -> int:
    with TemporaryDirectory(prefix="lab3-recording-") as folder:
        os.environ |= {f"XDG_{name}_HOME": f"{folder}/{name.lower()}" for name in ("CACHE", "STATE", "CONFIG")}
        async with session(Path(folder), SIZE) as it:
            camera = Camera(it)
            await play(camera)
    found = film(joined(camera.frames), *SIZE)
    size, seconds = len(found.encode()), sum(frame.seconds for frame in camera.frames)
    if size > LARGEST:
        print(f"{to}: {size:,} bytes are more than {LARGEST:,}", file=sys.stderr)
        return 1
    to.write_text(found, "utf-8")
    print(f"{to}: {size:,} bytes, {seconds:.0f} seconds, {len(joined(camera.frames))} screens")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "demo.svg")
    return asyncio.run(shoot(parser.parse_args().to))


if __name__ == "__main__":
    sys.exit(main())

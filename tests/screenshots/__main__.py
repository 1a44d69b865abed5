"""Pictures of the workbench for the README, from a real session: the real engine on the embedded demo.

    python -m tests.screenshots [--folder FOLDER]

Keys are pressed as a user would press them, and each picture waits for what it is to show. Takes a minute or two.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

from tests.screenshots.picture import HOW_TO_GET, flat, png

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from engine.api.demo import Attack
    from engine.api.protocol import ImagePair
    from tui.app.app import LabApp

os.environ |= {"TEXTUAL_COLOR_SYSTEM": "truecolor", "COLORTERM": "truecolor"}  # read when textual is imported
os.environ.pop("NO_COLOR", None)
LARGEST = 250_000  # bytes of a picture
PATIENCE = 300  # seconds until something that was waited for is given up
TUNED = 50  # the step whose B′ is fine-tuned
FAR, NEAR = 54, 51  # steps: every threshold crossed; people still known, and the attack whole


class Session:
    """A workbench at work, its keys, and the pictures taken of it."""

    def __init__(self, app: "LabApp", pilot: "Pilot[int]", folder: Path) -> None:
        self.app, self._pilot, self._folder = app, pilot, folder

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def until(self, happened: Callable[[], object], what: str) -> None:
        end = monotonic() + PATIENCE
        while not happened():
            if self.app.latest.death or monotonic() > end:
                raise SystemExit(f"waited in vain for {what}: {self.app.latest.death or 'too long'}")
            await self._pilot.pause(0.05)
        await self._pilot.pause()

    async def go_to(self, step: int) -> None:
        await self.press("g", *str(step), "enter")
        await self.until(lambda: self.app.latest.step == step and not self.app.latest.busy, f"step {step}")

    def pair(self) -> "ImagePair | None":
        """The first pair of images at this step, once it is there."""
        found = self.app.latest.images
        return found.items[0] if found and found.step == self.app.latest.step and found.items else None

    def other(self, before: "ImagePair | None") -> bool:
        return self.pair() not in (None, before)

    async def quiet(self) -> None:
        """Until no words lie over the screen, and it shows the newest state."""
        await self.until(lambda: not self.app._notifications and self.app.state is self.app.latest, "a quiet screen")
        await self._pilot.wait_for_scheduled_animations()
        await self._pilot.pause(0.5)  # the longest interval between two redraws of a chart

    async def take(self, name: str) -> None:
        await self.quiet()
        picture = png(flat(self.app.export_screenshot()))
        if len(picture) > LARGEST:
            raise SystemExit(f"{name}: {len(picture):,} bytes are more than {LARGEST:,}")
        (self._folder / name).write_bytes(picture)
        print(f"{self._folder / name}: {len(picture):,} bytes")


@asynccontextmanager
async def session(folder: Path, size: tuple[int, int], attack: "Attack" = "pruning-aware") -> AsyncIterator[Session]:
    """The workbench on the demo, with B measured."""
    from tui.app.app import LabApp
    from tui.model.config import Config
    from tui.model.launch import demo_launch

    app = LabApp(replace(demo_launch(attack), fresh=True), Config(theme="lab3-dark"))
    async with app.run_test(size=size, notifications=True) as pilot:
        it = Session(app, pilot, folder)
        try:
            await it.until(lambda: app.latest.ready and not app.latest.busy, "the baseline")
            yield it
        finally:
            await app.link.close()


async def repaired(it: Session) -> None:
    """Three seeds, tuned from a step whose accuracy has fallen far enough."""
    await it.go_to(TUNED)
    await it.press("F", "space")
    done = lambda: len(it.app.latest.tunings) == 3 and not it.app.latest.busy  # noqa: E731
    await it.until(done, "three tunings")
    await it.take("repair.png")


async def wide(it: Session) -> None:
    await it.go_to(FAR)
    await it.take("workbench.png")
    await it.press("m")
    await it.until(lambda: all(s.step in it.app.latest.measured for s in it.app.latest.saved if s.step), "the table")
    await it.take("results.png")
    await it.press("escape", "enter")
    await it.until(lambda: it.app.latest.view, "the channel")
    await it.take("channel.png")
    await it.press("escape", "w", "x")
    await it.until(lambda: it.app.latest.layers_pruned and not it.app.latest.busy, "the findings")
    await it.take("why.png")
    await it.press(*["tab"] * 5)
    await it.take("why-detectors.png")
    await it.press("escape")
    await it.go_to(NEAR)
    await it.press("i")
    await it.until(it.pair, "faces")
    while not telling(before := it.pair()):
        await it.press("right")
        await it.until(partial(it.other, before), "the next faces")
    await it.take("images.png")


def telling(pair: "ImagePair | None") -> bool:
    """Someone whom B′ still knows, until sunglasses make it see the attacker's target."""
    if pair is None or pair.clean is None or pair.poisoned is None:
        return False
    clean, poisoned = pair.clean, pair.poisoned
    return clean.label == clean.b_prime != poisoned.label == poisoned.b_prime


async def compared(it: Session) -> None:
    """Wait for every order that the screen computes by itself."""
    await it.press("2")
    await it.until(lambda: it.app.latest.compared and not it.app.latest.busy, "the orders")


async def aware(it: Session) -> None:
    await compared(it)
    await it.take("orders.png")


async def plain(it: Session) -> None:
    await compared(it)
    await it.press("z", "z", "z")
    await it.take("orders-plain.png")


async def narrow_orders(it: Session) -> None:
    await compared(it)
    await it.take("orders-80x24.png")


async def narrow(it: Session) -> None:
    await it.go_to(FAR)
    await it.take("workbench-80x24.png")


Visit = Callable[[Session], Awaitable[None]]
TOUR: tuple[tuple[tuple[int, int], "Attack", Visit], ...] = (
    ((120, 40), "pruning-aware", wide),
    ((120, 40), "pruning-aware", repaired),
    ((80, 24), "pruning-aware", narrow),
    ((120, 40), "pruning-aware", aware),
    ((120, 40), "plain", plain),
    ((80, 24), "pruning-aware", narrow_orders),
)


async def tour(folder: Path, only: str) -> None:
    for size, attack, visit in TOUR:
        if only in visit.__name__:
            async with session(folder, size, attack) as it:
                await visit(it)


def names() -> str:
    return ", ".join(visit.__name__ for _, _, visit in TOUR)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Pictures for the README.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where they go")
    parser.add_argument("--only", default="", help="take only the visit of this name: " + names())
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    try:
        png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    except (ImportError, OSError):
        sys.exit(HOW_TO_GET)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="lab3-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        asyncio.run(tour(folder, arguments.only))


if __name__ == "__main__":
    main()
